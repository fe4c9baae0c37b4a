"""What really happened in a simulated deployment, and what must hold of it. Whatever does not is a Violation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from microseal import crypto
from microseal.envelope import ANONYMOUS
from microseal.epoch import Epoch, receiver_role, sender_role
from microseal.errors import Refused
from microseal.group import PUBLISHER, SUBSCRIBER, Info, open_key_packet, open_rekey
from microseal.identity import Identity
from microseal.inbox import Message

ROLES = (PUBLISHER, SUBSCRIBER)
Seats = frozenset[tuple[int, bytes]]  # (role, kid)


class Violation(AssertionError):
    """The deployment did what it must never do."""


@dataclass(frozen=True)
class Sent:
    """A message as it was sealed. honest: by a Member, not by an intruder; t: its sender's clock."""

    device: str
    kid: bytes
    gid: bytes
    epoch: int
    mode: int
    direction: int
    topic: bytes
    t: int
    honest: bool


@dataclass
class Made:
    """An epoch as the authority made it. packets: (role, kid) -> key packet; broadcasts: role -> broadcast."""

    info: Info
    seats: Seats
    packets: Mapping[tuple[int, bytes], bytes]
    broadcasts: Mapping[int, bytes]


@dataclass
class Knowledge:
    """All that a device ever held, kept as if it had been read out: identities, epochs, and the group keys in them."""

    identities: list[Identity] = field(default_factory=list)
    epochs: dict[tuple[bytes, int], Epoch] = field(default_factory=dict)
    keys: dict[tuple[bytes, int], dict[int, bytes]] = field(default_factory=dict)  # (gid, role) -> epoch -> key


