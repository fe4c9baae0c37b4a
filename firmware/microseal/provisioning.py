"""What a device is given before anything else, in one claim file (section 4), and what it makes of it: records on its flash.

The claim file is JSON with exactly these members; byte strings are hexadecimal:

    suite      1 or 2
    id         the device's id
    authority  Q_CA, 33 bytes
    signer     the signer's certificate
    claim      32 bytes, secret, good for one request
    seed       32 bytes from the host for the device's own random source, secret
    broker     {"host": text, "port": number} and what else the client's connection needs

Records: `boot` (seed and boot count), `authority`, `enrol` (until enrolment is done), `broker`.
"""

import json
import os

from . import crypto, errors
from .entropy import Entropy
from .errors import Refused, StorageError
from .identity import Anchor, Signer
from .store import pack, unpack
from .wire import check_name, u8, u32

_MEMBERS = ("suite", "id", "authority", "signer", "claim", "seed", "broker")


def install(store, text):
    """Provisions from the text of a claim file (str). A device that is provisioned already keeps everything it has.

    Safe to repeat after a power cut at any point: `enrol` is written last, and what is there is not written again.
    """
    try:
        document = json.loads(text)
        if set(document) != set(_MEMBERS):
            raise ValueError
        suite, broker = document["suite"], document["broker"]
        device = check_name(document["id"].encode())
        public, signer, claim, seed = (_unhex(document[name]) for name in ("authority", "signer", "claim", "seed"))
        port = broker["port"]
        if not isinstance(suite, int) or not isinstance(broker["host"], str):
            raise ValueError
        if not all(isinstance(name, str) for name in broker):  # MicroPython's JSON takes any value for a name
            raise ValueError
        if not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):  # the last: JSON nested too deep
        raise Refused(errors.CLAIM)
    if len(claim) != 32 or len(seed) != 32:
        raise Refused(errors.CLAIM)
    Signer(Anchor(suite, public), signer)
    if provisioned(store):
        return
    if not store.load("boot"):
        mixed = crypto.core.hkdf(suite, seed + os.urandom(32), b"", crypto.tag(b"seed", suite), 32)
        store.save("boot", mixed + u32(0))
    store.save("authority", pack((u8(suite), public, signer)))
    store.save("broker", json.dumps(broker).encode())
    store.save("enrol", pack((device, claim, b"", b"", b"")))


def provisioned(store):
    """Whether a claim file was taken in, all of it."""
    return bool(store.load("identity") or store.load("enrol"))


def _unhex(text):
    """Bytes of an even number of hexadecimal digits; both interpreters' own functions take more than that."""
    if not isinstance(text, str) or len(text) % 2 or any(digit not in "0123456789abcdef" for digit in text):
        raise ValueError
    return bytes(int(text[i : i + 2], 16) for i in range(0, len(text), 2))


def load_authority(store):
    """(Anchor, Signer) of a provisioned device."""
    content = store.load("authority")
    if content is None:
        raise StorageError("not provisioned: no record `authority`")
    suite, public, signer = unpack(content, 3)
    anchor = Anchor(suite[0], public)
    return anchor, Signer(anchor, signer)


def save_signer(store, anchor, signer):
    """Replaces the signer's certificate by a newer one."""
    store.save("authority", pack((u8(anchor.suite), anchor.public, signer.cert.raw)))


def load_broker(store):
    """The broker's place, as the claim file had it: {"host": …, "port": …}."""
    content = store.load("broker")
    if content is None:
        raise StorageError("not provisioned: no record `broker`")
    return json.loads(content.decode())


def count_boot(store, suite, source=os.urandom):
    """The Entropy of this start: the boot count goes up on flash before the first value is drawn."""
    content = store.load("boot")
    if content is None or len(content) != 36:
        raise StorageError("not provisioned: no record `boot`")
    seed, boot = content[:32], int.from_bytes(content[32:], "big") + 1
    store.save("boot", seed + u32(boot))
    return Entropy(suite, seed, boot, source)
