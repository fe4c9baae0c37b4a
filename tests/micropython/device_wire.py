"""Fields, names and topics levels of section 2, at their boundaries."""

from device_support import raises, refused

from microseal import errors
from microseal.wire import Reader, check_client_id, check_name, hexkid, long, short, u8, u16, u32, unhexkid


def test_integers_are_big_endian():
    assert u8(0) + u8(255) == b"\x00\xff"
    assert u16(1) + u16(65535) == b"\x00\x01\xff\xff"
    assert u32(1) + u32(0xFFFFFFFF) == b"\x00\x00\x00\x01\xff\xff\xff\xff"
    assert short(b"ab") == b"\x02ab" and short(b"") == b"\x00"
    assert long(b"ab") == b"\x00\x02ab"
    for call, value in ((u8, 256), (u16, 65536), (u32, 1 << 32), (short, bytes(256)), (long, bytes(65536))):
        raises(OverflowError, call, value)


def test_reader_takes_every_kind_of_buffer_and_copies():
    for kind in (bytes, bytearray, memoryview):
        source = bytearray(b"\x01\x02\x03\x04")
        read = Reader(kind(source))
        field = read.take(2)
        assert type(field) is bytes and field == b"\x01\x02"
        source[0] = 9
        assert field == b"\x01\x02"
        assert read.uint(2) == 0x0304
        read.end()


def test_reader_refuses_what_is_short():
    for size, take in (
        (0, lambda read: read.uint(1)),
        (3, lambda read: read.uint(4)),
        (32, lambda read: read.point()),
        (31, lambda read: read.take(32)),
    ):
        refused(errors.LENGTH, take, Reader(bytes(size)))
    refused(errors.LENGTH, Reader(b"\x03ab").name)
    refused(errors.LENGTH, Reader(b"").name)


def test_a_short_field_is_not_consumed():
    read = Reader(b"abc")
    refused(errors.LENGTH, read.take, 4)
    assert read.take(3) == b"abc"


def test_reader_refuses_what_is_left_over():
    read = Reader(b"\x01\x02")
    refused(errors.LENGTH, read.end)
    assert read.uint(1) == 1
    refused(errors.LENGTH, read.end)
    assert read.uint(1) == 2
    read.end()
    Reader(b"").end()


def test_names():
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
    for byte in range(256):
        name = bytes((byte,))
        if name in alphabet:
            assert check_name(name) == name
        else:
            refused(errors.NAME, check_name, name)
            refused(errors.NAME, check_name, b"a" + name)
    assert check_name(b"a" * 32) == b"a" * 32
    refused(errors.NAME, check_name, b"a" * 33)
    refused(errors.NAME, check_name, b"")
    assert Reader(b"\x05pump3").name() == b"pump3"
    refused(errors.NAME, Reader(b"\x00").name)
    refused(errors.NAME, Reader(b"\x02a/").name)
    refused(errors.NAME, Reader(b"\x21" + b"a" * 33).name)


def test_client_ids():
    for good in (b"pump", b"pump/x", b"pump/" + b"x" * 30):
        assert check_client_id(good, b"pump") == good
    for bad in (b"", b"pum", b"pumpx", b"pump/", b"pump/" + b"x" * 31, b"pump/a/b", b"pump/a b", b"dump", b"dump/x"):
        refused(errors.NAME, check_client_id, bad, b"pump")


def test_kids_in_topics():
    kid = bytes((0, 1, 0x9A, 0xBC, 0xDE, 0xF0, 0x7F, 0xFF))
    assert hexkid(kid) == b"00019abcdef07fff"
    assert unhexkid(hexkid(kid)) == kid
    for bad in (
        b"",
        b"00019abcdef07ff",
        b"00019abcdef07fff0",
        b"00019ABCDEF07FFF",
        b"00019abcdef07ff ",
        b"0x019abcdef07fff",
    ):
        refused(errors.NAME, unhexkid, bad)
    for byte in range(256):
        if byte not in b"0123456789abcdef":
            refused(errors.NAME, unhexkid, b"0" * 15 + bytes((byte,)))
