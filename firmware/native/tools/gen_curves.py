#!/usr/bin/env python3
"""Write core/curve_p256.h and core/curve_sm2.h: each curve's constants and the table for multiples of G.

    gen_curves.py [--check]       --check: only say whether the committed files are what would be written

Plain affine arithmetic in Python integers, from the standards' parameters: SP 800-186 section 3.2.1.3 and
GB/T 32918.5. How the table is used: core/point.c.
"""

import argparse
import sys
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "core"

# name -> (title, p, b, q, Gx, Gy); a = -3 for both
CURVES = {
    "p256": (
        "NIST P-256, SP 800-186 section 3.2.1.3",
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    "sm2": (
        "curveSM2, GB/T 32918.5",
        0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF,
        0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93,
        0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123,
        0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
        0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
    ),
}

# The comb: 5 teeth, 52 bits apart; see core/curve.h.
TEETH, SPACING = 5, 52

Point = tuple[int, int]


def add(p: int, a: Point, b: Point) -> Point:
    """a + b on y^2 = x^3 - 3x + b over GF(p); neither is infinity, nor is the sum."""
    (x1, y1), (x2, y2) = a, b
    if x1 == x2:
        assert y1 == y2
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, p)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, p)
    x3 = (slope * slope - x1 - x2) % p
    return x3, (slope * (x1 - x3) - y1) % p


def multiply(p: int, k: int, a: Point) -> Point:
    """k*a, 0 < k < q."""
    result = a
    for bit in bin(k)[3:]:
        result = add(p, result, result)
        if bit == "1":
            result = add(p, result, a)
    return result


def comb(p: int, q: int, g: Point) -> list[Point]:
    """table[u] = (2^(52*4) + sum over i < 4 of (+1 if bit i of u else -1) * 2^(52 i)) * G."""
    table = []
    for u in range(1 << (TEETH - 1)):
        weight = 1 << (SPACING * (TEETH - 1))
        for i in range(TEETH - 1):
            weight += (1 if u >> i & 1 else -1) << (SPACING * i)
        table.append(multiply(p, weight % q, g))
    return table


def number(x: int) -> str:
    """x as the NUMBER macro of core/field.h."""
    words = [x >> shift & (1 << 64) - 1 for shift in (192, 128, 64, 0)]
    return "NUMBER(" + ", ".join(f"0x{word:016x}" for word in words) + ")"


def words(limbs: list[int]) -> str:
    return "{" + ", ".join(f"0x{x % (1 << 32):08x}" for x in limbs) + "}"


def limbs_29(x: int) -> str:
    """x in nine limbs of 29 bits."""
    return words([x >> 29 * i & (1 << 29) - 1 for i in range(9)])


def signed_29(x: int) -> str:
    """x in nine limbs, all but the highest from -2^28 to 2^28 - 1: see core/field_29.c."""
    limbs = []
    for _ in range(8):
        limbs.append((x + (1 << 28)) % (1 << 29) - (1 << 28))
        x = (x - limbs[-1]) >> 29
    return words([*limbs, x])


def modulus(name: str, m: int, shape: str, small: bool) -> str:
    if small:
        lines = [
            f"            .m = {limbs_29(m)},",
            f"            .rr = {limbs_29(pow(2, 522, m))},",
            f"            .k = {{0x{-pow(m, -1, 1 << 32) % (1 << 32):08x}}},",
            f"            .shape = {shape},",
            f"            .signed_m = {signed_29(m)},",
            f"            .one = {signed_29(pow(2, 261, m))},",
        ]
    else:
        lines = [
            f"            .m = {number(m)},",
            f"            .rr = {number(pow(2, 512, m))},",
            f"            .k = {number(-pow(m, -1, 1 << 256) % (1 << 256))},",
            f"            .shape = {shape},",
        ]
    return "\n".join([f"    .{name} =", "        {", *lines, "        },"])


def render(name: str) -> str:
    """The text of core/curve_<name>.h."""
    title, p, b, q, gx, gy = CURVES[name]
    assert (gy * gy - (gx**3 - 3 * gx + b)) % p == 0
    g = gx, gy
    assert multiply(p, q - 1, g) == (gx, p - gy)

    table = comb(p, q, g)
    lines = [f"/* {title}. Written by tools/gen_curves.py; do not edit. */", "/* clang-format off */"]
    for small in (False, True):

        def montgomery(x: int, small: bool = small) -> str:
            return signed_29((x << 261) % p) if small else number((x << 256) % p)

        lines += [
            "#else" if small else "#if MS_LIMB_BITS != 29",
            f"static const curve curve_{name} = {{",
            modulus("p", p, f"SHAPE_{name.upper()}", small),
            modulus("q", q, "SHAPE_ANY", small),
            f"    .b = {montgomery(b)},",
            "    .comb =",
            "        {",
        ]
        for x, y in table:
            lines += [f"            {{{montgomery(x)},", f"             {montgomery(y)}}},"]
        lines += ["        },", "};"]
    return "\n".join([*lines, "#endif", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing")
    check = parser.parse_args().check
    stale = 0
    for name in CURVES:
        path = CORE / f"curve_{name}.h"
        text = render(name)
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path} is not what gen_curves.py writes", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
