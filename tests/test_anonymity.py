"""Mode 3, from where a broker sits: nothing in the bytes of a message, or in the connection that it came on, tells who sent it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from anonymity_classifier import Seen, accuracy, chance
from authority_house import House, running
from microseal import envelope, errors
from microseal.clock import SystemClock
from microseal.entropy import Entropy
from microseal.member import Member
from microseal.policy import Policy
from microseal_host.authority import registry
from microseal_host.member.client import MemberClient
from microseal_host.mqtt import Address
from microseal_host.sim.broker import Broker
from microseal_host.sim.tap import Tap, client_id, is_clean
from world import World

MESSAGES = 480  # of each publisher
SURE = 1e-6  # so unlikely by guessing that the classifier does tell them apart
TOPIC = "plant/level"


def listen(
    mode: int, sizes: tuple[range, range] = (range(1, 9),) * 2, ahead: int = 0, seed: int = 11
) -> tuple[list[Seen], list[Seen]]:
    """What a broker sees of two publishers who speak in turn as chance has it. sizes: of their messages; ahead: the second's clock."""
    with World(seed=seed) as world:
        pumps = [world.enrol("pump-1"), world.enrol("pump-2", ahead=ahead)]
        desk = world.enrol("desk")
        world.form("plant", pumps, [desk], mode=mode, topics=["plant/#"])
        world.advance(60)
        seen: tuple[list[Seen], list[Seen]] = ([], [])
        while min(map(len, seen)) < MESSAGES:
            which = world.random.randrange(2)
            world.advance(world.random.randrange(1, 20))
            message = world.random.randbytes(world.random.choice(sizes[which]))
            seen[which].append(Seen(pumps[which].seal(TOPIC, message), int(world.time)))
        return seen[0][:MESSAGES], seen[1][:MESSAGES]


def odds(seen: tuple[list[Seen], list[Seen]]) -> float:
    return chance(*accuracy(*seen))


@pytest.mark.parametrize("mode", [1, 2])
def test_modes_1_and_2_say_who_it_is(mode: int) -> None:
    assert odds(listen(mode)) < SURE


def test_mode_3_does_not() -> None:
    assert odds(listen(3)) > 0.01


def test_mode_3_does_not_with_messages_of_other_lengths() -> None:
    """Up to the next multiple of 32: 1 to 8 bytes and 12 to 23 make envelopes of one length."""
    assert odds(listen(3, sizes=(range(1, 9), range(12, 24)))) > 0.01


def test_mode_3_does_not_by_a_clock_that_is_a_second_ahead() -> None:
    assert odds(listen(3, ahead=1)) > 0.01


# That it would notice: each of these leaks is put into the real code.


def test_it_notices_a_time_that_is_not_rounded() -> None:
    def seal(epoch, me, direction, mode, topic, t, message, nonce, entropy, pairs):
        return whole(epoch, me, direction, mode, topic, clock(me), message, nonce, entropy, pairs)

    whole, clocks = envelope.seal, {}
    real = Member.seal

    def remember(self, *arguments):
        clocks[self.me.kid] = self.now()
        return real(self, *arguments)

    def clock(me):
        return clocks[me.kid]

    with patch("microseal.member.seal", seal), patch.object(Member, "seal", remember):
        assert odds(listen(3, ahead=1)) < SURE


def test_it_notices_messages_that_are_not_padded_to_one_length() -> None:
    """A message goes out in the fewest bytes that the padding can have."""
    real = envelope._seal_anonymous

    def seal(epoch, me, direction, topic, t, message, entropy, pairs):
        raw = real(epoch, me, direction, topic, t, message, entropy, pairs)
        return raw[: len(raw) - (31 - (len(message) + 8) % 32)]

    with patch.object(envelope, "_seal_anonymous", seal):
        assert odds(listen(3, sizes=(range(1, 9), range(12, 24)))) < SURE


def test_it_notices_a_z_that_is_used_again() -> None:
    real, drawn = envelope._seal_anonymous, {}

    class Again:
        """Draws z once for each sender."""

        def __init__(self, entropy: Entropy, kid: bytes) -> None:
            self.fresh = entropy.fresh
            self.scalar = lambda: drawn.setdefault(kid, entropy.scalar())

    def seal(epoch, me, direction, topic, t, message, entropy, pairs):
        return real(epoch, me, direction, topic, t, message, Again(entropy, me.kid), pairs)

    with patch.object(envelope, "_seal_anonymous", seal):
        assert odds(listen(3)) < SURE


def test_it_notices_one_bit_that_is_not_even() -> None:
    """A sender whose random scalars never have their lowest bit set tells by the sum in its signatures, if by anything."""
    real = envelope._seal_anonymous

    def seal(epoch, me, direction, topic, t, message, entropy, pairs):
        raw = real(epoch, me, direction, topic, t, message, entropy, pairs)
        while me.id == b"pump-2" and raw[-1] & 1:
            raw = real(epoch, me, direction, topic, t, message, entropy, pairs)
        return raw

    with patch.object(envelope, "_seal_anonymous", seal):
        assert odds(listen(3)) < SURE


def test_what_rounding_does_not_hide() -> None:
    """A clock that is 12 s ahead crosses the multiple of 30 before the others do, and is seen to in 12 of 30 s: a limit."""
    assert odds(listen(3, ahead=12)) < SURE


