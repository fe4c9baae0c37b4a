"""Makes scenarios of the form of tests/vectors at random, with the reference; what it makes goes through every backend.

The randomness is a seed's, so that a scenario in which backends disagree can be made again. Its keys are for nothing else.
"""

import random
import string
from typing import Any

from microseal_host.reference import envelopes, groups, identity, notices, schnorr, sessions
from microseal_host.reference.groups import PUBLISHER, SUBSCRIBER
from microseal_host.reference.suites import SUITES, Suite, sc, u8, u16, u32

from .generate_rejects import add_rejects

Values = dict[str, Any]

_NAME = string.ascii_letters + string.digits + "._:-"
_TOPIC = _NAME + " °é漢🌡"
# Around the steps of padding and of block sizes, and the ends.
_SIZES = (0, 1, 15, 16, 17, 22, 23, 24, 54, 55, 56, 200)


class Draw:
    """Random values for a scenario."""

    def __init__(self, suite: Suite, seed: str) -> None:
        self._rng = random.Random(seed)
        self._q = suite.curve.q

    def bytes(self, n: int) -> bytes:
        return self._rng.randbytes(n)

    def scalar(self) -> int:
        # The ends are where carries and reductions go wrong.
        near = (1, 2, self._q - 1, self._q - 2)
        return self._rng.choice(near) if self._rng.random() < 0.02 else self._rng.randrange(1, self._q)

    def number(self, least: int, most: int) -> int:
        return self._rng.choice((least, most, self._rng.randint(least, most), self._rng.randint(least, most)))

    def below(self, most: int) -> int:
        return self._rng.randrange(most)

    def text(self, least: int, most: int, letters: str = _NAME) -> str:
        return "".join(self._rng.choices(letters, k=self.number(least, most)))

    def choice(self, of: Any) -> Any:
        return self._rng.choice(of)


