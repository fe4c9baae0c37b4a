"""The reference's primitives against published vectors, and against other libraries on random input."""

import ast
import hashlib
import hmac
import random
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import cmac, hashes
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

from microseal_host import reference
from microseal_host.reference import sm4
from microseal_host.reference.curves import P256, SM2
from microseal_host.reference.hashes import sha256, sm3
from microseal_host.reference.suites import SUITES
from published import nist, wycheproof, wycheproof_ecdh

LENGTHS = [0, 1, 31, 32, 33, 55, 56, 63, 64, 65, 119, 120, 128, 200]


@pytest.mark.parametrize("length", LENGTHS)
def test_sha256_is_hashlibs(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert sha256(data) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("length", LENGTHS)
def test_sm3_is_cryptographys(length: int) -> None:
    data = random.Random(length).randbytes(length)
    expected = hashes.Hash(hashes.SM3())
    expected.update(data)
    assert sm3(data) == expected.finalize()


@pytest.mark.parametrize("case", nist("hashes/SM3/oscca.txt", "LEN"), ids=lambda c: c["LEN"])
def test_sm3_published(case: dict[str, str]) -> None:
    assert sm3(bytes.fromhex(case["MSG"])[: int(case["LEN"]) // 8]).hex() == case["MD"]


@pytest.mark.parametrize(
    "case", nist("ciphers/SM4/draft-ribose-cfrg-sm4-10-ecb.txt", "COUNT"), ids=lambda c: c["COUNT"]
)
def test_sm4_published(case: dict[str, str]) -> None:
    keys = sm4.round_keys(bytes.fromhex(case["KEY"]))
    plain, cipher = bytes.fromhex(case["PLAINTEXT"]), bytes.fromhex(case["CIPHERTEXT"])
    for i in range(0, len(plain), 16):
        assert sm4.encrypt_block(keys, plain[i : i + 16]) == cipher[i : i + 16]


@pytest.mark.parametrize("case", nist("ciphers/SM4/rfc8998.txt", "COUNT"), ids=lambda c: c["COUNT"])
def test_gcm_published(case: dict[str, str]) -> None:
    key, nonce, aad, plain = (bytes.fromhex(case[name]) for name in ("KEY", "IV", "AAD", "PLAINTEXT"))
    sealed = bytes.fromhex(case["CIPHERTEXT"] + case["TAG"])
    assert sm4.gcm_seal(key, nonce, aad, plain) == sealed
    assert sm4.gcm_open(key, nonce, aad, sealed) == plain
    assert sm4.gcm_open(key, nonce, aad, sealed[:-1] + bytes([sealed[-1] ^ 1])) is None


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 32, 100])
def test_gcm_and_cmac_are_cryptographys(length: int) -> None:
    rng = random.Random(length)
    key, nonce, aad, data = rng.randbytes(16), rng.randbytes(12), rng.randbytes(length // 2), rng.randbytes(length)
    sealer = Cipher(SM4(key), GCM(nonce)).encryptor()
    sealer.authenticate_additional_data(aad)
    expected = sealer.update(data) + sealer.finalize() + sealer.tag
    assert sm4.gcm_seal(key, nonce, aad, data) == expected
    mac = cmac.CMAC(SM4(key))
    mac.update(data)
    assert sm4.cmac(key, data) == mac.finalize()


@pytest.mark.parametrize("key_length", [0, 1, 63, 64, 65, 100])
def test_hmac(key_length: int) -> None:
    key = random.Random(key_length).randbytes(key_length)
    assert SUITES[1].hmac(key, b"message") == hmac.digest(key, b"message", "sha256")


def test_hkdf_wycheproof() -> None:
    tried = 0
    for test in wycheproof("hkdf_sha256_test.json"):
        if test["result"] == "valid":
            ikm, salt, info = (bytes.fromhex(test[name]) for name in ("ikm", "salt", "info"))
            assert SUITES[1].hkdf(ikm, salt, info, test["size"]).hex() == test["okm"]
            tried += 1
    assert tried > 50


def test_ecdh_wycheproof() -> None:
    tried = refused = 0
    # Every fifth of the good ones: a multiplication takes milliseconds here.
    for i, (private, public, shared) in enumerate(wycheproof_ecdh()):
        if shared is None:
            with pytest.raises(ValueError):
                P256.decode(public)
            refused += 1
        elif i % 5 == 0:
            product = P256.multiply(int.from_bytes(private, "big"), P256.decode(public))
            assert product is not None
            assert product[0].to_bytes(32, "big") == shared
            tried += 1
    assert tried > 50
    assert refused > 5


@pytest.mark.parametrize("curve", [P256, SM2], ids=["P-256", "SM2"])
def test_group_law(curve) -> None:
    rng = random.Random(1)
    a, b = rng.randrange(1, curve.q), rng.randrange(1, curve.q)
    A, B = curve.base(a), curve.base(b)
    assert curve.contains(curve.generator)
    assert curve.contains(A)
    assert curve.base(curve.q) is None
    assert curve.multiply(curve.q - 1, curve.generator) == (curve.generator[0], curve.p - curve.generator[1])
    assert curve.add(A, B) == curve.base(a + b)
    assert curve.add(A, A) == curve.base(2 * a)
    assert curve.add(A, None) == curve.add(None, A) == A
    assert curve.add(A, (A[0], curve.p - A[1])) is None
    assert curve.decode(curve.encode(A)) == A
    for bad in (b"", bytes(33), b"\4" + bytes(32), b"\2" + curve.p.to_bytes(32, "big"), b"\2" + b"\xff" * 32):
        with pytest.raises(ValueError):
            curve.decode(bad)
    with pytest.raises(ValueError):
        curve.encode(None)


@pytest.mark.parametrize("path", sorted(Path(reference.__path__[0]).glob("*.py")), ids=lambda path: path.stem)
def test_the_reference_stands_on_its_own(path: Path) -> None:
    """Nothing but the standard library without its cryptography, and its own files: an oracle that shares no code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1
            names = [node.module or ""] if node.level == 0 else []
        else:
            continue
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names
            assert name not in ("hashlib", "hmac", "ssl")
