"""Fields read back as they were written; names, client ids and kids against their grammar."""

from __future__ import annotations

import re
from typing import Any

import pytest
from device_support import reason_of
from hypothesis import given
from hypothesis import strategies as st

from microseal import errors
from microseal.errors import Refused
from microseal.wire import Reader, check_client_id, check_name, hexkid, long, short, u8, u16, u32, unhexkid
from strategies import ALPHABET, NAMES

NEARLY_NAMES = st.one_of(st.binary(max_size=40), st.text(ALPHABET + "/ é", max_size=34).map(str.encode))

# (how it is written, how it is read) for a value
FIELDS = st.one_of(
    st.integers(0, 2**8 - 1).map(lambda n: (u8(n), lambda read: read.uint(1), n)),
    st.integers(0, 2**16 - 1).map(lambda n: (u16(n), lambda read: read.uint(2), n)),
    st.integers(0, 2**32 - 1).map(lambda n: (u32(n), lambda read: read.uint(4), n)),
    st.binary(min_size=33, max_size=33).map(lambda raw: (raw, lambda read: read.point(), raw)),
    st.binary(max_size=255).map(lambda raw: (short(raw), lambda read: read.take(read.uint(1)), raw)),
    st.binary(max_size=400).map(lambda raw: (long(raw), lambda read: read.take(read.uint(2)), raw)),
    NAMES.map(lambda name: (short(name), lambda read: read.name(), name)),
)


def read_all(raw: bytes, fields: list[Any]) -> list[Any]:
    read = Reader(raw)
    values = [take(read) for _, take, _ in fields]
    read.end()
    return values


@given(st.lists(FIELDS, max_size=8))
def test_what_is_written_is_read(fields: list[Any]) -> None:
    raw = b"".join(written for written, _, _ in fields)
    assert read_all(raw, fields) == [value for _, _, value in fields]


@given(st.lists(FIELDS, min_size=1, max_size=8), st.data())
def test_what_is_cut_or_longer_is_refused(fields: list[Any], data: st.DataObject) -> None:
    raw = b"".join(written for written, _, _ in fields)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(Refused, match=errors.LENGTH):
        read_all(raw[:cut], fields)
    with pytest.raises(Refused, match=errors.LENGTH):
        read_all(raw + data.draw(st.binary(min_size=1, max_size=3)), fields)


@given(NEARLY_NAMES)
def test_names_against_their_grammar(name: bytes) -> None:
    good = re.fullmatch(rb"[A-Za-z0-9._:-]{1,32}", name) is not None
    assert reason_of(check_name, name) == (None if good else errors.NAME)


@given(NAMES, st.one_of(NEARLY_NAMES, NEARLY_NAMES.map(lambda tail: b"/" + tail)))
def test_client_ids_against_their_grammar(device: bytes, tail: bytes) -> None:
    good = re.fullmatch(rb"(/[A-Za-z0-9._:-]{1,30})?", tail) is not None
    assert reason_of(check_client_id, device + tail, device) == (None if good else errors.NAME)


@given(st.binary(min_size=8, max_size=8))
def test_kids_round_trip(kid: bytes) -> None:
    assert unhexkid(hexkid(kid)) == kid


@given(st.one_of(st.binary(max_size=20), st.text("0123456789abcdefABCDEFg +_-", max_size=18).map(str.encode)))
def test_kids_have_one_form(text: bytes) -> None:
    if reason_of(unhexkid, text) is None:
        assert hexkid(unhexkid(text)) == text
    else:
        assert re.fullmatch(rb"[0-9a-f]{16}", text) is None