class Truth:
    """Everything observed, by everybody; nothing here is a secret from the checks."""

    def __init__(self, suite: int) -> None:
        self.suite = suite
        self.made: dict[bytes, dict[int, Made]] = {}
        self.sent: dict[bytes, Sent] = {}
        self.known: dict[str, Knowledge] = {}
        self.shares: dict[bytes, bytes] = {}  # kid -> x, as the authority has it
        self.delivered = {"fresh": 0, "stale": 0}
        self.opened: dict[
            tuple[str, bytes], int
        ] = {}  # (receiver, message) -> how often it was delivered, in whatever way
        self._fresh: set[tuple[str, bytes]] = set()
        self._nonces: set[bytes] = set()
        self._drawn: set[tuple[bytes, bytes]] = set()
        self._public: set[bytes] = set()

    # (c) nothing random repeats

    def draw(self, seed: bytes, salt: bytes) -> None:
        """An input of fresh(): the stored seed, and boot ‖ count. The chip's part does not count, it may be stuck."""
        if (seed, salt) in self._drawn:
            raise Violation(f"boot and count came twice: {salt.hex()}")
        self._drawn.add((seed, salt))

    def seal(self, sent: Sent, message: bytes, raw: bytes) -> None:
        """An envelope of an honest member."""
        nonce = raw[7:40] if sent.mode == ANONYMOUS else raw[15:27]
        if nonce in self._nonces:
            raise Violation(f"{sent.device} used a nonce twice: {nonce.hex()}")
        self._nonces.add(nonce)
        self.sent[message] = sent

    # (a) who has left is out

    def learn(self, device: str, identities: Iterable[Identity], epochs: Iterable[Epoch | None]) -> None:
        """What a device holds now. Nobody holds a key of an epoch without the seat."""
        mine = self.known.setdefault(device, Knowledge())
        for me in identities:
            if all(me.kid != other.kid for other in mine.identities):
                mine.identities.append(me)
        for epoch in epochs:
            if epoch is None:
                continue
            gid, number = epoch.info.gid, epoch.info.epoch
            if (gid, number) in mine.epochs:
                continue
            mine.epochs[gid, number] = epoch
            seats = self.made[gid][number].seats
            for role, key in epoch.keys.items():
                if (role, epoch.me.kid) not in seats:
                    raise Violation(f"{device} holds key {role} of {gid.decode()}/{number} without a seat")
                mine.keys.setdefault((gid, role), {})[number] = key

    def make(self, gid: bytes, made: Made) -> None:
        """A new epoch: none of its keys was there before, and nobody without the seat can get at one."""
        number, info = made.info.epoch, made.info
        epochs = self.made.setdefault(gid, {})
        if number in epochs:
            raise Violation(f"epoch {number} of {gid.decode()} was made twice")
        for role in ROLES:
            if info.public[role] in self._public:
                raise Violation(f"a group key of {gid.decode()}/{number} was there before")
            self._public.add(info.public[role])
        epochs[number] = made
        for device, mine in self.known.items():
            for role in ROLES:
                if any((role, me.kid) in made.seats for me in mine.identities):
                    continue
                if self._finds(mine, gid, role, made):
                    raise Violation(f"{device}, which has no seat, has key {role} of {gid.decode()}/{number}")

    def _finds(self, mine: Knowledge, gid: bytes, role: int, made: Made) -> bool:
        """Whether a device that kept everything, and reads everything, gets the key of a role it does not have."""
        info, number = made.info, made.info.epoch
        for me in mine.identities:
            for packet in made.packets.values():
                if _opens(lambda me=me, packet=packet: open_key_packet(me, info, packet, role)):
                    return True
        held = mine.keys.get((gid, role), {})
        before = held.get(number - 1)
        broadcast = made.broadcasts.get(role)
        if before and broadcast and _opens(lambda: open_rekey(info, broadcast, role, before)):
            return True
        # What it held, with its own x taken out of the sum: the key again, if the blind is.
        new = info.public[role]
        for epoch in sorted(held)[-2:]:
            old = self.made[gid][epoch].info.public[role]
            for me in mine.identities:
                x = self.shares.get(me.kid)
                if x is not None and crypto.core.mul_add(self.suite, x, None, new) == old:
                    return True
        return False

    # (d) and (e) what is delivered

    def deliver(self, device: str, message: Message, current: Mapping[bytes, Epoch], revoked: Iterable[bytes]) -> None:
        """current: gid -> the epoch in force at the receiver; revoked: the kids on the list that it has taken."""
        what = f"{device} took {message.payload[:8].hex()} on {message.topic.decode()}"
        sent = self.sent.get(message.payload)
        if sent is None:
            raise Violation(f"{what}, which nobody sent")
        if not sent.honest:
            raise Violation(f"{what} from {sent.device}, who is an intruder in {sent.gid.decode()}/{sent.epoch}")
        told = (message.topic, message.sender, message.kid, message.gid, message.mode, message.direction)
        if told != (sent.topic, sent.device.encode(), sent.kid, sent.gid, sent.mode, sent.direction):
            raise Violation(f"{what} as {told}, but it was sent as {sent}")
        seats = self.made[sent.gid][sent.epoch].seats
        kids = [me.kid for me in self.known[device].identities]
        if (sender_role(sent.direction), sent.kid) not in seats:
            raise Violation(f"{what} from {sent.device}, who had no seat in epoch {sent.epoch}")
        if not any((receiver_role(sent.direction), kid) in seats for kid in kids):
            raise Violation(f"{what}, but had no seat in epoch {sent.epoch}")
        now = current[sent.gid].info.epoch
        if (sender_role(sent.direction), sent.kid) not in self.made[sent.gid][now].seats:
            raise Violation(f"{what} from {sent.device}, who is gone in epoch {now}")
        if sent.kid in revoked:
            raise Violation(f"{what} from {sent.device}, whose certificate is revoked")
        self.opened[device, message.payload] = self.opened.get((device, message.payload), 0) + 1
        if message.stale:
            self.delivered["stale"] += 1
            return
        if (device, message.payload) in self._fresh:
            raise Violation(f"{what} as fresh for the second time")
        self._fresh.add((device, message.payload))
        self.delivered["fresh"] += 1


def _opens(attempt) -> bool:
    try:
        attempt()
    except (Refused, ValueError):
        return False
    return True
