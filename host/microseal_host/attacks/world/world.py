"""The world itself: time, the broker, the authority, and the devices."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from microseal import crypto
from microseal.entropy import Entropy
from microseal.policy import QUERY, Policy
from microseal.provisioning import install
from microseal.store import Store
from microseal.wire import u32
from microseal_host.backends import libcrypto

from .authority import YEAR, Authority
from .broker import Broker, Packet
from .device import Device

START = 1_800_000_000  # s since 1970
READY = 40  # s after a start from which on a receiver takes messages in every mode (section 6, rule 5; t of mode 3 is rounded down)

_MEMORY = "/dev/shm"


class World:
    """suite: 1 or 2; seed: the same seed gives the same world, to the byte. Runs on libcrypto unless another core is in use.

    time: s since 1970, may be set; uptime: s, only ever up.
    """

    def __init__(self, suite: int = 1, seed: int = 0) -> None:
        if crypto.core is None:
            crypto.use(libcrypto)
        self.suite = suite
        self.time: float = START
        self.uptime: float = 0
        self.random = random.Random(seed)
        self.broker = Broker()
        self.devices: dict[str, Device] = {}
        # In memory where there is such a place: devices wait for their flash at each write, a world that goes away need not.
        self._directory = TemporaryDirectory(prefix="microseal-world-", dir=_MEMORY if Path(_MEMORY).is_dir() else None)
        self._broker_end = self.broker.connect("authority")
        for level in ("enroll", "share", "clock", "ask"):
            self.broker.subscribe(self._broker_end, f"microseal/{level}/+".encode())
        self.entropy = Entropy(suite, self.random.randbytes(32), 1, self.random.randbytes)
        self.authority = Authority(suite, self.entropy, lambda: int(self.time))
        self.send([Packet(b"microseal/signer", self.authority.signer.cert.raw, True), self.authority.revoke([])])

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.cleanup()

    # Time and delivery

    def advance(self, seconds: float) -> None:
        self.time += seconds
        self.uptime += seconds

    def send(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            self.broker.publish(packet)

    def settle(self) -> None:
        """Delivers until nobody has anything to do."""
        for _ in range(100_000):
            busy = False
            while self._broker_end.queue:
                self.send(self.authority.answer(self._broker_end.queue.popleft()))
                busy = True
            for device in self.devices.values():
                busy |= device.pump()
            if not busy:
                return
        raise RuntimeError("the world does not come to rest")

    # Devices

    def enrol(
        self,
        id: str,
        ahead: int = 0,
        signed: bool = False,
        source: Callable[[int], bytes] | None = None,
        **limits: int,
    ) -> Device:
        """A device that is provisioned by a claim file, has enrolled, and hears messages in every mode.

        ahead: s by which its clock is ahead; signed: it has no clock of its own; source: its chip's random bytes; limits: Member's.
        """
        directory = Path(self._directory.name, str(len(self.devices)))
        directory.mkdir()
        store = Store(str(directory))
        store.save("boot", self.random.randbytes(32) + u32(0))  # install would mix in what no seed repeats
        install(store, self.authority.claim(id))
        device = Device(self, id, directory, ahead, signed, source or self.random.randbytes, limits)
        self.devices[id] = device
        self.settle()
        self.advance(READY)
        return device

    def form(
        self,
        gid: str,
        publishers: Iterable[Device],
        subscribers: Iterable[Device],
        mode: int = 1,
        topics: Iterable[str] = (),
        queries: Iterable[str] = (),
        kinds: Iterable[tuple[int, str]] = (),
        max_age: int = 600,
        max_size: int = 1000,
        lifetime: int = YEAR,
        epoch: int | None = None,
    ) -> None:
        """A new epoch of a group, known to all before this returns; each receiver subscribes to the topics of its direction.

        topics: filters of direction 0; queries: of direction 1; kinds: (kind, filter) of others, kind as in the policy.
        """
        filters = [(0, topic) for topic in topics] + [(QUERY, topic) for topic in queries] + list(kinds)
        policy = Policy(mode, max_age, max_size, [(kind, topic.encode()) for kind, topic in filters])
        self._form(gid, list(publishers), list(subscribers), policy, lifetime, epoch)

    def _form(
        self,
        gid: str,
        publishers: list[Device],
        subscribers: list[Device],
        policy: Policy,
        lifetime: int,
        epoch: int | None,
    ) -> None:
        ids = [device.id for device in publishers], [device.id for device in subscribers]
        self.send(self.authority.form(gid, *ids, policy, lifetime, epoch))
        self.settle()
        for kind, topic in policy.filters:
            for device in publishers if kind & QUERY else subscribers:
                device.subscribe(topic.decode())

    def change(
        self, gid: str, publishers: Iterable[Device], subscribers: Iterable[Device], policy: Policy | None = None
    ) -> None:
        """A new epoch with other members, and with the policy of before unless another one is given."""
        self._form(gid, list(publishers), list(subscribers), policy or self.authority.groups[gid].policy, YEAR, None)

    def evict(self, device: Device) -> None:
        """A new epoch, without this device, of every group that it is in."""
        for gid, group in list(self.authority.groups.items()):
            members = [
                [self.devices[id] for id in ids if id != device.id] for ids in (group.publishers, group.subscribers)
            ]
            if device.id in group.publishers + group.subscribers:
                self.change(gid, *members)

    def revoke(self, device: Device) -> None:
        """Puts the device's certificate on the revoked list; its groups stay as they are."""
        self.send([self.authority.revoke([device.me.kid])])
        self.settle()
