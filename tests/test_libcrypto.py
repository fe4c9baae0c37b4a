"""The libcrypto backend: published vectors, the reference on random input, and every edge of the core's interface."""

import random
import threading

import pytest

from microseal_host.backends import libcrypto as core
from microseal_host.reference import identity, schnorr, sm4
from microseal_host.reference.suites import SUITES, Suite, sc
from published import nist, own, wycheproof, wycheproof_ecdh

BOTH = pytest.mark.parametrize("suite", [SUITES[1], SUITES[2]], ids=["suite1", "suite2"])


def scalar(suite: Suite, rng: random.Random) -> int:
    return rng.randrange(1, suite.curve.q)


# Published vectors


def test_ecdh_wycheproof() -> None:
    tried = refused = 0
    for private, public, shared in wycheproof_ecdh():
        if shared is None:
            assert not core.is_point(1, public)
            with pytest.raises(ValueError):
                core.ecdh(1, private, public)
            refused += 1
        else:
            assert core.ecdh(1, private, public) == shared
            tried += 1
    assert tried > 300
    assert refused > 5


def test_hkdf_wycheproof() -> None:
    tried = 0
    for test in wycheproof("hkdf_sha256_test.json"):
        ikm, salt, info = (bytes.fromhex(test[name]) for name in ("ikm", "salt", "info"))
        if test["result"] == "valid":
            assert core.hkdf(1, ikm, salt, info, test["size"]).hex() == test["okm"]
            tried += 1
        else:
            with pytest.raises(ValueError):
                core.hkdf(1, ikm, salt, info, test["size"])
    assert tried > 50


