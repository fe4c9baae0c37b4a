"""Ends of counters, longest names, empty and largest messages, and floods: where programs that are right elsewhere go wrong."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

from microseal import crypto, errors
from microseal.envelope import Envelope
from microseal.errors import NotReady
from microseal.wire import hexkid

from .outcome import Attack, Outcome, first_success, got, submit, withstood
from .scene import GID, TOPIC, Plant, forge, group_keys
from .sessions import meet
from .world import Packet, World

AS_ANY = "as any other"
LARGEST = 268_435_455  # bytes of the largest MQTT packet after its fixed header (MQTT 3.1.1 section 2.2.3)


def counter_end(world: World) -> Outcome:
    """A device whose message counter comes to its end: no nonce is used twice, and it is heard all the time."""
    plant = Plant(world, mode=2)
    pump, desk = plant.pump, plant.desk
    heard, nonces = len(desk.messages), set()
    pump.member._counter = 0xFFFFFFFC
    for i in range(8):
        nonces.add(Envelope(pump.publish(TOPIC, b"%d" % i)).nonce)
        world.settle()
    counters = sorted(int.from_bytes(nonce[8:], "big") for nonce in nonces)
    if len(nonces) < 8 or 0xFFFFFFFF in counters:
        return got("a nonce twice")
    if len(desk.messages) - heard < 8:
        return got("the device is not heard any more")
    return withstood(AS_ANY)


def last_counter(world: World) -> Outcome:
    """A corrupted sender uses the last counter there is, and what is near it, in its replay window."""
    plant = Plant(world, mode=1)
    me, desk, boot = plant.fan.me, plant.desk, b"F" * 8
    world.advance(1)

    def send(counter: int) -> Outcome:
        return submit(world, desk, TOPIC, forge(world, me, plant.info, 1, nonce=boot + counter.to_bytes(4, "big")))

    end = 0xFFFFFFFF
    if not all(send(counter).succeeded for counter in (end - 63, end, end - 1)):
        return got("nothing: the window is narrower than it should be")
    return first_success([send(counter) for counter in (end, end - 1, end - 63, end - 64, 0, 1)])


def last_epoch(world: World) -> Outcome:
    """Epochs whose low 16 bits are alike, and the last one that there is."""
    pump, desk = world.enrol("pump"), world.enrol("desk")
    world.form(GID, [pump], [desk], topics=["plant/#"], epoch=0xFFFEFFFF)
    world.advance(60)
    old = world.authority.groups[GID].info
    world.form(GID, [pump], [desk], topics=["plant/#"], epoch=0xFFFFFFFE)
    if desk.epoch(GID).info.epoch != 0xFFFFFFFE:
        return got("nothing: a step of 65,535 is not taken")
    world.form(GID, [pump], [desk], topics=["plant/#"], epoch=0xFFFFFFFF)
    if desk.epoch(GID).info.epoch != 0xFFFFFFFF:
        return got("nothing: the last epoch is not taken")
    return submit(world, desk, TOPIC, forge(world, pump.me, old, 1))


def far_epoch(world: World) -> Outcome:
    """An epoch that is 65,536 above the one in force: its low 16 bits are the same."""
    pump, desk = world.enrol("pump"), world.enrol("desk")
    world.form(GID, [pump], [desk], topics=["plant/#"])
    world.form(GID, [pump], [desk], topics=["plant/#"], epoch=1 + 65536)
    return got("two epochs with one name") if desk.epoch(GID).info.epoch != 1 else withstood(desk.refused[-1][1])


def longest_names(world: World) -> Outcome:
    """Ids and a gid of 32 bytes, a topic of hundreds, and messages of no bytes at all and of as many as a policy can allow."""
    pump, desk = world.enrol("p" * 32), world.enrol("d" * 32)
    gid, topic = "g" * 32, "plant/" + "é/" * 200 + "level"
    for mode in (1, 2, 3):
        world.form(gid, [pump], [desk], mode=mode, topics=["plant/#"], max_size=65535)
        world.advance(60)
        for message in (b"", b"\0", b"\x80", bytes(65535)):
            pump.publish(topic, message)
            world.settle()
            if desk.messages[-1].payload != message or desk.messages[-1].mode != mode:
                return got(f"nothing: {len(message)} bytes do not arrive in mode {mode}")
    return withstood(AS_ANY)


def largest(world: World) -> Outcome:
    """The largest message that MQTT carries, in every mode, with a genuine header: refused before it is copied or hashed."""
    plant = Plant(world, mode=1)
    keys, me, outcomes = group_keys(plant.pump), plant.pump.me, []
    for mode in (1, 2, 3):
        raw = forge(world, me, plant.info, mode, keys=keys)
        giant = bytearray(LARGEST - 2 - len(TOPIC) - 31 & ~31 | 24)  # as if padded, in mode 3
        giant[: len(raw) - 64] = raw[:-64]
        tracemalloc.start()
        outcomes.append(submit(world, plant.desk, TOPIC, giant))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if peak > 1_000_000:
            return got(f"{peak} bytes of memory")
    return first_success(outcomes)


class Counting:
    """The core in use, counting the operations that take long."""

    def __init__(self, core: Any) -> None:
        self.multiplications = 0
        self._core = core

    def __getattr__(self, name: str) -> Any:
        if name in ("verify", "ecdh", "ecqv_public", "base_mul", "mul_add", "sign"):
            self.multiplications += 1
        return getattr(self._core, name)


def flood(world: World, rounds: int = 300) -> Outcome:
    """Thousands of bad messages of every kind. Each costs one signature check at most, most cost none, and nothing is left behind."""
    plant = Plant(world, mode=1)
    desk = plant.desk
    alike, core = list(_bad(world, plant, world.authority.identity("stranger"))), crypto.core
    counting = Counting(core)
    crypto.use(counting)
    try:
        for i in range(-10, 0):  # until all that is kept once is kept
            for topic, payload in alike + _ever_new(plant, i):
                _deliver(world, desk, topic, payload)
        desk.refused.clear()
        log, filters = len(world.broker.log), len(desk.member.filters())
        counting.multiplications = messages = refused = 0
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for i in range(rounds):
            for topic, payload in alike + _ever_new(plant, i):
                _deliver(world, desk, topic, payload)
                messages += 1
            refused += len(desk.refused)
            desk.refused.clear()
            if i % 10 == 9:
                world.advance(1)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    finally:
        crypto.use(core)
    if grown > 20_000:
        return got(f"{grown} bytes of memory for {messages} messages")
    if counting.multiplications > messages:
        return got(f"{counting.multiplications} multiplications for {messages} messages")
    if len(world.broker.log) - log > rounds // 100 + 1 or len(desk.member.filters()) > filters:
        return got("traffic of the device's own")
    if refused < rounds * len(alike):
        return got(f"{rounds * len(alike) - refused} messages were not refused")
    plant.pump.publish(TOPIC, b"still there")
    world.settle()
    return (
        withstood("bounded") if desk.messages[-1].payload == b"still there" else got("an honest message is not heard")
    )


def _ever_new(plant: Plant, i: int) -> list[tuple[bytes, bytes]]:
    """What no two messages have in common: topics, groups, kids, epochs, boot values."""
    kid, one = hexkid(plant.desk.me.kid), i.to_bytes(8, "big", signed=True)
    head = bytes([plant.desk.me.suite << 4 | 1])
    ep, t = plant.info.epoch.to_bytes(2, "big"), int(plant.world.time).to_bytes(4, "big")
    return [
        (b"microseal/key/made-up-%d/" % i + kid + b"/2", b"\x02" + bytes(85)),
        (b"plant/%d" % i, head + ep + plant.pump.me.kid + t + one + bytes(4) + b"M" + bytes(63) + b"\1"),
        (b"plant/level", head + ep + one + t + bytes(12) + b"M" + bytes(64)),
        (b"plant/level", head + one[6:] + one + t + bytes(12) + b"M" + bytes(64)),
        (b"elsewhere/%d" % i, head + ep + one + t + bytes(12) + b"M" + bytes(64)),
    ]


def _deliver(world: World, desk: Any, topic: bytes, payload: bytes) -> None:
    world.broker.deliver(Packet(topic, payload), desk.id)
    desk.pump()


def _bad(world: World, plant: Plant, stranger: Any) -> Iterable[tuple[bytes, bytes]]:
    """(topic, payload) of one bad message of each kind."""
    pump, info, topic = plant.pump.me, plant.info, TOPIC.encode()
    good = forge(world, pump, info, 1)
    yield topic, b""
    yield topic, world.random.randbytes(200)
    yield topic, good[:-1] + bytes([good[-1] ^ 1])  # a signature that has to be checked
    yield topic, bytes(plant.pump.publish(TOPIC, b"once"))  # a replay
    world.settle()
    yield topic, forge(world, stranger, info, 1)  # on no roster
    yield topic, bytes([good[0]]) + b"\xee\xee" + good[3:]  # an unknown epoch
    yield topic, forge(world, pump, info, 1, t=int(world.time) + 10**6)
    yield topic, forge(world, pump, info, 1, message=bytes(5000))
    yield topic, bytes([good[0] & 0xF8 | 3]) + good[1:7] + pump.public + world.random.randbytes(96 + 80)  # mode 3
    yield b"nobody's/topic", good
    yield b"microseal/cert/" + hexkid(stranger.kid), stranger.cert.raw
    yield b"microseal/key/plant/" + hexkid(plant.desk.me.kid) + b"/2", bytes(85)
    yield b"microseal/group/plant/info", info.raw[:-1] + bytes([info.raw[-1] ^ 1])
    yield b"microseal/group/elsewhere/info", info.raw
    yield b"microseal/revoked", (2**32 - 1).to_bytes(4, "big") + bytes(64)
    yield b"microseal/signer", stranger.cert.raw
    yield b"microseal/time/" + hexkid(plant.desk.me.kid), bytes(68)
    yield b"microseal/x" * 10, b"x" * 1000


def flood_of_senders(world: World) -> Outcome:
    """More senders than a device has room for: it says so, and stays in the epoch that it has."""
    pumps, desk = [world.enrol(f"pump-{i}") for i in range(6)], world.enrol("desk", senders=4)
    world.form(GID, pumps[:4], [desk], topics=["plant/#"])
    world.form(GID, pumps, [desk], topics=["plant/#"])
    if desk.epoch(GID).info.epoch != 1:
        return got("more senders than there is room for")
    return withstood(desk.member.groups.by_gid[GID.encode()].trouble)


def session_end(world: World) -> Outcome:
    """A session whose frames have used all counters."""
    device, _, _ = meet(world)
    device._next = 0xFFFFFFFE
    device.frame(b"s/1", b"last")
    try:
        device.frame(b"s/1", b"one more")
    except NotReady:
        return withstood("reconnects")
    return got("a counter twice")


ATTACKS = [
    Attack("counter-end", "the end of the message counter", counter_end, AS_ANY),
    Attack("last-counter", "replays around the last counter", last_counter, errors.REPLAY),
    Attack("last-epoch", "the last epochs, and alike low bits", last_epoch, errors.SIGNATURE),
    Attack("far-epoch", "an epoch 65,536 above the one in force", far_epoch, errors.EPOCH),
    Attack("longest", "32-byte ids, empty and largest messages", longest_names, AS_ANY),
    Attack("largest", "the largest MQTT message", largest, errors.SIZE),
    Attack("flood", "a flood of bad messages", flood, "bounded"),
    Attack("senders", "a roster longer than a device's memory", flood_of_senders, errors.ROOM),
    Attack("session-end", "the end of a session's counter", session_end, "reconnects"),
]
