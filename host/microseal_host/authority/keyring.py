"""Secrets at rest: a random data key, wrapped by the passphrase, and every secret sealed under it for one place alone.

The data key is wrapped by AES-256-GCM under scrypt(passphrase), the secrets by AES-256-GCM under the data key with 96-bit
random nonces. What is authenticated with a secret is where it belongs (table, row, column), so that whoever can write to
the database but has no passphrase cannot move a secret to another row.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ..failure import DENIED, Failure

COST = 2**17  # scrypt's n: 128 MB and a third of a second
LEAST_COST, MOST_COST = 2**10, 2**20
_BLOCK, _PARALLEL = 8, 1
_NONCE = 12
_KEY = 32


@dataclass(frozen=True)
class Wrapped:
    """The data key as it is stored. salt: 16 bytes; cost: scrypt's n; box: nonce ‖ ciphertext ‖ tag."""

    salt: bytes
    cost: int
    box: bytes


class Keyring:
    """Seals and opens secrets. A sealed secret is nonce(12) ‖ ciphertext ‖ tag(16)."""

    def __init__(self, data_key: bytes) -> None:
        self._cipher = AESGCM(data_key)

    def seal(self, secret: bytes, *place: str) -> bytes:
        """`secret` for one place: table, row, column."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, _place(place))

    def open(self, sealed: bytes, *place: str) -> bytes:
        """The secret; Failure if it was altered, or sealed for another place."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(place))
        except (InvalidTag, ValueError):
            raise altered("/".join(place)) from None


def altered(place: str) -> Failure:
    """place: table/row/column."""
    message = f"the database was altered: {place} is not what was stored there"
    return Failure(message, "restore it from a backup", DENIED)


def _place(parts: tuple[str, ...]) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"microseal/rest/1" + b"".join(len(part).to_bytes(2, "big") + part for part in encoded)


def _wrapping_key(passphrase: str, salt: bytes, cost: int) -> AESGCM:
    kdf = Scrypt(salt=salt, length=_KEY, n=cost, r=_BLOCK, p=_PARALLEL)
    return AESGCM(kdf.derive(passphrase.encode()))


def _header(salt: bytes, cost: int) -> bytes:
    return b"microseal/keyring/1" + salt + cost.to_bytes(4, "big")


def create(passphrase: str, cost: int = COST) -> tuple[Keyring, Wrapped]:
    """A new keyring, and what is to be stored of it."""
    data_key, salt, nonce = os.urandom(_KEY), os.urandom(16), os.urandom(_NONCE)
    box = _wrapping_key(passphrase, salt, cost).encrypt(nonce, data_key, _header(salt, cost))
    return Keyring(data_key), Wrapped(salt, cost, nonce + box)


def unlock(wrapped: Wrapped, passphrase: str) -> Keyring:
    """The keyring; Failure for a wrong passphrase."""
    # The cost comes from the database: an altered one must not make this machine run out of memory.
    if not LEAST_COST <= wrapped.cost <= MOST_COST or wrapped.cost & (wrapped.cost - 1):
        raise Failure("the database was altered: its keyring cannot be read", "restore it from a backup", DENIED)
    cipher = _wrapping_key(passphrase, wrapped.salt, wrapped.cost)
    try:
        data_key = cipher.decrypt(wrapped.box[:_NONCE], wrapped.box[_NONCE:], _header(wrapped.salt, wrapped.cost))
    except (InvalidTag, ValueError):
        raise Failure("wrong passphrase", "it is the one given to `microseal init`", DENIED) from None
    return Keyring(data_key)