@pytest.mark.parametrize("case", nist("hashes/SM3/oscca.txt", "LEN"), ids=lambda c: c["LEN"])
def test_sm3_published(case: dict[str, str]) -> None:
    assert core.hash(2, bytes.fromhex(case["MSG"])[: int(case["LEN"]) // 8]).hex() == case["MD"]


def test_gcm_rfc8998() -> None:
    (case,) = nist("ciphers/SM4/rfc8998.txt", "COUNT")
    key, nonce, aad, plain = (bytes.fromhex(case[name]) for name in ("KEY", "IV", "AAD", "PLAINTEXT"))
    out = bytearray(len(plain) + 16)
    core.gcm_seal(key, nonce, aad, plain, out)
    assert out.hex() == case["CIPHERTEXT"] + case["TAG"]
    back = bytearray(len(plain))
    assert core.gcm_open(key, nonce, aad, out, back) is True
    assert back == plain


def test_ecqv_sec4() -> None:
    for case in own("ecqv_sec4.json")["vectors"]:
        v = {name: bytes.fromhex(text) for name, text in case.items()}
        R = core.base_mul(1, v["k_u"])
        assert core.mul_add(1, v["k"], None, R) == v["p_u"]
        assert core.ecqv_issue(1, v["cert"], v["k"], v["d_ca"]) == v["r"]
        assert core.ecqv_public(1, v["cert"], v["p_u"], v["q_ca"]) == v["q_u"]
        assert core.ecqv_accept(1, v["cert"], v["p_u"], v["q_ca"], v["k_u"], v["r"]) == (v["d_u"], v["q_u"])


# Against the reference


@BOTH
@pytest.mark.parametrize("seed", range(6))
def test_points_and_scalars(suite: Suite, seed: int) -> None:
    rng = random.Random(seed)
    n, q = suite.number, suite.curve.q
    a, b, c = (scalar(suite, rng) for _ in range(3))
    A, B = suite.public(a), suite.public(b)
    assert core.base_mul(n, sc(a)) == A
    assert core.mul_add(n, sc(c), B, A) == suite.public((c * b + a) % q)
    assert core.mul_add(n, sc(c), None, A) == suite.public((c + a) % q)
    assert core.ecdh(n, sc(a), B) == suite.shared(a, suite.curve.decode(B))
    wide = rng.randbytes(rng.randrange(1, 65))
    assert core.scalar_reduce(n, wide) == sc(int.from_bytes(wide, "big") % q)
    x, y, z = (rng.randbytes(32) for _ in range(3))
    whole = int.from_bytes(x, "big") * int.from_bytes(y, "big") + int.from_bytes(z, "big")
    assert core.scalar_mul_add(n, x, y, z) == sc(whole % q)


@BOTH
def test_multiplication_at_the_ends(suite: Suite) -> None:
    n, q = suite.number, suite.curve.q
    G = suite.public(1)
    for k in (1, 2, 3, q - 2, q - 1):
        assert core.base_mul(n, sc(k)) == suite.public(k)
        assert core.ecdh(n, sc(k), G) == suite.public(k)[1:]
    # The sum of a point and itself, and of a point and its negative.
    assert core.mul_add(n, sc(1), G, G) == suite.public(2)
    with pytest.raises(ValueError, match="infinity"):
        core.mul_add(n, sc(q - 1), G, G)
    assert core.scalar_mul_add(n, b"\xff" * 32, b"\xff" * 32, b"\xff" * 32) == sc((2**512 - 2**256) % q)
    assert core.scalar_mul_add(n, sc(1), sc(q - 1), sc(1)) == bytes(32)
    assert core.scalar_reduce(n, b"\xff" * 64) == sc((2**512 - 1) % q)
    assert core.scalar_reduce(n, sc(q)) == bytes(32)


@BOTH
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 200])
def test_hashes(suite: Suite, length: int) -> None:
    n = suite.number
    data = random.Random(length).randbytes(length)
    assert (
        core.hash(n, data) == core.hash(n, data[:7], bytearray(data[7:40]), memoryview(data)[40:]) == suite.hash(data)
    )
    assert core.hash(n) == suite.hash(b"")
    state = core.hash_new(n)
    assert isinstance(state, bytearray)
    core.hash_update(state, data[:10])
    core.hash_update(state, memoryview(data)[10:])
    assert core.hash_digest(state) == suite.hash(data)
    with pytest.raises(ValueError):
        core.hash_update(state, data)
    with pytest.raises(ValueError):
        core.hash_digest(state)
    key = random.Random(length + 1).randbytes(length)
    assert core.hmac(n, key, data[:5], data[5:]) == suite.hmac(key, data)
    for size in (1, 31, 32, 33, 80, 255 * 32):
        assert core.hkdf(n, key, data, b"info", size) == suite.hkdf(key, data, b"info", size)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 100])
def test_sm4(length: int) -> None:
    rng = random.Random(length)
    key, nonce, aad, data = rng.randbytes(16), rng.randbytes(12), rng.randbytes(length), rng.randbytes(length)
    sealed = bytearray(length + 16)
    core.gcm_seal(key, nonce, aad, data, sealed)
    assert sealed == sm4.gcm_seal(key, nonce, aad, data)
    assert core.cmac(key, data[:3], data[3:]) == sm4.cmac(key, data)
    for at in {0, length, length + 15}:
        wrong = bytearray(sealed)
        wrong[at] ^= 0x40
        out = bytearray(b"\xaa" * length)
        assert core.gcm_open(key, nonce, aad, wrong, out) is False
        assert out == b"\xaa" * length


