"""How the reference refuses: an exception with a reason out of a fixed list."""

# What each reason says. Those of an envelope are in the order of the checks in section 6.
REASONS = {
    "length": "a length is wrong, or bytes are left over",
    "suite": "another suite",
    "kind": "a header, mode, role, kind or flag that does not exist or does not belong here",
    "text": "an id, gid, topic, filter or client id that is not well formed",
    "point": "bytes that encode no point of the curve",
    "scalar": "an integer that is 0 or not below q",
    "topic": "no group, or more than one, for the topic",
    "epoch": "an epoch that is not held, is over, or goes back",
    "policy": "mode, direction or size that the group's policy does not allow",
    "time": "too far ahead, too old, or no clock",
    "member": "a sender that is on no roster for this",
    "revoked": "a certificate that was taken back",
    "certificate": "a certificate that is unknown, not this one, or past its not_after",
    "issuer": "a certificate of another authority",
    "replay": "seen before, or older than what was seen",
    "signature": "a signature that does not verify",
    "decryption": "an authentication tag that does not match",
    "padding": "padding of mode 3 that is not as it should be",
    "key": "a key that does not belong to its public key",
    "claim": "a claim or a renewal that does not match",
    "order": "entries that are not ascending, or are there twice",
}


class Refused(Exception):
    """Something that must not be accepted: `reason` is a key of REASONS, `where` names the field."""

    def __init__(self, reason: str, where: str = "") -> None:
        if reason not in REASONS:
            raise KeyError(reason)
        super().__init__(f"{where}: {REASONS[reason]}" if where else REASONS[reason])
        self.reason = reason
        self.where = where
        # Mode 3, after the group signature: outside, all of these are one and the same error.
        self.inner = False
