"""What the native module leaves in the memory of MicroPython when a result has no room, read from outside."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from microseal_host.backends import libcrypto

KEY = bytes(range(16))
SECRET = libcrypto.hash(1, b"a secret")
SEALED = bytearray(48)
libcrypto.gcm_seal(KEY, bytes(12), b"", SECRET, SEALED)

# The secret comes into the process encrypted, and into a buffer that can be wiped.
START = f"""
import gc, microseal_core as m
key, sealed, secret = {KEY!r}, {bytes(SEALED)!r}, bytearray(32)
def show():
    assert m.gcm_open(key, bytes(12), b"", sealed, secret)
"""
# The call finds one hole of that many bytes in a heap that is full otherwise.
CALL_IN_A_FULL_HEAP = """
show()
hole, ballast, block = bytearray({hole}), None, 8192
while block:
    try:
        ballast = (ballast, bytearray(block))
    except MemoryError:
        block //= 2
hole = None
gc.collect()
try:
    m.{call}
    print("a result")
except MemoryError:
    m.wipe(secret)
ballast = None
gc.collect()
"""


def memory_of(pid: int) -> bytes:
    """All that the process can write to."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end, access = re.match(r"(\w+)-(\w+) (....)", line).groups()  # type: ignore[union-attr]
            if access.startswith("rw"):
                memory.seek(int(start, 16))
                found.append(memory.read(int(end, 16) - int(start, 16)))
    return b"\n".join(found)


def run(micropython: Path, env: dict[str, str], code: str) -> tuple[str, bytes]:
    """What an interpreter prints that runs code, and its memory after that."""
    command = [str(micropython), "-X", "heapsize=64k", "-c", START + code + "\nprint('done')\ninput()"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin and child.stdout
        printed = ""
        for line in child.stdout:
            if line == "done\n":
                return printed, memory_of(child.pid)
            printed += line
        raise AssertionError(printed)


def test_a_secret_is_found(micropython: Path, micropython_env: dict[str, str]) -> None:
    """Else the tests below would say nothing."""
    assert SECRET in run(micropython, micropython_env, "show()")[1]
    assert SECRET not in run(micropython, micropython_env, "show()\nm.wipe(secret)")[1]


@pytest.mark.parametrize("hole", [64, 416, 448, 640])
@pytest.mark.parametrize("n", [64, 400])
def test_no_memory_for_the_result(micropython: Path, micropython_env: dict[str, str], n: int, hole: int) -> None:
    code = CALL_IN_A_FULL_HEAP.format(hole=hole, call=f"hkdf(1, secret, b'', b'', {n})")
    printed, memory = run(micropython, micropython_env, code)
    assert (printed == "a result\n") == (libcrypto.hkdf(1, SECRET, b"", b"", n)[:32] in memory)
    assert printed or hole <= n  # only for want of memory
