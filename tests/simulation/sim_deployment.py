"""One deployment: an authority, its devices, the broker between them, and what can happen to any of them."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from sim_network import Network, Weather
from sim_office import Office
from sim_station import Station
from sim_truth import Sent, Truth, Violation

from microseal import crypto
from microseal.entropy import Entropy
from microseal.envelope import seal
from microseal.epoch import Epoch, receiver_role, sender_role
from microseal.policy import QUERY, STATE, Policy
from microseal_host.authority import claims, database, founding, registry
from microseal_host.backends import libcrypto
from microseal_host.failure import Failure

START = 1_800_000_000  # s since 1970
HOUR = 3600
LIFETIMES = 48 * HOUR, 96 * HOUR  # of the certificates of devices, of the signer's
GROUP_LIFETIME = 24 * HOUR
MODES = (1, 2, 3)  # one group of each
KINDS = (0, QUERY, STATE, QUERY | STATE)
# s after which all must be well. Who heard nothing looks for itself after a minute, the fetch limit; nobody pauses longer
# before another attempt; and the authority looks every 30 s at what time alone has changed.
SOUND = 60 + 60 + 30
_REVIEW = 30  # s between looks of the authority at what the time alone has changed
_ROUNDS = 300  # in which everything that happens at one moment has happened


def _gid(mode: int) -> str:
    return f"group-{mode}"


def _topic(gid: str, kind: int) -> str:
    return f"{gid}/{'tqsr'[kind]}"


def make_policy(gid: str, mode: int, max_age: int, max_size: int) -> Policy:
    return Policy(mode, max_age, max_size, [(kind, f"{_topic(gid, kind)}/#".encode()) for kind in KINDS])


class Deployment:
    """Context manager. seed: of everything that is left to chance; stuck: every other chip's random source is constant."""

    def __init__(self, suite: int, members: int, seed: int, stuck: bool = True) -> None:
        self.random = random.Random(seed)
        self.truth = Truth(suite)
        self.network = Network(START, seed)
        self.slowest = 0.0  # s: the longest that it took until all were well again
        self._members, self._stuck = members, stuck
        self._serial = 0
        self._reviewed = 0.0
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Deployment:
        try:
            self._set_up()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def _set_up(self) -> None:
        ends, truth = self._ends, self.truth
        # In memory where there is such a file system: a simulated power failure is one of the process, not of the machine.
        memory = Path("/dev/shm")
        folder = ends.enter_context(
            tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None, prefix="microseal-")
        )
        watched = SimpleNamespace(
            **{name: getattr(libcrypto, name) for name in dir(libcrypto) if not name.startswith("_")}
        )
        tags = {suite: crypto.tag(b"fresh", suite) for suite in libcrypto.SUITES}

        def hkdf(suite: int, ikm: bytes, salt: bytes, info: bytes, n: int) -> bytes:
            if info == tags[suite]:
                truth.draw(bytes(ikm[:32]), bytes(salt))
            return libcrypto.hkdf(suite, ikm, salt, info, n)

        watched.hkdf = hkdf
        ends.callback(crypto.use, crypto.core)
        crypto.use(watched)
        ends.enter_context(mock.patch("os.urandom", self.random.randbytes))
        clock = SimpleNamespace(time=lambda: self.network.time)
        for module in (claims, database, founding, registry):
            ends.enter_context(mock.patch.object(module, "time", clock))
        self._entropy = Entropy(truth.suite, self.random.randbytes(32), 0, self.random.randbytes)
        self.office = Office(Path(folder), self.network, truth, LIFETIMES, self.random.random() < 0.5)
        ends.callback(self.office.close)
        for kind in ("enroll", "share", "ask", "clock"):
            self.network.subscribe(self.office, f"microseal/{kind}/+".encode())
        for mode in MODES:
            self.office.create_group(_gid(mode), make_policy(_gid(mode), mode, 300, 200), GROUP_LIFETIME)
        self.stations: list[Station] = []
        for number in range(self._members):
            self.stations.append(self._new_station(number, Path(folder)))
        for station in self.stations:
            for mode in MODES:
                if self.random.random() < 0.6:
                    self.office.join(_gid(mode), station.name, self.random.choice((1, 2, 3, 3)))
        self.advance(5)
        self.check_all_well()

    def _new_station(self, number: int, folder: Path) -> Station:
        name = f"device-{number}"
        source = self.random.randbytes
        if self._stuck and number % 2:
            source = bytes
        room = 6 * self._members  # both roles of three groups
        station = Station(name, self.network, self.truth, folder, self.network.publish, number % 3 == 0, source, room)
        station.provision(self.office.claim(name))
        return station

    # Time

    def pump(self) -> None:
        """Everything that happens without time passing."""
        for _ in range(_ROUNDS):
            did = self.office.serve()
            for station in self.stations:
                did = station.serve() or did
            if not did:
                return
        raise Violation(f"devices and authority did not come to rest within {_ROUNDS} rounds")

    def advance(self, seconds: float) -> None:
        """Time passes in ten pieces, or seconds; everybody who is there looks at the clock after each."""
        piece = max(seconds / 10, min(seconds, 1.0))
        left = seconds
        while left > 0:
            self.network.pass_time(min(piece, left))
            left -= piece
            if self.office.running and self.network.uptime - self._reviewed >= _REVIEW:
                self._reviewed = self.network.uptime
                self.office.review()
            self.pump()

    # What happens

    def station(self, n: int) -> Station:
        return self.stations[n % len(self.stations)]

    def speak(self, n: int, mode: int, kind: int, more: int) -> bool:
        """Station n publishes in the group of least mode `mode`; more: raises the mode, and is the length of the message."""
        station = self.station(n)
        gid = _gid(mode)
        topic = f"{_topic(gid, kind)}/{station.name}".encode()
        done = station.publish(topic, self._payload(more % 40), bool(kind & STATE), more % 4)
        self.pump()
        return done

    def _payload(self, size: int) -> bytes:
        self._serial += 1
        return self._serial.to_bytes(8, "big") + b"." * size

    def intrude(self, n: int, mode: int, kind: int, late: bool) -> None:
        """Station n speaks with all that it ever held where it may not: in the newest epoch, or (late) in its own last one."""
        station = self.station(n)
        gid = _gid(mode).encode()
        mine = self.truth.known.get(station.name)
        if mine is None or gid not in self.truth.made:
            return
        me = mine.identities[-1]
        numbers = sorted(number for group, number in mine.epochs if group == gid)
        held = mine.epochs[gid, numbers[-1]] if numbers else None
        newest = max(self.truth.made[gid])
        direction = kind & QUERY
        role = sender_role(direction)
        if late and held is not None:
            number, info, me = held.info.epoch, held.info, held.me
        else:
            number, info = newest, self.truth.made[gid][newest].info
        may = (role, me.kid) in self.truth.made[gid][number].seats
        if may and not late:
            return  # it is no intruder
        keys = dict(held.keys) if held is not None else {}
        if role not in keys:
            if late:
                return
            keys[role] = self._entropy.scalar()
        topic = f"{_topic(_gid(mode), kind)}/{station.name}".encode()
        payload, now = self._payload(4), int(self.network.time)
        least = info.policy.mode
        raw = bytes(
            seal(
                Epoch(info, keys, {}, 8, me),
                me,
                direction,
                least,
                topic,
                now,
                payload,
                self._entropy.fresh(12),
                self._entropy,
            )
        )
        self.truth.sent[payload] = Sent(station.name, me.kid, gid, number, least, direction, topic, now, honest=may)
        self.network.publish(topic, raw, bool(kind & STATE))
        self.pump()

    def wish(self, what: str, n: int, mode: int, m: int) -> None:
        """The operator's; what cannot be is not."""
        office, gid, name = self.office, _gid(mode), self.station(n).name
        with contextlib.suppress(Failure):
            if what == "join":
                office.join(gid, name, 1 + m % 3)
            elif what == "leave":
                office.leave(gid, name)
            elif what == "revoke":
                office.revoke(name)
            elif what == "claim":
                if office.running:
                    self.station(n).provision(office.claim(name, again=True))
            elif what == "policy":
                office.change_policy(gid, make_policy(gid, min(3, mode + m % 2), 60 + 60 * (m % 5), 100 + m % 100))

    def decide(self, approve: bool) -> None:
        """The operator's word on the enrolment that has waited longest."""
        self.office.decide(approve)
        self.pump()

    def replay(self, n: int, m: int) -> None:
        """The broker sends a device something that it has had before, from anybody."""
        topic, payload = self.network.heard[m % len(self.network.heard)]
        self.station(n).receive(topic, payload)
        self.pump()

    def repeat(self, count: int) -> None:
        """Everybody gets the last `count` packets again, as far as it is subscribed to them."""
        for topic, payload in self.network.heard[-count:]:
            self.network.carry_again(topic, payload)
        self.pump()

    def restart(self, n: int) -> None:
        station = self.station(n)
        if station.can_restart():
            was = station.online
            station.start()
            if not was:
                station.disconnect()
            self.pump()

    def step_clock(self, n: int, seconds: int) -> None:
        """A host's clock is set, within a minute of the right time."""
        clock = self.station(n).clock
        if not clock.signed:
            clock.error = seconds

    # What must hold of all of them

    def check_all_well(self) -> None:
        """Losses end, everybody is connected: who is in good standing has its place and hears the others soon after."""
        self.network.weather = Weather()
        if not self.office.running:
            self.office.start()
        self._approve_all()
        late = any(station.clock.error for station in self.stations)
        for station in self.stations:
            if not station.clock.signed:
                station.clock.error = 0
            if not station.online:
                station.connect()
        self.pump()
        if late:
            self.advance(130)  # until the right time is later than what was said in the wrong one
        began = self.network.uptime
        while trouble := self._trouble():
            if self.network.uptime - began > SOUND:
                raise Violation(f"{SOUND} s after the last loss: " + "; ".join(trouble[:5]))
            self.advance(5 if self.network.uptime - began < 100 else 30)
            self._approve_all()
        self.slowest = max(self.slowest, self.network.uptime - began)
        self._check_heard()

    def _approve_all(self) -> None:
        while self.office.decide(True):
            pass
        self.pump()

    def _trouble(self) -> list[str]:
        found = []
        by_name = {station.name: station for station in self.stations}
        for device in self.office.devices():
            if device.state in (registry.NEW, registry.PENDING, registry.ENROLLED):
                found.append(f"{device.id} is still in the state: {device.state}")
            elif device.state == registry.ACTIVE:
                found += self._unseated(device)
        found += [f"{station.name} has no clock" for station in self.stations if self._lacks_time(station)]
        absent = self._absent()
        by_kid = {kid: by_name[name] for kid, name in self._holders().items()}
        for gid, (epoch, seats) in self.office.seats().items():
            for role, kid in sorted(seats):
                station = by_kid.get(kid)
                if station is None:
                    found.append(f"nobody has taken the certificate {kid.hex()}, a member of {gid.decode()}")
                    continue
                if station.name in absent:
                    continue
                current = station.epochs().get(gid)
                if current is None or current.info.epoch != epoch or role not in current.keys:
                    at = current.info.epoch if current else 0
                    found.append(f"{station.name} is in epoch {at} of {gid.decode()}, not in {epoch}, role {role}")
        return found

    def _absent(self) -> set[str]:
        """Devices that lost their state and whose new request was rejected: they keep the seats that they had before."""
        enrolled = {station.name for station in self.stations if station.member.enrolled}
        return self.office.rejected() - enrolled

    def _unseated(self, device: registry.Device) -> list[str]:
        found = []
        for gid, roles in device.groups.items():
            _, seats = self.office.seats().get(gid.encode(), (0, frozenset()))
            for role, letter in enumerate("ps", 1):
                if letter in roles and (role, bytes.fromhex(device.kid or "")) not in seats:
                    found.append(f"{device.id} has no seat in {gid}, role {role}")
        return found

    def _lacks_time(self, station: Station) -> bool:
        return station.member.enrolled and station.clock.now() is None

    def _check_heard(self) -> None:
        """Each role of each group is heard by all who should; what they lack for it they may fetch first."""
        senders = [
            (gid, direction, kid)
            for gid, (_, seats) in self.office.seats().items()
            for direction in (0, QUERY)
            for kid in self._some(sorted(kid for role, kid in seats if role == sender_role(direction)))
        ]
        lost: list[str] = []
        for attempt in range(3):
            if attempt:
                self.advance(65)
            lost = [trouble for sender in senders for trouble in self._find_silence(*sender)]
            if not lost:
                return
        raise Violation("65 s after what it lacked could be fetched: " + "; ".join(lost[:5]))

    def _some(self, kids: list[bytes]) -> list[bytes]:
        return self.random.sample(kids, min(3, len(kids)))

    def _find_silence(self, gid: bytes, direction: int, kid: bytes) -> list[str]:
        """Who should hear kid and does not, as the group is now: meanwhile either may have lost its seat."""
        absent = self._absent()
        holders = {kid: name for kid, name in self._holders().items() if name not in absent}
        _, seats = self.office.seats()[gid]
        if kid not in holders or (sender_role(direction), kid) not in seats:
            return []
        receivers = {holders[k] for role, k in seats if role == receiver_role(direction) and k in holders}
        return self._find_deaf(gid, direction, holders[kid], sorted(receivers - {holders[kid]}))

    def _holders(self) -> dict[bytes, str]:
        return {me.kid: name for name, known in self.truth.known.items() for me in known.identities}

    def _find_deaf(self, gid: bytes, direction: int, sender: str, receivers: list[str]) -> list[str]:
        number = next(n for n, station in enumerate(self.stations) if station.name == sender)
        if not self.speak(number, int(gid[-1:]), direction, 0):
            return [f"{sender} cannot speak in {gid.decode()}, direction {direction}: {self._refused_by(sender)}"]
        payload = self._serial.to_bytes(8, "big")
        return [
            f"{name} does not hear {sender} in {gid.decode()}, direction {direction}: {self._refused_by(name)}"
            for name in receivers
            if (name, payload) not in self.truth.opened
        ]

    def _refused_by(self, name: str) -> str:
        station = next(station for station in self.stations if station.name == name)
        return ", ".join(f"{topic} {reason}" for topic, reason in station.refused)