def test_gcm_in_place() -> None:
    key, nonce = bytes(range(16)), bytes(12)
    buffer = bytearray(b"hello world" + bytes(16))
    core.gcm_seal(key, nonce, b"", memoryview(buffer)[:11], buffer)
    assert buffer == sm4.gcm_seal(key, nonce, b"", b"hello world")
    assert core.gcm_open(key, nonce, b"", buffer, memoryview(buffer)[:11])
    assert buffer[:11] == b"hello world"


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_signatures(suite: Suite, seed: int) -> None:
    rng = random.Random(seed)
    n, q = suite.number, suite.curve.q
    d = scalar(suite, rng)
    Q = suite.public(d)
    ctx, msg, rand = rng.randbytes(rng.randrange(40)), rng.randbytes(rng.randrange(200)), rng.randbytes(32)
    sig = core.sign(n, sc(d), Q, b"m1", ctx, msg, rand)
    assert sig == schnorr.sign(suite, d, "m1", ctx, msg, rand)
    assert core.verify(n, Q, b"m1", ctx, msg, sig) is True
    assert core.verify(n, Q, b"m2", ctx, msg, sig) is False
    assert core.verify(n, Q, b"m1", ctx + b"x", msg, sig) is False
    assert core.verify(n, Q, b"m1", ctx, msg + b"x", sig) is False
    assert core.verify(n, suite.public(d + 1), b"m1", ctx, msg, sig) is False
    for s in (0, q, q + 1, 2**256 - 1):
        assert core.verify(n, Q, b"m1", ctx, msg, sig[:32] + sc(s)) is False
    for at in (0, 31, 32, 63):
        wrong = bytearray(sig)
        wrong[at] ^= 1
        assert core.verify(n, Q, b"m1", ctx, msg, wrong) is False


@BOTH
def test_a_commitment_at_infinity_is_no_signature(suite: Suite) -> None:
    # V' = s*G + e*Q = 0 for s = -e*d; before any hash is looked at.
    d, e = 5, 7
    sig = sc(e) + sc(-e * d % suite.curve.q)
    assert core.verify(suite.number, suite.public(d), b"m1", b"", b"", sig) is False


@BOTH
def test_a_challenge_not_below_q_counts_mod_q(suite: Suite) -> None:
    q = suite.curve.q
    for e in (q, q + 1, 2**256 - 1):
        assert core.verify(suite.number, suite.public(5), b"m1", b"", b"", sc(e) + sc(3)) is False


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_certificates(suite: Suite, seed: int) -> None:
    rng = random.Random(seed)
    n = suite.number
    r, g, k, d_ca = (scalar(suite, rng) for _ in range(4))
    q_ca = suite.public(d_ca)
    issued = identity.issue(suite, d_ca, identity.request(suite, "pump-3", r, g), 0, 2**31, k)
    C = issued.cert[-66:-33]
    assert core.ecqv_issue(n, issued.cert, sc(k), sc(d_ca)) == sc(issued.a)
    d, cert = identity.accept(suite, q_ca, "pump-3", 0, r, suite.public(g), issued.reply)
    assert core.ecqv_public(n, issued.cert, C, q_ca) == cert.public
    assert core.ecqv_accept(n, issued.cert, C, q_ca, sc(r), sc(issued.a)) == (sc(d), cert.public)
    with pytest.raises(ValueError, match="match"):
        core.ecqv_accept(n, issued.cert, C, q_ca, sc(r), sc(issued.a % suite.curve.q + 1))
    with pytest.raises(ValueError, match="match"):
        core.ecqv_accept(n, issued.cert + b"x", C, q_ca, sc(r), sc(issued.a))


@BOTH
def test_certificates_at_zero(suite: Suite) -> None:
    n, q = suite.number, suite.curve.q
    cert = b"any bytes"
    e = identity.hn(suite, cert)
    # a = e*k + d_ca = 0, d = e*r + a = 0, and Q = e*C + q_ca = infinity.
    with pytest.raises(ValueError, match="zero"):
        core.ecqv_issue(n, cert, sc(1), sc(-e % q))
    with pytest.raises(ValueError):
        core.ecqv_accept(n, cert, suite.public(1), suite.public(3), sc(1), sc(-e % q))
    with pytest.raises(ValueError, match="infinity"):
        core.ecqv_public(n, cert, suite.public(1), suite.public(-e % q))


# Edges of the interface


