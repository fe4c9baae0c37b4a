"""The state on flash: what a write leaves when it is cut at any byte, and what is damaged later."""

import os

from device_support import files_of, flipped, fresh_directory, raises

from microseal.errors import StorageError
from microseal.store import Store, pack, unpack


def put(path, content):
    with open(path, "wb") as file:
        file.write(content)


def test_records():
    store = Store(fresh_directory())
    assert store.load("a") is None
    store.save("a", b"1")
    store.save("b", bytes(5000))
    assert store.load("a") == b"1" and store.load("b") == bytes(5000)
    for content in (b"2", b"333", b"4" * 100, b"\x00", b"5"):
        store.save("a", content)
        assert store.load("a") == content
    assert store.load("b") == bytes(5000)


def test_another_store_reads_the_same():
    directory = fresh_directory()
    Store(directory).save("a", b"1")
    Store(directory + "/").save("a", b"2")
    assert Store(directory).load("a") == b"2"


def test_the_form_of_a_slot():
    directory = fresh_directory()
    store = Store(directory)
    store.save("a", b"one")
    store.save("a", b"two")
    files = files_of(directory)
    assert sorted(files) == ["a.a", "a.b"]
    assert files["a.a"][:17] == b"microseal\x01\x00\x00\x00\x00one"
    assert files["a.b"][:17] == b"microseal\x01\x00\x00\x00\x01two"
    assert all(len(raw) == 17 + 32 for raw in files.values())


def test_a_write_never_touches_the_newest():
    directory = fresh_directory()
    store = Store(directory)
    before = {}
    for count in range(6):
        store.save("a", b"%d" % count)
        after = files_of(directory)
        assert sum(after[name] == raw for name, raw in before.items()) >= min(count, 1)
        before = after


def test_a_write_that_is_cut_at_any_byte():
    directory = fresh_directory()
    store = Store(directory)
    store.save("a", b"old")
    store.save("a", b"new")
    whole = files_of(directory)["a.b"]
    for size in range(len(whole)):
        put(directory + "/a.b", whole[:size])
        assert store.load("a") == b"old"
    put(directory + "/a.b", whole[:20])
    store.save("a", b"newer")  # over the torn slot, not over the only whole one
    assert store.load("a") == b"newer"
    assert files_of(directory)["a.a"][14:17] == b"old"


def test_a_slot_that_is_altered_is_no_slot():
    directory = fresh_directory()
    store = Store(directory)
    store.save("a", b"old")
    store.save("a", b"new")
    whole = files_of(directory)["a.b"]
    for at in range(len(whole)):
        put(directory + "/a.b", flipped(whole, at))
        assert store.load("a") == b"old"
    for raw in (whole + b"\x00", b"", b"\x00" * len(whole), whole + whole, whole[1:]):
        put(directory + "/a.b", raw)
        assert store.load("a") == b"old"
    put(directory + "/a.a", b"")
    assert store.load("a") is None


def test_the_first_write_that_is_cut():
    directory = fresh_directory()
    put(directory + "/a.a", b"microse")
    store = Store(directory)
    assert store.load("a") is None
    store.save("a", b"1")
    assert store.load("a") == b"1"


def test_erase_leaves_no_content_in_either_slot():
    directory = fresh_directory()
    store = Store(directory)
    store.erase("a")
    assert files_of(directory) == {}
    for writes in (1, 2, 3):
        for _ in range(writes):
            store.save("a", b"secret")
        store.erase("a")
        assert store.load("a") is None
        assert not any(b"secret" in raw for raw in files_of(directory).values())
    store.save("a", b"again")
    assert store.load("a") == b"again"


def test_erase_twice_writes_once():
    directory = fresh_directory()
    store = Store(directory)
    store.save("a", b"secret")
    store.erase("a")
    before = files_of(directory)
    store.erase("a")
    assert files_of(directory) == before


def test_erase_that_is_cut_is_finished_by_the_next():
    for writes in (1, 2, 3):
        directory = fresh_directory()
        store = Store(directory)
        for _ in range(writes):
            store.save("a", b"secret")
        before = files_of(directory)
        store.erase("a")
        after = files_of(directory)
        # Either slot may have been written when the power went, in whole or in part; the order is first other, then newest.
        newest = "a.a" if writes % 2 else "a.b"
        other = "a.b" if writes % 2 else "a.a"
        for size in range(len(after[newest])):
            put(directory + "/" + other, after[other])
            put(directory + "/" + newest, after[newest][:size])
            assert store.load("a") is None
        put(directory + "/" + newest, before[newest])
        assert store.load("a") is None
        store.erase("a")
        assert store.load("a") is None
        assert not any(b"secret" in raw for raw in files_of(directory).values())


def test_what_cannot_be_read_is_not_taken_for_nothing():
    directory = fresh_directory()
    store = Store(directory)
    store.save("a", b"old")
    os.mkdir(directory + "/a.b")  # there, but no file
    raises(StorageError, store.load, "a")
    raises(StorageError, store.save, "a", b"new")
    raises(StorageError, store.erase, "a")


def test_what_cannot_be_written():
    store = Store(fresh_directory() + "/none")
    assert store.load("a") is None
    raises(StorageError, store.save, "a", b"1")


def test_fields():
    for fields in ([], [b""], [b"a"], [b"", b"a", b"", bytes(300)], [bytes(70000), b"x"]):
        assert unpack(pack(fields), len(fields)) == fields
        raises(StorageError, unpack, pack(fields), len(fields) + 1)
        raises(StorageError, unpack, pack(fields) + b"\x00", len(fields))
    raw = pack([b"abc", b"de"])
    for size in range(len(raw)):
        raises(StorageError, unpack, raw[:size], 2)
