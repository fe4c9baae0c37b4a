#!/usr/bin/env python3
"""Write core/sm4_maps.h and core/sm4_table.h: SM4's S-box as linear layers around an inversion, and as a table.

    gen_sm4_sbox.py [--check]      --check: only say whether the committed files are what would be written

GB/T 32907's S-box is S(x) = A(inv(A(x) + C)) + C, A linear over GF(2), inv the inverse in GF(2^8) modulo
x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1. core/sm4_sbox_planes.c computes inv in GF(((2^2)^2)^2), where it takes few gates; this
script finds the change of basis that needs the fewest XORs together with A, and checks the outcome on all 256 inputs.

Bits of a tower element, most significant first: ((w,1) of z, (w,1) of 1) of y, then the same of 1, with
w^2 = w + 1, z^2 = z + w, y^2 = y + nu.
"""

import argparse
import itertools
import sys
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "core"

MODULUS = 0x1F5
ROWS = (0xD3, 0xE9, 0xF4, 0x7A, 0x3D, 0x9E, 0x4F, 0xA7)  # A, the row of the top bit first
CONSTANT = 0xD3

# Samples of the standard's table, so that the formula above is checked too: S(00) S(01) ... S(0f), and S(f0) ... S(ff)
FIRST = "d690e9fecce13db716b614c228fb2c05"
LAST = "18f07dec3adc4d2079ee5f3ed7cb3948"

Matrix = tuple[int, ...]  # eight columns: the images of 1, 2, 4, ... 128


def apply(matrix: Matrix, x: int) -> int:
    result = 0
    for i, column in enumerate(matrix):
        if x >> i & 1:
            result ^= column
    return result


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    return tuple(apply(outer, column) for column in inner)


def invert(matrix: Matrix) -> Matrix:
    images = {apply(matrix, x): x for x in range(256)}
    return tuple(images[1 << i] for i in range(8))


def multiply(a: int, b: int) -> int:
    """In GF(2^8) as the standard has it."""
    result = 0
    while b:
        if b & 1:
            result ^= a
        a <<= 1
        if a & 0x100:
            a ^= MODULUS
        b >>= 1
    return result


def tower_multiply(a: int, b: int, bits: int, nu: int) -> int:
    """In the tower's field of the given number of bits: 1, 2, 4 or 8; nu is the constant of the last step."""
    if bits == 1:
        return a & b
    half = bits // 2
    mask = (1 << half) - 1
    constant = {2: 1, 4: 2, 8: nu}[bits]  # 1, w, nu
    ah, al, bh, bl = a >> half, a & mask, b >> half, b & mask
    hh = tower_multiply(ah, bh, half, nu)
    cross = tower_multiply(ah, bl, half, nu) ^ tower_multiply(al, bh, half, nu)
    low = tower_multiply(al, bl, half, nu) ^ tower_multiply(hh, constant, half, nu)
    return (hh ^ cross) << half | low


def standard_sbox() -> list[int]:
    a = tuple(sum((ROWS[7 - bit] >> i & 1) << bit for bit in range(8)) for i in range(8))
    inverse = [0] * 256
    for x in range(1, 256):
        if not inverse[x]:
            y = next(y for y in range(1, 256) if multiply(x, y) == 1)
            inverse[x], inverse[y] = y, x
    table = [apply(a, inverse[apply(a, x) ^ CONSTANT]) ^ CONSTANT for x in range(256)]
    assert bytes(table[:16]).hex() == FIRST and bytes(table[-16:]).hex() == LAST
    return table


def isomorphisms(nu: int) -> list[Matrix]:
    """From the standard's GF(2^8) to the tower: x goes to a root of the modulus."""
    found = []
    for root in range(2, 256):
        powers = [1]
        for _ in range(8):
            powers.append(tower_multiply(powers[-1], root, 8, nu))
        total = 0
        for i in range(9):
            if MODULUS >> i & 1:
                total ^= powers[i]
        if total == 0:
            found.append(tuple(powers[:8]))
    return found


