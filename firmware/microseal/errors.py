"""What goes wrong, by name.

Whatever arrives from the network, the cable or a file and fails a check raises `Refused` with one of the reasons below; nothing
of the receiver's state has changed then. Reasons are short texts, safe to log and to show: they never carry secret or sender data.
"""


class MicrosealError(Exception):
    """Base of all errors that microseal raises on purpose."""


class Refused(MicrosealError):
    """A message, packet or file failed a check. `reason` is one of the constants of this module."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class NotReady(MicrosealError):
    """The device lacks what the call needs (identity, clock, group key); the text says what, and waiting may bring it."""


class StorageError(MicrosealError):
    """The state on flash cannot be read or written; the text says which record."""


# Reasons in the order in which section 6 of the protocol checks an envelope.
LENGTH = "length"  # too short, too long, or bytes left over
SUITE = "suite"  # not the suite of this device or group
MODE = "mode"  # not a mode of an envelope, or below the group's least mode
TOPIC = "topic"  # no group, two groups or two kinds for this topic; or not a valid topic, filter or name
EPOCH = "epoch"  # an epoch that is not held, not above the current one, or past its not_after
DIRECTION = "direction"  # not the direction of this topic, or one that this member does not receive
SIZE = "size"  # message longer than the policy allows
TIME = "time"  # dated in the future, too old, or answered too late
ROLE = "role"  # the sender is not on the roster of this direction, or not on it in both epochs of an overlap
REVOKED = "revoked"  # the authority took the certificate back
EXPIRED = "expired"  # past not_after
REPLAY = "replay"  # seen before, below the window, or from a boot that was replaced
SIGNATURE = "signature"  # does not verify
DECRYPTION = "decryption"  # the AEAD tag does not fit
INNER = "inner"  # mode 3, anything after the group signature: one and the same error (section 6)

# Reasons of certificates, enrolment and groups.
POINT = "point"  # not a point of the curve in compressed form
NAME = "name"  # id, gid or client id outside its alphabet or length
ISSUER = "issuer"  # a certificate of another authority
FLAGS = "flags"  # a certificate made for another use
KEY = "key"  # a private or group key that does not match its public key
HASH = "hash"  # content that does not match the hash it was announced by
POLICY = "policy"  # a policy that section 5 does not allow
ORDER = "order"  # a list that is not ascending or has duplicates
CLAIM = "claim"  # no valid claim or renewal for this request
STALE = "stale"  # older than what is already held
ROOM = "room"  # more than this device has room for
UNKNOWN = "unknown"  # not something this member asked for or knows
MAC = "mac"  # a session frame whose MAC does not fit
COUNTER = "counter"  # a session frame that is not above the last one