@BOTH
def test_scalars_out_of_range(suite: Suite) -> None:
    n, q = suite.number, suite.curve.q
    G, one = suite.public(1), sc(1)
    for k in (bytes(32), sc(q), sc(q + 1), b"\xff" * 32, b"", sc(1)[1:], sc(1) + b"\0"):
        assert not core.is_scalar(n, k)
        for call in (
            lambda k: core.base_mul(n, k),
            lambda k: core.mul_add(n, k, G, G),
            lambda k: core.ecdh(n, k, G),
            lambda k: core.sign(n, k, G, b"m1", b"", b"", bytes(32)),
            lambda k: core.ecqv_issue(n, b"", k, one),
            lambda k: core.ecqv_issue(n, b"", one, k),
            lambda k: core.ecqv_accept(n, b"", G, G, k, one),
            lambda k: core.ecqv_accept(n, b"", G, G, one, k),
        ):
            with pytest.raises(ValueError):
                call(k)
    for k in (1, 2, q - 1):
        assert core.is_scalar(n, sc(k))


def bad_points(suite: Suite) -> list[bytes]:
    p, G = suite.curve.p, suite.public(1)
    off = next(x for x in range(1, 99) if pow(x**3 + suite.curve.a * x + suite.curve.b, (p - 1) // 2, p) != 1)
    return [
        b"",
        G[:-1],
        G + b"\0",
        bytes(33),
        b"\0" + G[1:],
        b"\1" + G[1:],
        b"\4" + G[1:],
        b"\5" + G[1:],
        b"\2" + sc(p),
        b"\3" + sc(p + 1),
        b"\2" + b"\xff" * 32,
        b"\2" + sc(off),
    ]


@BOTH
def test_points_that_are_none(suite: Suite) -> None:
    n, G, one = suite.number, suite.public(1), sc(1)
    for bad in bad_points(suite):
        assert core.is_point(n, bad) is False
        for call in (
            lambda P: core.mul_add(n, one, P, G),
            lambda P: core.mul_add(n, one, G, P),
            lambda P: core.ecdh(n, one, P),
            lambda P: core.sign(n, one, P, b"m1", b"", b"", bytes(32)),
            lambda P: core.verify(n, P, b"m1", b"", b"", bytes(64)),
            lambda P: core.ecqv_public(n, b"", P, G),
            lambda P: core.ecqv_public(n, b"", G, P),
            lambda P: core.ecqv_accept(n, b"", P, G, one, one),
        ):
            with pytest.raises(ValueError):
                call(bad)
    assert core.is_point(n, G) is True


def test_wrong_lengths() -> None:
    G = SUITES[1].public(1)
    for size in (0, 63, 65):
        with pytest.raises(ValueError):
            core.verify(1, G, b"m1", b"", b"", bytes(size))
    for size in (0, 31, 33):
        with pytest.raises(ValueError):
            core.sign(1, sc(1), G, b"m1", b"", b"", bytes(size))
        with pytest.raises(ValueError):
            core.scalar_mul_add(1, bytes(32), bytes(size), bytes(32))
    for size in (0, 65):
        with pytest.raises(ValueError):
            core.scalar_reduce(1, bytes(size))
    for size in (0, 255 * 32 + 1, -1):
        with pytest.raises(ValueError):
            core.hkdf(1, b"", b"", b"", size)
    for key, nonce, data, out in ((15, 12, 0, 16), (16, 11, 0, 16), (16, 16, 0, 16), (16, 12, 0, 15), (16, 12, 5, 20)):
        with pytest.raises(ValueError):
            core.gcm_seal(bytes(key), bytes(nonce), b"", bytes(data), bytearray(out))
    for key, nonce, data, out in ((17, 12, 16, 0), (16, 0, 16, 0), (16, 12, 15, 0), (16, 12, 16, 1), (16, 12, 20, 5)):
        with pytest.raises(ValueError):
            core.gcm_open(bytes(key), bytes(nonce), b"", bytes(data), bytearray(out))
    with pytest.raises(ValueError):
        core.cmac(bytes(15), b"")
    with pytest.raises(ValueError):
        core.sign(1, sc(1), G, b"m1", bytes(65536), b"", bytes(32))


def test_unknown_suites() -> None:
    assert core.SUITES == (1, 2)
    for suite in (0, 3, -1):
        with pytest.raises(ValueError, match="suite"):
            core.hash(suite, b"")
        with pytest.raises(ValueError, match="suite"):
            core.is_point(suite, b"")
    for suite in ("1", None, b"\1"):
        with pytest.raises(TypeError, match="suite"):
            core.hash(suite, b"")


@pytest.mark.parametrize("wrong", ["text", 5, None, 1.5, [1, 2]], ids=lambda w: type(w).__name__)
def test_wrong_types(wrong: object) -> None:
    G, one = SUITES[1].public(1), sc(1)
    calls = [
        lambda: core.hash(1, wrong),
        lambda: core.hash(1, b"", wrong),
        lambda: core.hash_update(core.hash_new(1), wrong),
        lambda: core.hash_digest(wrong),
        lambda: core.hmac(1, wrong, b""),
        lambda: core.hmac(1, b"", wrong),
        lambda: core.hkdf(1, wrong, b"", b"", 1),
        lambda: core.hkdf(1, b"", wrong, b"", 1),
        lambda: core.gcm_seal(bytes(16), bytes(12), wrong, b"", bytearray(16)),
        lambda: core.gcm_seal(bytes(16), bytes(12), b"", b"", wrong),
        lambda: core.gcm_open(bytes(16), bytes(12), b"", wrong, bytearray(0)),
        lambda: core.cmac(wrong, b""),
        lambda: core.cmac(bytes(16), wrong),
        lambda: core.base_mul(1, wrong),
        lambda: core.mul_add(1, one, G, wrong),
        lambda: core.ecdh(1, one, wrong),
        lambda: core.is_point(1, wrong),
        lambda: core.is_scalar(1, wrong),
        lambda: core.scalar_reduce(1, wrong),
        lambda: core.scalar_mul_add(1, one, wrong, one),
        lambda: core.sign(1, one, G, wrong, b"", b"", bytes(32)),
        lambda: core.verify(1, G, b"m1", b"", wrong, bytes(64)),
        lambda: core.verify(1, wrong, b"m1", b"", b"", bytes(64)),
        lambda: core.ecqv_issue(1, wrong, one, one),
        lambda: core.ecqv_public(1, b"", wrong, G),
        lambda: core.ecqv_accept(1, b"", G, G, wrong, one),
        lambda: core.equal(wrong, b""),
        lambda: core.wipe(wrong),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_read_only_targets() -> None:
    with pytest.raises(TypeError):
        core.gcm_seal(bytes(16), bytes(12), b"", b"", bytes(16))
    with pytest.raises(TypeError):
        core.wipe(bytes(4))
    with pytest.raises(TypeError):
        core.hash_update(bytearray(8), b"")


def test_equal_and_wipe() -> None:
    assert core.equal(b"abc", bytearray(b"abc")) is True
    assert core.equal(b"abc", b"abd") is False
    assert core.equal(b"abc", b"ab") is False
    buffer = bytearray(b"secret!")
    core.wipe(memoryview(buffer)[:6])
    assert buffer == bytes(6) + b"!"
    core.wipe(buffer)
    assert buffer == bytes(7)


@BOTH
def test_threads_do_not_share_scratch(suite: Suite) -> None:
    n = suite.number
    wrong: list[int] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(40):
            d, rand = sc(rng.randrange(1, suite.curve.q)), rng.randbytes(32)
            Q = core.base_mul(n, d)
            sig = core.sign(n, d, Q, b"m1", b"", rand, rand)
            x, y = core.ecdh(n, rand[:31] + b"\1", Q), core.ecdh(n, d, core.base_mul(n, rand[:31] + b"\1"))
            if not core.verify(n, Q, b"m1", b"", rand, sig) or x != y:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