class Maker:
    """One scenario in the making.

    Three devices, of which the first publishes and subscribes, the second publishes, the third subscribes; one that is in no group,
    and whose certificate is over; the signer; the gate.
    """

    OUTSIDER, SIGNER, GATE = 3, 4, 5

    def __init__(self, number: int, seed: str) -> None:
        self.suite = SUITES[number]
        self.draw = Draw(self.suite, seed)
        self.d_ca = self.draw.scalar()
        self.q_ca = self.suite.public(self.d_ca)
        self.now = self.draw.number(1_000_000_000, 4_000_000_000)
        self.certs: list[identity.Certificate] = []
        self.private: list[int] = []
        self.shares: list[int] = []
        self.file: Values = {"suite": number}

    def make(self) -> Values:
        ca = {"private": sc(self.d_ca).hex(), "public": self.q_ca.hex()}
        ca |= {"issuer": identity.issuer(self.suite, self.q_ca).hex(), "signer": self.SIGNER}
        self.file["ca"] = ca
        self.file["ecqv"] = [self._member(i, flags) for i, flags in enumerate((0, 0, 0, 0, 1, 2))]
        self.file["groups"] = [self._group()]
        self.file["envelopes"] = [self._envelope(mode) for mode in (1, 2, 3)]
        self.file["sessions"] = [self._session()]
        self.file["fresh"] = [self._fresh()]
        self._notices()
        add_rejects(self)
        return self.file

    def _member(self, index: int, flags: int) -> Values:
        suite, draw = self.suite, self.draw
        id = f"{index}{draw.text(0, 31)}"
        r, g, claim = draw.scalar(), draw.scalar(), draw.bytes(32)
        k = draw.scalar()
        while (r + k) % suite.curve.q == 0:
            k = draw.scalar()
        request = identity.request(suite, id, r, g)
        not_after = self.now - 1 if index == self.OUTSIDER else draw.number(self.now + 1000, 2**32 - 1)
        issued = identity.issue(suite, self.d_ca, request, flags, not_after, k)
        d, cert = identity.accept(suite, self.q_ca, id, flags, r, suite.public(g), issued.reply)
        self.certs.append(cert)
        self.private.append(d)
        self.shares.append((d + g) % suite.curve.q)
        return {
            "id": id,
            "r": sc(r).hex(),
            "g": sc(g).hex(),
            "k": sc(k).hex(),
            "flags": flags,
            "not_after": not_after,
            "claim": claim.hex(),
            "request": request.hex(),
            "claimed_request": identity.claimed(suite, request, claim).hex(),
            "certificate": cert.encoded.hex(),
            "reply": issued.reply.hex(),
            "a": sc(issued.a).hex(),
            "e": sc(issued.e).hex(),
            "kid": cert.kid.hex(),
            "private": sc(d).hex(),
            "public": cert.public.hex(),
            "share_box": identity.share(suite, self.q_ca, cert.encoded, d, g).hex(),
        }

    def _policy(self) -> bytes:
        """Allows every mode and size that is used here."""
        self.topics = (f"t/{self.draw.text(0, 40, _TOPIC)}", f"q/{self.draw.text(0, 40, _TOPIC)}")
        out = u8(self.draw.below(2)) + u32(self.draw.number(0, 1000)) + u16(self.draw.number(200, 0xFFFF)) + u8(2)
        for kind, pattern in ((self.draw.choice((0, 2)), "t/#"), (self.draw.choice((1, 3)), self.topics[1])):
            out += u8(kind) + u8(len(pattern.encode())) + pattern.encode()
        return out

    def _group(self) -> Values:
        suite, draw = self.suite, self.draw
        publishers, subscribers = [0, 1], [0, 2]
        draft = groups.Draft(
            gid=draw.text(1, 32),
            epoch=draw.number(1, 2**32 - 1),
            issued=self.now,
            not_after=self.now + 900,
            policy=self._policy(),
            publishers=tuple(self.certs[i] for i in publishers),
            subscribers=tuple(self.certs[i] for i in subscribers),
            blind_p=draw.scalar(),
            blind_s=draw.scalar(),
        )
        rand = draw.bytes(32)
        encoded = groups.info(suite, draft, self.private[self.SIGNER], rand)
        self.info = groups.parse_info(suite, self.certs[self.SIGNER].public, encoded)
        d_p = groups.private_key(suite, [self.shares[i] for i in publishers], draft.blind_p)
        d_s = groups.private_key(suite, [self.shares[i] for i in subscribers], draft.blind_s)
        self.keys = {PUBLISHER: d_s, SUBSCRIBER: d_p}
        packets = [(member, PUBLISHER) for member in publishers] + [(member, SUBSCRIBER) for member in subscribers]
        return {
            "gid": draft.gid,
            "epoch": draft.epoch,
            "issued": draft.issued,
            "not_after": draft.not_after,
            "policy": draft.policy.hex(),
            "publishers": publishers,
            "subscribers": subscribers,
            "blind_p": sc(draft.blind_p).hex(),
            "blind_s": sc(draft.blind_s).hex(),
            "rand": rand.hex(),
            "d_p": sc(d_p).hex(),
            "d_s": sc(d_s).hex(),
            "info": encoded.hex(),
            "roster_p": groups.roster(suite, [self.certs[i].encoded for i in publishers]).hex(),
            "roster_s": groups.roster(suite, [self.certs[i].encoded for i in subscribers]).hex(),
            "key_packets": [self._packet(member, role) for member, role in packets],
            "rekeys": [self._rekey(role) for role in (PUBLISHER, SUBSCRIBER)],
            "asks": [self._ask()],
        }

    def _packet(self, member: int, role: int) -> Values:
        u = self.draw.scalar()
        to = (self.info.epoch, role, self.certs[member])
        packet = groups.key_packet(self.suite, self.info.encoded, *to, self.keys[role], u)
        return {"member": member, "role": role, "u": sc(u).hex(), "packet": packet.hex()}

    def _rekey(self, role: int) -> Values:
        old, info = self.draw.scalar(), self.info
        packet = groups.rekey(self.suite, info.encoded, info.gid, info.epoch, role, old, self.keys[role])
        return {"role": role, "old": sc(old).hex(), "packet": packet.hex()}

    def _ask(self) -> Values:
        member, held, rand = self.draw.below(3), self.draw.number(0, 2**32 - 1), self.draw.bytes(32)
        data = groups.ask(self.suite, self.info.gid, held, self.now, self.private[member], rand)
        return {"member": member, "held": held, "time": self.now, "rand": rand.hex(), "ask": data.hex()}

    def _envelope(self, mode: int) -> Values:
        draw, direction = self.draw, self.draw.below(2)
        sender = draw.choice((0, 2) if direction else (0, 1))
        t = self.now + draw.below(900)
        message, rand, topic = draw.bytes(draw.choice(_SIZES)), draw.bytes(32), self.topics[direction]
        out = envelopes.Outgoing(self.info, direction, topic, t, self.private[sender], self.certs[sender].kid, message)
        entry = {
            "group": 0,
            "direction": direction,
            "mode": mode,
            "sender": sender,
            "topic": topic,
            "time": t,
            "rand": rand.hex(),
            "message": message.hex(),
        }
        if mode == 3:
            z, rand_group = draw.scalar(), draw.bytes(32)
            data = envelopes.seal_anonymous(self.suite, out, z, self.keys[direction + 1], rand, rand_group)
            return entry | {"z": sc(z).hex(), "rand_group": rand_group.hex(), "envelope": data.hex()}
        nonce = draw.bytes(8) + u32(draw.number(0, 2**32 - 1))
        seal = envelopes.seal_signed if mode == 1 else envelopes.seal_secret
        return entry | {"nonce": nonce.hex(), "envelope": seal(self.suite, out, nonce, rand).hex()}

    def _session(self) -> Values:
        suite, draw = self.suite, self.draw
        client = self.certs[0].id + draw.choice(("", "/" + draw.text(1, 30)))
        will_topic = draw.text(0, 60, _TOPIC)
        will = draw.bytes(draw.below(100)) if will_topic else b""
        flags, keep_alive = draw.number(0, 255), draw.number(0, 65535)
        connect = sessions.Connect(client, flags, keep_alive, will_topic, will, self.certs[0], self.certs[self.GATE])
        e, e_gate, t = draw.scalar(), draw.scalar(), self.now + draw.below(100)
        device = sessions.Device(suite, connect, self.private[0], e)
        hello = device.hello(t)
        welcome, session, _ = sessions.Gate(suite, self.private[self.GATE]).answer(connect, hello, self.now, e_gate)
        self.frames = [
            ("up", f"microseal/up/{client}", 0, b""),
            ("up", "s/1", draw.number(1, 2**32 - 2), draw.bytes(7)),
        ]
        self.frames.append(("down", self.topics[0], draw.number(0, 2**32 - 2), draw.bytes(draw.choice(_SIZES))))
        self.session = session
        return {
            "sender": 0,
            "gate": self.GATE,
            "client": client,
            "connect_flags": flags,
            "keep_alive": keep_alive,
            "will_topic": will_topic,
            "will": will.hex(),
            "time": t,
            "gate_time": self.now,
            "e": sc(e).hex(),
            "e_gate": sc(e_gate).hex(),
            "hello": hello.hex(),
            "welcome": welcome.hex(),
            "handshake_hash": session.hash.hex(),
            "key_up": session.key_up.hex(),
            "key_down": session.key_down.hex(),
            "frames": [self._frame(*frame) for frame in self.frames],
        }

    def _frame(self, way: str, topic: str, counter: int, message: bytes) -> Values:
        key = self.session.key_up if way == "up" else self.session.key_down
        data = sessions.frame(self.suite, key, counter, topic, message)
        return {"way": way, "topic": topic, "counter": counter, "message": message.hex(), "frame": data.hex()}

    def _fresh(self) -> Values:
        draw = self.draw
        seed, rand, length = draw.bytes(32), draw.bytes(32), draw.number(1, 200)
        boot, count = draw.number(0, 2**32 - 1), draw.number(0, 2**64 - 1)
        value = identity.fresh(self.suite, seed, rand, boot, count, length)
        numbers = {"boot": boot, "count": count, "length": length}
        return {"seed": seed.hex(), "rand": rand.hex(), **numbers, "value": value.hex()}

    def _notices(self) -> None:
        suite, draw, signer = self.suite, self.draw, self.private[self.SIGNER]
        challenge, rand = draw.bytes(16), draw.bytes(32)
        signed = notices.signed_time(suite, challenge, self.now, signer, rand)
        self.file["time"] = {"challenge": challenge.hex(), "time": self.now, "rand": rand.hex(), "signed": signed.hex()}
        r, g, rand, device = draw.scalar(), draw.scalar(), draw.bytes(32), draw.below(3)
        request = identity.request(suite, self.certs[device].id, r, g)
        renewal = identity.renewal(suite, request, self.certs[device].encoded, self.private[device], rand)
        self.file["renewal"] = {
            "device": device,
            "r": sc(r).hex(),
            "g": sc(g).hex(),
            "rand": rand.hex(),
            "renewal": renewal.hex(),
        }
        rand, members = draw.bytes(32), list(range(draw.below(4)))
        listed = notices.revoked(suite, self.now, [self.certs[i].kid for i in members], signer, rand)
        self.file["revoked"] = {"issued": self.now, "members": members, "rand": rand.hex(), "list": listed.hex()}

    def signed_by(self, member: int, label: str, ctx: bytes, msg: bytes) -> bytes:
        return schnorr.sign(self.suite, self.private[member], label, ctx, msg, self.draw.bytes(32))


def scenario(suite: int, seed: str) -> Values:
    """A scenario of this suite; the same for the same seed."""
    return Maker(suite, seed).make()
