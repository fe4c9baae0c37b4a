"""The store against a model: the power goes at random places, reads and writes come in any order."""

from __future__ import annotations

import builtins
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import microseal.store
from microseal.errors import StorageError
from microseal.store import Store, pack, unpack

NAMES = st.sampled_from(["a", "b", "group-00"])
CONTENTS = st.binary(min_size=1, max_size=60)
STEPS = st.lists(
    st.tuples(st.sampled_from(["save", "erase"]), NAMES, CONTENTS, st.one_of(st.none(), st.integers(0, 140))),
    max_size=25,
)


class Cut(BaseException):
    """The power is gone."""


class Power:
    """Counts what is written to files, and goes when `left` bytes have been; opening a file counts as one."""

    def __init__(self) -> None:
        self.left: int | None = None

    def use(self, size: int) -> int:
        """How much of `size` still gets through."""
        if self.left is None:
            return size
        used = min(size, self.left)
        self.left -= used
        return used

    def open(self, path: str, mode: str) -> Any:
        if "r" in mode:
            return builtins.open(path, mode)
        if not self.use(1):
            raise Cut
        power = self

        class File(io.FileIO):
            def write(self, data: Any) -> int:
                used = power.use(len(data))
                super().write(bytes(data)[:used])
                if used < len(data):
                    raise Cut
                return used

        return File(path, mode.replace("b", ""))


@pytest.fixture(scope="module")
def power() -> Iterator[Power]:
    found = Power()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(microseal.store, "open", found.open, raising=False)
        yield found


@settings(max_examples=150)
@given(steps=STEPS)
def test_the_old_or_the_new(power: Power, steps: list[tuple[str, str, bytes, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        model: dict[str, bytes | None] = {"a": None, "b": None, "group-00": None}
        for what, name, content, left in steps:
            store = Store(directory)  # a start: nothing is known but what the files say
            new = content if what == "save" else None
            power.left = left
            try:
                store.save(name, content) if what == "save" else store.erase(name)
            except Cut:
                power.left = None
                found = Store(directory).load(name)
                assert found in (model[name], new)
                new = found
            power.left = None
            model[name] = new
            assert {name: Store(directory).load(name) for name in model} == model
        for name in model:
            Store(directory).erase(name)
        # Slots without content, and nothing of those that were torn.
        assert {path.stat().st_size for path in Path(directory).iterdir()} <= {10 + 4 + 32}


@given(st.lists(CONTENTS, min_size=1, max_size=4), st.binary(max_size=80), st.booleans())
def test_a_slot_of_any_bytes_is_no_slot(contents: list[bytes], garbage: bytes, either: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = Store(directory)
        for content in contents:
            store.save("a", content)
        newest = "ab"[(len(contents) - 1) % 2]
        other = "ab"[len(contents) % 2]
        Path(directory, f"a.{newest if either else other}").write_bytes(garbage)
        before = contents[-2] if len(contents) > 1 else None
        assert store.load("a") == (before if either else contents[-1])


@given(st.lists(st.binary(max_size=50), max_size=6), st.binary(max_size=3), st.integers(0, 7))
def test_fields_have_one_form(fields: list[bytes], tail: bytes, count: int) -> None:
    raw = pack(fields)
    assert unpack(raw, len(fields)) == fields
    try:
        found = unpack(raw + tail, count)
    except StorageError:
        return
    assert pack(found) == raw + tail


def test_what_is_saved_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write is over only when file and directory are synced, in this order: until then a power cut may take back either."""
    steps: list[str] = []
    real_open, real_fsync = builtins.open, os.fsync

    def opened(path: str, mode: str) -> Any:
        if mode == "wb":
            steps.append(f"write {Path(path).name}")
        return real_open(path, mode)

    def fsync(number: int) -> None:
        path = Path(f"/proc/self/fd/{number}").resolve()
        size = path.stat().st_size if path.is_file() else 0
        steps.append(f"sync {path.name} {size}" if path.is_file() else "sync the directory")
        real_fsync(number)

    monkeypatch.setattr(microseal.store, "open", opened, raising=False)
    monkeypatch.setattr(os, "fsync", fsync)
    store = Store(str(tmp_path))
    for content in (b"one", b"three", b"five5"):
        store.save("a", content)
    store.erase("a")
    assert steps == [
        "write a.a", "sync a.a 49", "sync the directory",
        "write a.b", "sync a.b 51", "sync the directory",
        "write a.a", "sync a.a 51", "sync the directory",
        "write a.b", "sync a.b 46", "sync the directory",
        "write a.a", "sync a.a 46", "sync the directory",
    ]  # fmt: skip