def straight_line(matrix: Matrix) -> tuple[list[tuple[str, str, str]], list[str]]:
    """XORs (result, left, right) that compute the matrix on x0..x7, and the names of the results.

    Greedy: the pair of operands that most rows share is computed first (Paar 1997).
    """
    rows = [{f"x{i}" for i in range(8) if matrix[i] >> bit & 1} for bit in range(8)]
    steps: list[tuple[str, str, str]] = []
    while any(len(row) > 1 for row in rows):
        names = sorted(set().union(*rows), key=lambda name: (name[0] != "x", int(name[1:])))
        pairs = [(sum(a in row and b in row for row in rows), -i, a, b)
                 for i, (a, b) in enumerate(itertools.combinations(names, 2))]  # fmt: skip
        _, _, a, b = max(pairs)
        new = f"t{len(steps)}"
        steps.append((new, a, b))
        for row in rows:
            if a in row and b in row:
                row -= {a, b}
                row.add(new)
    return steps, [next(iter(row)) for row in rows]


def function(name: str, comment: str, matrix: Matrix, constant: int) -> list[str]:
    steps, results = straight_line(matrix)
    lines = [f"/* {comment} */", f"static inline void {name}(uint32_t x[8])", "{"]
    lines.append("    const uint32_t " + ", ".join(f"x{i} = x[{i}]" for i in range(8)) + ";")
    text = ", ".join(f"{new} = {a} ^ {b}" for new, a, b in steps)
    line = "    const uint32_t"
    for part in text.split(", "):
        if len(line) + len(part) + 2 > 118:
            lines.append(line)
            line = "                  "
        line += f" {part},"
    lines.append(line[:-1] + ";")
    lines += [f"    x[{i}] = {'~' if constant >> i & 1 else ''}{result};" for i, result in enumerate(results)]
    return [*lines, "}"]


def render_table() -> str:
    """The text of core/sm4_table.h."""
    table = standard_sbox()
    lines = [
        "/* SM4's S-box, GB/T 32907. Written by tools/gen_sm4_sbox.py; do not edit. */",
        "/* clang-format off */",
        "static const uint8_t sm4_table[256] = {",
        *("    " + ", ".join(f"0x{x:02x}" for x in table[i : i + 16]) + "," for i in range(0, 256, 16)),
        "};",
        "",
    ]
    return "\n".join(lines)


def render_maps() -> str:
    """The text of core/sm4_maps.h."""
    table = standard_sbox()
    a = tuple(sum((ROWS[7 - bit] >> i & 1) << bit for bit in range(8)) for i in range(8))
    best = None
    for nu in range(1, 16):
        for change in isomorphisms(nu):
            enter = compose(change, a)
            leave = compose(a, invert(change))
            cost = len(straight_line(enter)[0]) + len(straight_line(leave)[0])
            if best is None or cost < best[0]:
                best = cost, nu, enter, leave, apply(change, CONSTANT)
    assert best is not None
    cost, nu, enter, leave, constant = best
    for x in range(256):
        t = apply(enter, x) ^ constant
        inverse = next((y for y in range(256) if tower_multiply(t, y, 8, nu) == 1), 0)
        assert apply(leave, inverse) ^ CONSTANT == table[x]
    lines = [
        "/* The linear layers of SM4's S-box around the inversion of sm4_sbox_planes.c. */",
        f"/* Written by tools/gen_sm4_sbox.py; do not edit. {cost} XORs. */",
        "/* clang-format off */",
        f"#define SM4_TOWER_NU {nu} /* y^2 = y + nu; the bits of nu as in the tower element's lower half */",
        "",
        *function("sbox_enter", "x: bit planes of a byte, x[0] the lowest; becomes those of A(x) + C in the tower.",
                  enter, constant),
        "",
        *function("sbox_leave", "x: bit planes of a tower element, becomes those of A(x) + C in the standard's basis.",
                  leave, CONSTANT),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing")
    check = parser.parse_args().check
    stale = 0
    for name, text in (("sm4_maps.h", render_maps()), ("sm4_table.h", render_table())):
        path = CORE / name
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path} is not what gen_sm4_sbox.py writes", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
