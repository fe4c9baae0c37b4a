"""No operation of the native module leaves on the stack what depends on its secrets, as each compiler and processor has it."""

from __future__ import annotations

import pytest
from qemu import ARCHITECTURES, Board

SIZE = 6144  # of the stack, from its top: more than the interpreter and the module take together
MEGABYTE = 1 << 20
OPERATIONS = (
    "base_mul(s, k)",
    "ecdh(s, k, P)",
    "mul_add(s, k, P, P)",
    "scalar_mul_add(s, k, k, P[1:])",
    "scalar_reduce(s, k)",
    "is_scalar(s, k)",
    "sign(s, k, P, b'm1', b'c', b'm', k)",
    "sign_pair(s, k, P, b'm1', b'c', b'm', bytearray(bytes(k) + P))",
    "ecqv_issue(s, b'c', k, k)",
    "hkdf(s, k, b'', b'', 64)",
    "hash(s, k)",
    "hmac(s, k, k)",
    "cmac(memoryview(k)[:16], k)",
    "gcm_seal(memoryview(k)[:16], bytes(12), b'', k, out)",
    "gcm_open(memoryview(k)[:16], bytes(12), b'', out, k)",
    "hash_update(core.hash_new(s), k)",
)
REFUSED = ("ecqv_accept(s, b'c', P, P, k, k)",)
START = """
import uctypes
stack = memoryview(uctypes.bytearray_at({low}, {size}))
left = bytearray({size}), bytearray({size})
k, out = bytearray(32), bytearray(48)

def run(i, s, P):
    # The secret is always in the same place, and the result is let go.
    k[:] = bytes([(j * (37 if i else 1) + 11) & 127 for j in range(32)])
    gc.collect()
    try:
        core.{operation}
        refused = False
    except ValueError:
        refused = True
    left[i][:] = stack
    assert refused is {refused}

for s in core.SUITES:
    P = core.base_mul(s, bytes(range(32)))
    for i in (0, 1, 0, 1):
        run(i, s, P)
    for block in range(0, {size}, 64):
        if left[0][block : block + 64] != left[1][block : block + 64]:
            for at in range(block, block + 64, 4):
                one, other = (int.from_bytes(x[at : at + 4], "little") for x in left)
                if one != other:
                    print(s, one, other)
"""


@pytest.mark.parametrize("operation", OPERATIONS + REFUSED, ids=lambda text: text.partition("(")[0])
@pytest.mark.parametrize(
    "board",
    [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ARCHITECTURES],
    indirect=True,
)
def test_nothing_is_left(board: Board, operation: str) -> None:
    code = START.format(low=board.stack - SIZE, size=SIZE, operation=operation, refused=operation in REFUSED)
    printed = board.exec(code)
    words = [tuple(map(int, line.split())) for line in printed.splitlines()]
    assert {suite for suite, _, _ in words} == {1, 2}
    # The interpreter's own traces differ: small numbers such as the index, and addresses, of new objects for the most part.
    low, high = board.heap[0] & -MEGABYTE, board.heap[1] + MEGABYTE
    assert not [pair for _, *pair in words if not all(word < MEGABYTE or low <= word < high for word in pair)]
