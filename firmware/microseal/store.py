"""The state of a device on flash: named records, each written whole, so that a power cut leaves the old one or the new one.

A record has two slots. A write goes to the slot that does not hold the newest valid content, ends with a hash over all of it, and
is flushed before it counts; a torn write fails its hash and the other slot still stands. This needs no rename, so it holds on
LittleFS and FAT alike. The directory must be private to its owner: keys are in it.

slot = "microseal" ‖ u8(version 1) ‖ u32(sequence) ‖ content ‖ SHA-256 of all before it
"""

import hashlib
import os
from errno import ENOENT

from .errors import StorageError
from .wire import u32

_HEAD = b"microseal\x01"


class Store:
    """Records in `directory` (str), which must exist. Names are short ASCII without `/`."""

    def __init__(self, directory):
        self._directory = directory.rstrip("/") or "/"

    def _path(self, name, slot):
        return f"{self._directory}/{name}.{slot}" if self._directory != "/" else f"/{name}.{slot}"

    def _read(self, name, slot):
        """(sequence, content) of a slot, (-1, None) if it is not whole, None if there is none.

        A slot that is there and cannot be read is an error: the one before it is not to be taken for the newest.
        """
        path = self._path(name, slot)
        try:
            with open(path, "rb") as file:
                raw = file.read()
        except OSError as error:
            if error.errno != ENOENT:
                raise StorageError(f"cannot read {path}: {error}")
            return None
        end = len(raw) - 32
        if end < len(_HEAD) + 4 or raw[: len(_HEAD)] != _HEAD or hashlib.sha256(raw[:end]).digest() != raw[end:]:
            return -1, None
        return int.from_bytes(raw[len(_HEAD) : len(_HEAD) + 4], "big"), raw[len(_HEAD) + 4 : end]

    def _newest(self, name):
        """(slot, sequence, content) of the newest whole slot, or None."""
        slots = [(slot, self._read(name, slot)) for slot in ("a", "b")]
        whole = [(found[0], slot, found[1]) for slot, found in slots if found and found[1] is not None]
        if not whole:
            return None
        sequence, slot, content = max(whole, key=lambda entry: entry[0])
        return slot, sequence, content

    def load(self, name):
        """The content (bytes) of a record, or None if it was never written or was erased."""
        newest = self._newest(name)
        return newest[2] if newest and newest[2] else None

    def save(self, name, content):
        """Writes a record (bytes, empty: none); when this returns it is on flash, when it is cut off the old content stands."""
        newest = self._newest(name)
        slot = "b" if newest and newest[0] == "a" else "a"
        self._write(name, slot, newest[1] + 1 if newest else 0, content)

    def erase(self, name):
        """Empties a record and overwrites both of its slots, as far as a flash file system overwrites.

        Called again it finishes what a power cut left, and writes nothing when there is nothing left.
        """
        slot, sequence, content = self._newest(name) or ("a", -1, b"")
        other = "b" if slot == "a" else "a"
        # The other one first: until that is whole, a cut leaves the record as it was.
        if content or self._holds(name, other):
            sequence += 1
            self._write(name, other, sequence, b"")
        if self._holds(name, slot):
            self._write(name, slot, sequence + 1, b"")

    def _holds(self, name, slot):
        """Whether a slot has content, whole or in part."""
        found = self._read(name, slot)
        return found is not None and found[1] != b""

    def _write(self, name, slot, sequence, content):
        body = _HEAD + u32(sequence) + content
        path = self._path(name, slot)
        try:
            with open(path, "wb") as file:
                file.write(body + hashlib.sha256(body).digest())
                file.flush()
                if hasattr(os, "fsync"):
                    os.fsync(file.fileno())
            self._sync()
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error}")

    def _sync(self):
        """The name of a new file is on the disk only when its directory is."""
        if hasattr(os, "fsync"):
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        elif hasattr(os, "sync"):
            os.sync()


def pack(fields):
    """Fields (bytes) as one record content: u32(len) ‖ field for each."""
    return b"".join(u32(len(field)) + field for field in fields)


def unpack(content, count):
    """The `count` fields of a record content; StorageError if they are not that many."""
    fields, at = [], 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "big")
        fields.append(content[at + 4 : end])
        at = end
    if len(fields) != count or at != len(content):
        raise StorageError(f"a record has {len(fields)} fields, not {count}")
    return fields