# The connections


def test_what_comes_on_the_connection_without_a_name_moves_nothing_on_the_other() -> None:
    """A broker that sends there what a member would answer, or hear, on the other one learns whose connection it is."""
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        for gid, mode in (("named", 2), ("unnamed", 3), ("unwanted", 2)):
            world.form(gid, [pump], [desk], mode=mode, topics=[f"{gid}/#"])
            pump.publish(f"{gid}/a", b"so that its certificate is known")
        world.settle()
        world.advance(60)
        got, refused = [], []
        client = MemberClient(
            desk.member,
            Address("nowhere"),
            frozenset([b"named", b"unnamed"]),
            lambda message: got.append(message.gid),
            lambda topic, reason: refused.append((topic, reason)),
        )
        named, unnamed = client._link, client._anonymous = object(), object()
        topic = b"microseal/key/another/" + desk.me.kid.hex().encode() + b"/1"
        client.received(unnamed, topic, bytes(86))
        assert refused == [(topic, errors.UNKNOWN)] and b"another" not in desk.member.groups.by_gid
        client.received(named, topic, bytes(86))
        assert b"another" in desk.member.groups.by_gid
        for gid in ("named", "unnamed", "unwanted"):
            sealed = pump.seal(f"{gid}/a", b"x")
            for link in (named, unnamed) if gid == "unnamed" else (unnamed, named):
                assert got.count(gid.encode()) == 0
                client.received(link, f"{gid}/a".encode(), sealed)
        assert got == [b"named", b"unnamed"] and len(refused) == 1


@pytest.fixture
def house(tmp_path: Path, broker: Broker) -> Iterator[House]:
    with Tap(broker.host, broker.port) as tap:
        house = House(tmp_path / "house", Address(broker.host, broker.port))
        house.tap = tap
        yield house


def test_a_connection_in_mode_3_has_no_name_and_no_kid(house: House) -> None:
    """Two real clients, each twice, on a real broker; the broker's own view of them is what a tap in front of it writes down."""
    tap, gid = house.tap, f"g{os.urandom(4).hex()}"
    names = [f"pump-{os.urandom(3).hex()}" for _ in range(2)] + [f"desk-{os.urandom(3).hex()}"]
    members = [house.device(name) for name in names]
    got: list[tuple[bytes, bytes]] = []
    topic = f"{gid}/level".encode()
    address = Address(house.address.host, tap.port, username="everybody", password="of no secret")
    with running(house), ExitStack() as ends:
        clients = [ends.enter_context(MemberClient(member, address, None)) for member in members[:2]]
        desk = ends.enter_context(
            MemberClient(members[2], address, None, lambda message: got.append((message.sender, message.payload)))
        )

        def eventually(done: Callable[[], bool]) -> None:
            def all_step() -> bool:
                for client in (*clients, desk):
                    client.step(0.0)
                return done()

            assert clients[0].wait_for(all_step, 60), [client.trouble for client in clients]

        eventually(lambda: all(member.enrolled and member._shared is not None for member in members))
        with house.database.write() as connection:
            policy = Policy(3, 120, 1000, [(0, f"{gid}/#".encode())])
            registry.create_group(connection, gid, policy, 86400)
            for name, roles in zip(names, ("p", "p", "s"), strict=True):
                registry.add_member(connection, gid, name, "p" in roles, "s" in roles)
        eventually(lambda: all(_full(member, gid) for member in members))
        start = time.time() + SystemClock.slack
        eventually(lambda: time.time() // 30 * 30 > start + 1)
        for number in range(2):
            if number:  # both say good-bye and come again
                for index, member in enumerate(members[:2]):
                    clients[index].__exit__(None, None, None)
                    clients[index] = ends.enter_context(MemberClient(member, address, None))
                eventually(lambda: all(client.connected for client in clients))
            for index, client in enumerate(clients):
                message = f"{index} {number}".encode()
                assert client.publish(topic, message, seconds=30)
                eventually(lambda message=message: any(payload == message for _, payload in got))
    assert sorted(sender.decode() for sender, _ in got) == sorted(names[:2] * 2)
    _check(tap, topic, gid, members)


def _full(member: Member, gid: str) -> bool:
    group = member.groups.by_gid.get(gid.encode())
    return group is not None and group.current is not None and member.can_seal()


def _check(tap: Tap, topic: bytes, gid: str, members: list[Member]) -> None:
    packets, connects = list(tap.packets), tap.connections()
    unnamed = {each.connection for each in packets if each.up and each.topic == topic}
    assert len(unnamed) == 4, "each client, each time, speaks on a connection of its own"
    secrets = [text for member in members for text in (member.id, member.me.kid, member.me.kid.hex().encode())]
    given = [client_id(connects[number]) for number in unnamed]
    assert len(set(given)) == len(given) and all(len(name) == 16 for name in given)
    for number in unnamed:
        assert is_clean(connects[number])
        assert b"everybody" not in connects[number], "the user name would say whose it is"
    for each in packets:
        if each.connection in unnamed:
            assert not any(text in each.packet for text in secrets), "an id or a kid on a connection without a name"
            assert b"microseal/" not in each.packet
        elif each.up:
            assert each.topic != topic
    named = {client_id(packet) for number, packet in connects.items() if number not in unnamed}
    assert {member.id for member in members} <= named
