"""The `reject` part of a random scenario: what must be refused, made from what is there, by the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from microseal_host.reference import envelopes, schnorr
from microseal_host.reference.suites import sc

if TYPE_CHECKING:
    from .generate import Maker


def add_rejects(maker: Maker) -> None:
    found = Rejects(maker)
    for index in range(3):
        found.of_any_mode(index)
    found.of_mode_3(2)
    found.of_other_senders(0)
    found.of_other_senders(1)
    found.of_enrolment()
    found.of_groups()
    found.of_sessions()
    maker.file["reject"] = found.entries


class Rejects:
    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.suite = maker.suite
        self.q = sc(maker.suite.curve.q)
        self.entries: list[dict[str, str | int]] = []
        x = maker.draw.below(2**200)
        while self._on_the_curve(x):
            x += 1
        self.off = sc(x)

    def _on_the_curve(self, x: int) -> bool:
        try:
            self.suite.curve.decode(b"\2" + sc(x))
        except ValueError:
            return False
        return True

    def _add(self, kind: str, why: str, value: bytes, **more: int) -> None:
        self.entries.append({"kind": kind, "why": why, "value": value.hex(), **more})

    def _source(self, *path: str | int) -> bytes:
        at = self.maker.file
        for step in path:
            at = at[step]
        assert isinstance(at, str)
        return bytes.fromhex(at)

    # Envelopes

    def of_any_mode(self, index: int) -> None:
        data = self._source("envelopes", index, "envelope")
        other = 3 - self.suite.number
        for why, value in (
            ("s is zero", data[:-32] + bytes(32)),
            ("s is q", data[:-32] + self.q),
            ("s of ones", data[:-32] + b"\xff" * 32),
            ("one byte more", data + b"\0"),
            ("one byte less", data[:-1]),
            ("other suite", bytes([other << 4 | data[0] & 15]) + data[1:]),
            ("other direction", bytes([data[0] ^ 8]) + data[1:]),
            ("other epoch", data[:2] + bytes([data[2] ^ 1]) + data[3:]),
            ("unknown mode", bytes([data[0] | 7]) + data[1:]),
            ("empty", b""),
        ):
            self._add("envelope", why, value, envelope=index)

    def of_mode_3(self, index: int) -> None:
        maker, entry = self.maker, self.maker.file["envelopes"][index]
        data = bytes.fromhex(entry["envelope"])
        direction, rand = entry["direction"], bytes.fromhex(entry["rand_group"])
        group_d = maker.keys[direction + 1]
        gctx = envelopes.context(maker.info.gid, maker.info.epoch, entry["topic"])
        p = sc(self.suite.curve.p)
        for why, Z in (
            ("Z with prefix 04", b"\4" + data[8:40]),
            ("Z with x = p", data[7:8] + p),
            ("Z not on the curve", data[7:8] + self.off),
        ):
            body = data[:7] + Z + data[40:-64]
            self._add(
                "envelope",
                why,
                body + schnorr.sign(self.suite, group_d, "m3g", gctx, body, rand),
                envelope=index,
            )
        head, message = data[:40], bytes.fromhex(entry["message"])
        sender = entry["sender"]
        other = next(i for i in ((0, 2) if direction else (0, 1)) if i != sender)
        kid, signer_kid = maker.certs[sender].kid, maker.certs[maker.SIGNER].kid
        sig = maker.signed_by(sender, "m3i", gctx, head + message)
        altered = sig[:-1] + bytes([sig[-1] ^ 1])
        plain = kid + sig + message
        padded = plain + b"\x80" + bytes(-(len(plain) + 1) % 32)
        tail = padded[len(kid + sig) :]
        unpadded = (kid + sig + b"\x01" * (len(tail) - 1) + b"\x01")[: len(padded)]
        for why, inner in (
            ("32 zeros too many", padded + bytes(32)),
            ("no 80", unpadded),
            ("inner signature altered", kid + altered + tail),
            ("inner signature by another member", kid + maker.signed_by(other, "m3i", gctx, head + message) + tail),
            ("inner kid is the signer's", signer_kid + sig + tail),
        ):
            z = int(entry["z"], 16)
            value = envelopes.seal_inner(
                self.suite, maker.info, direction, gctx, head, z, inner, group_d, maker.draw.bytes(32)
            )
            self._add("envelope", why, value, envelope=index)

    def of_other_senders(self, index: int) -> None:
        maker, entry = self.maker, self.maker.file["envelopes"][index]
        data = bytes.fromhex(entry["envelope"])
        gctx = envelopes.context(maker.info.gid, maker.info.epoch, entry["topic"])
        # The one who has the other role only; what it says of publishers and subscribers is for direction 0.
        outsiders = {"valid signature of a certificate on no roster": maker.draw.choice((maker.OUTSIDER, maker.SIGNER))}
        if entry["direction"] == 0:
            outsiders["valid signature of a subscriber that is no publisher"] = 2
        for why, member in outsiders.items():
            body = data[:3] + maker.certs[member].kid + data[11:-64]
            self._add("envelope", why, body + maker.signed_by(member, f"m{entry['mode']}", gctx, body), envelope=index)

    # The rest, each made from the first of its kind

    def of_enrolment(self) -> None:
        cert, request = self._source("ecqv", 0, "certificate"), self._source("ecqv", 0, "request")
        reply, box = self._source("ecqv", 0, "reply"), self._source("ecqv", 0, "share_box")
        self._add("certificate", "one byte more", cert + b"\0")
        self._add("certificate", "id of length 0", cert[:14] + b"\0" + cert[-66:])
        self._add("certificate", "id with a slash", cert[:15] + b"/" + cert[16:])
        self._add("certificate", "another issuer", cert[:2] + bytes(8) + cert[10:])
        self._add("certificate", "C not on the curve", cert[:-65] + self.off + cert[-33:])
        self._add("request", "R not on the curve", request[:-65] + self.off + request[-33:])
        self._add("request", "R with prefix 00", request[:-66] + b"\0" + request[-65:])
        self._add("request", "length says more", request[:1] + bytes([request[1] + 1]) + request[2:])
        self._add("reply", "a is q", reply[:-32] + self.q)
        self._add("reply", "a of another key", reply[:-1] + bytes([reply[-1] ^ 1]))
        self._add("share", "tag altered", box[:-1] + bytes([box[-1] ^ 1]))
        self._add("share", "box of another device", self._source("ecqv", 1, "share_box"))

    def of_groups(self) -> None:
        info = self._source("groups", 0, "info")
        at = 16 + len(self.maker.info.gid)
        self._add("info", "policy altered", info[:at] + bytes([info[at] ^ 1]) + info[at + 1 :])
        self._add("info", "signed by a device", info[:-64] + self.maker.signed_by(0, "group", b"", info[:-64]))
        # Packets 0 and 1 are those of members 0 and 1 as publishers.
        own, other = (self._source("groups", 0, "key_packets", i, "packet") for i in (0, 1))
        self._add("key_packet", "of another member", other, member=0)
        self._add("key_packet", "other role", b"\2" + own[1:], member=0)

    def of_sessions(self) -> None:
        frame = self._source("sessions", 0, "frames", 1, "frame")
        hello, welcome = self._source("sessions", 0, "hello"), self._source("sessions", 0, "welcome")
        self._add("frame", "tag altered", frame[:-1] + bytes([frame[-1] ^ 1]))
        self._add("frame", "too short", frame[:12])
        self._add("welcome", "time altered", welcome[:-1] + bytes([welcome[-1] ^ 1]))
        self._add("hello", "kid of another device", hello[:1] + self.maker.certs[1].kid + hello[9:])
