"""What every crypto core must do, for both interpreters: test_core_backend.py runs it on CPython, on MicroPython this is

    micropython tests/core_cases.py VECTOR_FILE...      the native module microseal_core

Each function named case_* takes a core. run_vectors() takes a file of tests/c/vectors through the core's interface.
"""

import sys
from binascii import hexlify, unhexlify

q = {
    1: unhexlify("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    2: unhexlify("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123"),
}
K = bytes(range(1, 33))  # a scalar in range
KEY, NONCE = bytes(16), bytes(12)


def outcome(f, *args):
    """What f returns, or the type of what it raises."""
    try:
        return f(*args)
    except (TypeError, ValueError) as error:
        return TypeError if isinstance(error, TypeError) else ValueError


def expect(expected, f, *args):
    found = outcome(f, *args)
    assert found == expected and type(found) is type(expected), (f, args, found)


def good_arguments(core, suite):
    """A valid call of every function that takes arguments: name -> [(kind of the argument, value)]."""
    P = core.base_mul(suite, K)
    sig = core.sign(suite, K, P, b"m1", b"c", b"m", K)
    d_ca = core.scalar_reduce(suite, b"\x11" * 32)
    q_ca = core.base_mul(suite, d_ca)
    C = core.mul_add(suite, K, None, P)
    a = core.ecqv_issue(suite, b"cert", K, d_ca)
    s = ("suite", suite)
    sealed = bytearray(20)
    core.gcm_seal(KEY, NONCE, b"", b"four", sealed)
    return {
        "hash": [s, ("bytes", b"abc")],
        "hash_new": [s],
        "hash_update": [("state", core.hash_new(suite)), ("bytes", b"abc")],
        "hash_digest": [("state", core.hash_new(suite))],
        "hmac": [s, ("bytes", b"key"), ("bytes", b"abc")],
        "hkdf": [s, ("bytes", b"ikm"), ("bytes", b"salt"), ("bytes", b"info"), ("n", 16)],
        "gcm_seal": [("16", KEY), ("12", NONCE), ("bytes", b""), ("bytes", b"four"), ("out 20", bytearray(20))],
        "gcm_open": [("16", KEY), ("12", NONCE), ("bytes", b""), ("sealed", bytes(sealed)), ("out 4", bytearray(4))],
        "cmac": [("16", KEY), ("bytes", b"abc")],
        "base_mul": [s, ("scalar", K)],
        "mul_add": [s, ("scalar", K), ("point", P), ("point", C)],
        "ecdh": [s, ("scalar", K), ("point", P)],
        "is_point": [s, ("bytes", P)],
        "is_scalar": [s, ("bytes", K)],
        "scalar_reduce": [s, ("wide", K)],
        "scalar_mul_add": [s, ("32", K), ("32", K), ("32", K)],
        "sign": [s, ("scalar", K), ("point", P), ("bytes", b"m1"), ("ctx", b"c"), ("bytes", b"m"), ("32", K)],
        "sign_pair": [
            s,
            ("scalar", K),
            ("33", P),
            ("bytes", b"m1"),
            ("ctx", b"c"),
            ("bytes", b"m"),
            ("out 65 pair", bytearray(K + P)),
        ],
        "verify": [s, ("point", P), ("bytes", b"m1"), ("ctx", b"c"), ("bytes", b"m"), ("64", sig)],
        "ecqv_issue": [s, ("bytes", b"cert"), ("scalar", K), ("scalar", d_ca)],
        "ecqv_public": [s, ("bytes", b"cert"), ("point", C), ("point", q_ca)],
        "ecqv_accept": [
            s,
            ("bytes", b"cert"),
            ("point", C),
            ("point", q_ca),
            ("scalar", K),
            ("scalar", a),
        ],
        "equal": [("bytes", b"abc"), ("bytes", b"abc")],
        "wipe": [("out", bytearray(4))],
    }


def not_points(suite, point):
    """Encodings of no point, of the right length."""
    yield b"\x04" + point[1:]
    yield b"\0" + point[1:]
    yield b"\x02" + b"\xff" * 32  # x >= p
    yield bytes(33)
    yield b"\x02" + bytes(31) + (b"\x01" if suite == 1 else b"\x02")  # no y for this x


def bad_values(kind, suite, value):
    """(what must be raised, a wrong value) for an argument of that kind."""
    wrong_types = [None, 5, 1.5, [1, 2], "x"]
    if kind in ("suite", "n"):
        for bad in (None, "1", b"\x01", 1.0, 1.5, [1]):
            yield TypeError, bad
        for bad in (0, 8161, -1, 3 if kind == "suite" else -16, 257 if kind == "suite" else 0, 1 << 80, -(1 << 80)):
            yield ValueError, bad
        return
    if kind == "point":
        wrong_types.remove(None)  # mul_add takes it
    for bad in wrong_types:
        yield TypeError, bad
    if kind.startswith("out") or kind == "state":
        yield TypeError, bytes(value)
        yield TypeError, memoryview(bytes(value))
    sizes = {"scalar": 32, "point": 33, "sealed": 20}
    size = sizes.get(kind) or int("0" + "".join(c for c in kind if "0" <= c <= "9"))
    if size:
        fits = bytearray if kind.startswith("out") else bytes
        for length in (0, 1, size - 1, size + 1, 2 * size):
            # a sealed message of another length is one for which out does not fit
            yield ValueError, fits(length)
    if kind in ("scalar", "32", "64", "16", "12", "point"):
        yield TypeError, "x" * size  # MicroPython would read a str as bytes
    if kind == "scalar":
        for bad in (bytes(32), q[suite], b"\xff" * 32, q[suite][:31] + b"\xff"):
            yield ValueError, bad
    if kind == "point":
        for bad in not_points(suite, value):
            yield ValueError, bad
    if kind == "wide":
        for bad in (b"", bytes(65), bytes(100)):
            yield ValueError, bad
    if kind == "ctx":
        yield ValueError, bytes(65536)


def fresh(kind, value):
    """The value, in a buffer of its own if the call changes it."""
    return bytearray(value) if kind.startswith("out") else value


def case_wrong_arguments(core):
    for suite in core.SUITES:
        for name, arguments in good_arguments(core, suite).items():
            f = getattr(core, name)
            for i, (kind, value) in enumerate(arguments):
                for error, bad in bad_values(kind, suite, value):
                    values = [fresh(*argument) for argument in arguments]
                    found = outcome(f, *(values[:i] + [bad] + values[i + 1 :]))
                    assert found is error, (name, i, kind, bad, found)
            values = [fresh(*argument) for argument in arguments]
            expect(TypeError, f)
            if name not in ("hash", "hmac", "cmac"):
                expect(TypeError, f, *(values + [b""]))
            assert outcome(f, *values) not in (TypeError, ValueError), name


def case_kinds_of_buffers(core):
    """bytes, bytearray and memoryview, also one that starts in the middle, give the same."""
    for suite in core.SUITES:
        for name, arguments in good_arguments(core, suite).items():
            if name.startswith("hash_"):
                continue
            f = getattr(core, name)
            results = []
            for convert in (bytes, bytearray, memoryview, lambda b: memoryview(b"123" + bytes(b) + b"4")[3:-1]):
                values = []
                out = None
                for kind, value in arguments:
                    if kind in ("suite", "n"):
                        values.append(value)
                    elif kind.startswith("out"):
                        out = bytearray(value if "pair" in kind else len(value))
                        values.append(out)
                    else:
                        values.append(convert(value))
                results.append((f(*values), out))
            assert all(r == results[0] for r in results), name


def case_results(core):
    """Results are bytes, bool or None, never something that only reads as one."""
    kinds = {
        "gcm_open": bool,
        "is_point": bool,
        "is_scalar": bool,
        "verify": bool,
        "equal": bool,
        "hash_new": bytearray,
    }
    nothing = ("gcm_seal", "hash_update", "wipe")
    for suite in core.SUITES:
        for name, arguments in good_arguments(core, suite).items():
            result = getattr(core, name)(*[fresh(*argument) for argument in arguments])
            if name in nothing:
                assert result is None, name
            elif name == "ecqv_accept":
                assert type(result) is tuple and [type(x) for x in result] == [bytes, bytes]
            else:
                assert isinstance(result, kinds.get(name, bytes)), name


def case_a_pair_serves_once(core):
    for suite in core.SUITES:
        P = core.base_mul(suite, K)
        v = core.hash(suite, b"v")
        pair = bytearray(v + core.base_mul(suite, v))
        sig = core.sign_pair(suite, K, P, b"m1", b"c", b"m", pair)
        assert core.verify(suite, P, b"m1", b"c", b"m", sig)
        assert pair == bytes(65)
        expect(ValueError, core.sign_pair, suite, K, P, b"m1", b"c", b"m", pair)
        pair = bytearray(v + core.base_mul(suite, v))
        expect(ValueError, core.sign_pair, suite, bytes(32), P, b"m1", b"c", b"m", pair)
        assert pair == bytes(65)


def case_hash_state(core):
    data = bytes(range(256)) * 3
    for suite in core.SUITES:
        for step in (1, 7, 63, 64, 65, 768):
            state = core.hash_new(suite)
            for at in range(0, len(data), step):
                core.hash_update(state, memoryview(data)[at : at + step])
            assert core.hash_digest(state) == core.hash(suite, data)
            expect(ValueError, core.hash_update, state, b"")
            expect(ValueError, core.hash_digest, state)
        state = core.hash_new(suite)
        before = bytes(state)
        core.hash_update(state, state)
        assert core.hash_digest(state) == core.hash(suite, before)
        assert core.hash(suite) == core.hash(suite, b"", b"")
        assert core.hash(suite, data[:100], b"", data[100:]) == core.hash(suite, data)
        assert core.hmac(suite, b"k", data[:100], data[100:]) == core.hmac(suite, b"k", data)
        assert core.hmac(suite, b"") == core.hmac(suite, bytes(64), b"")
        assert core.hkdf(suite, K, b"", b"", 40) == core.hkdf(suite, K, bytes(32), b"", 40)
    assert core.cmac(KEY, data[:100], data[100:]) == core.cmac(KEY, data)
    assert core.cmac(KEY) == core.cmac(KEY, b"")


def case_gcm_in_place(core):
    for length in (0, 1, 16, 95, 96, 97, 300):
        data = bytes([i & 0xFF for i in range(length)])
        sealed = bytearray(length + 16)
        core.gcm_seal(KEY, NONCE, b"aad", data, sealed)
        buffer = bytearray(data + bytes(16))
        core.gcm_seal(KEY, NONCE, b"aad", memoryview(buffer)[:length], buffer)
        assert buffer == sealed
        assert core.gcm_open(KEY, NONCE, b"aad", buffer, memoryview(buffer)[:length]) is True
        assert buffer[:length] == data

        for i in (0, length // 2, length, length + 15):
            changed = bytearray(sealed)
            changed[i] ^= 1
            out = bytearray(b"\xa5" * length)
            assert core.gcm_open(KEY, NONCE, b"aad", changed, out) is False
            assert out == b"\xa5" * length
        for other in ((b"\1" + KEY[1:], NONCE, b"aad"), (KEY, b"\1" + NONCE[1:], b"aad"), (KEY, NONCE, b"aae")):
            assert core.gcm_open(*other, sealed, out) is False
        assert out == b"\xa5" * length


def case_gcm_writes_over_its_other_arguments(core):
    start = b"k" * 16 + b"n" * 12 + b"a" * 32
    sealed, opened = bytearray(start + bytes(256)), bytearray(start + bytes(240))
    key, nonce, aad = (memoryview(sealed)[i:j] for i, j in ((0, 16), (16, 28), (28, 60)))
    core.gcm_seal(key, nonce, aad, bytes(300), sealed)
    expected = bytearray(316)
    core.gcm_seal(start[:16], start[16:28], start[28:], bytes(300), expected)
    assert sealed == expected
    key, nonce, aad = (memoryview(opened)[i:j] for i, j in ((0, 16), (16, 28), (28, 60)))
    assert core.gcm_open(key, nonce, aad, sealed, opened) is True
    assert opened == bytes(300)


def case_points_at_the_edge(core):
    one = bytes(31) + b"\1"
    for suite in core.SUITES:
        G = core.base_mul(suite, one)
        last = q[suite][:31] + bytes([q[suite][31] - 1])  # q - 1: -G
        minus_g = core.base_mul(suite, last)
        assert minus_g == bytes([G[0] ^ 1]) + G[1:]
        assert (
            core.mul_add(suite, one, None, G)
            == core.base_mul(suite, bytes(31) + b"\2")
            == core.mul_add(suite, one, G, G)
        )
        expect(ValueError, core.mul_add, suite, last, None, G)
        expect(ValueError, core.mul_add, suite, one, minus_g, G)
        assert core.ecdh(suite, last, G) == G[1:]
        assert core.is_point(suite, G) is True and core.is_scalar(suite, last) is True
        for bad in not_points(suite, G):
            assert core.is_point(suite, bad) is False
        for bad in (b"", G[:32], G + b"\0"):
            assert core.is_point(suite, bad) is False
        for bad in (b"", K[:31], K + b"\0", bytes(32), q[suite], b"\xff" * 32):
            assert core.is_scalar(suite, bad) is False
        assert core.scalar_reduce(suite, q[suite]) == bytes(32)
        assert core.scalar_mul_add(suite, one, q[suite], bytes(32)) == bytes(32)


def case_verify_is_false(core):
    """A signature that is not one is False, an argument that is not one an error."""
    for suite in core.SUITES:
        P = core.base_mul(suite, K)
        sig = core.sign(suite, K, P, b"m1", b"c", b"m", K)
        assert core.verify(suite, P, b"m1", b"c", b"m", sig) is True
        for i in range(0, 64, 9):
            changed = bytearray(sig)
            changed[i] ^= 0x10
            assert core.verify(suite, P, b"m1", b"c", b"m", changed) is False
        for s in (bytes(32), q[suite], b"\xff" * 32):
            assert core.verify(suite, P, b"m1", b"c", b"m", sig[:32] + s) is False
        for label, ctx, msg in ((b"m2", b"c", b"m"), (b"m1", b"", b"cm"), (b"m1", b"cm", b""), (b"m1", b"c", b"n")):
            assert core.verify(suite, P, label, ctx, msg, sig) is False
        other = core.base_mul(suite, bytes(31) + b"\5")
        assert core.verify(suite, other, b"m1", b"c", b"m", sig) is False
        assert core.sign(suite, K, P, b"m1", b"c", b"m", K) == sig
        assert core.sign(suite, K, P, b"m1", b"c", b"m", bytes(32)) != sig


def case_equal_and_wipe(core):
    assert core.equal(b"", b"") is True and core.equal(b"ab", bytearray(b"ab")) is True
    assert core.equal(b"ab", b"ac") is False and core.equal(b"ab", b"abc") is False and core.equal(b"", b"a") is False
    buffer = bytearray(b"abcdef")
    core.wipe(memoryview(buffer)[1:4])
    assert buffer == b"a\0\0\0ef"
    core.wipe(buffer)
    assert buffer == bytes(6)


# Vector files


def read_vectors(path):
    """(operation, {name: bytes}, whether it must be refused) of each case; the form is told by make_vectors.py."""
    operation, fields, refused = "", {}, False
    with open(path) as file:
        for line in file:
            name, _, value = line.rstrip("\n").partition(" ")
            if not name:
                if operation:
                    yield operation, fields, refused
                operation, fields, refused = "", {}, False
            elif name[0] != "#":
                if not operation:
                    operation = name
                elif name == "error":
                    refused = True
                else:
                    fields[name] = unhexlify(value)
    if operation:
        yield operation, fields, refused


def gcm_vector(core, v):
    sealed, opened = bytearray(len(v["out"])), bytearray(len(v["msg"]))
    core.gcm_seal(v["key"], v["nonce"], v["aad"], v["msg"], sealed)
    assert core.gcm_open(v["key"], v["nonce"], v["aad"], sealed, opened) is True and opened == v["msg"]
    return bytes(sealed)


def hkdf_hashed(core, s, v):
    return core.hash(s, core.hkdf(s, v["ikm"], v["salt"], v["info"], 8160))


def operation_of(core, name, v):
    """The result of the operation, to be compared with expected_of; None if the core has no such function."""
    s = v["suite"][0] if "suite" in v else 0
    if s and s not in core.SUITES:
        return None
    calls = {
        "hash": lambda: core.hash(s, v["msg"]),
        "hmac": lambda: core.hmac(s, v["key"], v["msg"]),
        "hkdf": lambda: core.hkdf(s, v["ikm"], v["salt"], v["info"], len(v["out"])),
        "hkdf_hashed": lambda: hkdf_hashed(core, s, v),
        "gcm": lambda: gcm_vector(core, v),
        "cmac": lambda: core.cmac(v["key"], v["msg"]),
        "base_mul": lambda: core.base_mul(s, v["k"]),
        "mul_add": lambda: core.mul_add(s, v["k"], v.get("P"), v["A"]),
        "ecdh": lambda: core.ecdh(s, v["k"], v["P"]),
        "is_point": lambda: core.is_point(s, v["P"]),
        "is_scalar": lambda: core.is_scalar(s, v["x"]),
        "scalar_reduce": lambda: core.scalar_reduce(s, v["x"]),
        "scalar_mul_add": lambda: core.scalar_mul_add(s, v["a"], v["b"], v["c"]),
        "sign": lambda: core.sign(s, v["d"], v["Q"], v["label"], v["ctx"], v["msg"], v["rand"]),
        "sign_pair": lambda: core.sign_pair(s, v["d"], v["Q"], v["label"], v["ctx"], v["msg"], bytearray(v["pair"])),
        "verify": lambda: core.verify(s, v["Q"], v["label"], v["ctx"], v["msg"], v["sig"]) or ValueError,
        "ecqv_issue": lambda: core.ecqv_issue(s, v["cert"], v["k"], v["d_ca"]),
        "ecqv_public": lambda: core.ecqv_public(s, v["cert"], v["C"], v["q_ca"]),
        "ecqv_accept": lambda: core.ecqv_accept(s, v["cert"], v["C"], v["q_ca"], v["r"], v["a"]),
    }
    return outcome(calls[name]) if name in calls else None


def expected_of(name, v):
    if name.startswith("is_"):
        return v["is"] == b"\1"
    if name == "ecqv_accept":
        return v["d"], v["Q"]
    return v[{"sign": "sig", "sign_pair": "sig", "ecqv_issue": "a", "ecqv_public": "Q"}.get(name, "out")]


def run_vectors(core, path, step=1):
    """Checks every step-th case of the file; returns how many that were."""
    checked = 0
    for i, (name, fields, refused) in enumerate(read_vectors(path)):
        found = operation_of(core, name, fields) if i % step == 0 else None
        if found is not None:
            expected = ValueError if refused else expected_of(name, fields)
            assert found == expected, (path, i, name, {k: hexlify(x) for k, x in fields.items()}, found)
            checked += 1
    return checked


def main(paths):
    import microseal_core as core

    for name, case in sorted(globals().items()):
        if name.startswith("case_"):
            case(core)
            print("passed", name)
    for path in paths:
        print("passed", run_vectors(core, path), path)


if __name__ == "__main__":
    main(sys.argv[1:])
