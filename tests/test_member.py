"""Members in a network that loses, repeats, delays, alters and moves: nothing false or twice is taken, and all come together again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from microseal.errors import NotReady, Refused
from microseal.policy import STATE
from microseal.topics import OWN
from microseal.wire import hexkid
from world import Packet, World

pytestmark = pytest.mark.usefixtures("core")

TOPICS = {"plant/level": 0, "state/valve": STATE, "ask/level": 1}
NAMES = ("pump", "tank", "desk", "hall")


class Weather:
    """What happens to packets on their way; `bad` says whether anything does."""

    def __init__(self, dice: random.Random) -> None:
        self.bad = False
        self._dice = dice
        self._late: list[Packet] = []

    def __call__(self, packet: Packet, receiver: str) -> Iterable[Packet]:
        if not self.bad or receiver == "authority":
            return [packet]
        dice = self._dice
        what = dice.choice(["pass", "pass", "pass", "drop", "twice", "delay", "alter", "move"])
        if what == "drop":
            return []
        if what == "twice":
            return [packet, packet]
        if what == "delay":
            self._late.append(packet)
            return [self._late.pop(dice.randrange(len(self._late)))] if len(self._late) > 3 else []
        if what == "alter" and packet.payload:
            raw = bytearray(packet.payload)
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
            return [Packet(packet.topic, bytes(raw), packet.retain)]
        if what == "move" and not packet.topic.startswith(OWN):
            return [Packet(dice.choice(list(TOPICS)).encode(), packet.payload, packet.retain)]
        return [packet]


class Story:
    """One world, in which things happen by chance."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = World(1 + seed % 2, seed)
        self.weather = Weather(self.dice)
        self.said: dict[bytes, tuple[str, str]] = {}  # message -> (sender, topic)
        self.devices = {name: self.world.enrol(name, signed=name in ("pump", "hall")) for name in NAMES}
        self._form()
        self.world.broker.on_way = self.weather

    def _form(self) -> None:
        """A new epoch with members by chance; the first two always publish, the third always subscribes."""
        devices = self.devices
        publishers = [devices["pump"], devices["tank"]] + self.dice.choice([[], [devices["hall"]]])
        subscribers = [devices["desk"]] + self.dice.choice([[], [devices["hall"]], [devices["tank"]]])
        kinds = [(kind, topic) for topic, kind in TOPICS.items()]
        self.world.form("plant", publishers, subscribers, mode=self.dice.choice([1, 2, 3]), kinds=kinds, max_age=300)

    def happen(self) -> None:
        dice, world = self.dice, self.world
        what = dice.choice(["say"] * 8 + ["wait"] * 3 + ["settle"] * 4 + ["restart", "epoch", "weather", "weather"])
        if what == "say":
            self.say(dice.choice(NAMES), dice.choice(list(TOPICS)))
        elif what == "wait":
            world.advance(dice.choice([1, 5, 30, 61, 200]))
        elif what == "settle":
            world.settle()
        elif what == "restart":
            self.devices[dice.choice(NAMES)].restart()
        elif what == "epoch":
            self._form()
        else:
            self.weather.bad = not self.weather.bad

    def say(self, name: str, topic: str) -> bool:
        message = b"%d" % len(self.said)
        device = self.devices[name]
        try:
            raw = bytes(
                device.member.seal(topic.encode(), message, TOPICS[topic] == STATE, self.dice.choice([1, 2, 3]))
            )
        except (Refused, NotReady):
            return False
        self.said[message] = name, topic
        self.world.broker.publish(Packet(topic.encode(), raw, TOPICS[topic] == STATE, name))
        return True

    def heal(self) -> None:
        """Good weather, and everybody comes back."""
        self.weather.bad = False
        for device in self.devices.values():
            device.restart()
        self.world.settle()
        self.world.advance(120)
        self.world.settle()
        for device in self.devices.values():
            device.member.can_seal()  # draws the boot value
        self.world.advance(10)
        self.world.settle()

    def check(self) -> None:
        for device in self.devices.values():
            fresh: Counter[bytes] = Counter()
            for message in device.messages:
                sender, topic = self.said[message.payload]
                assert (sender.encode(), topic.encode()) == (message.sender, message.topic)
                fresh[message.payload] += not message.stale
                assert TOPICS[topic] == STATE or not message.stale
            assert not fresh or max(fresh.values()) <= 1, f"{device.id} took a message twice"


@pytest.mark.parametrize("part", range(4))
def test_any_weather(part: int, long_run: bool) -> None:
    for _ in range(500 if long_run else 6):
        seed = random.randrange(2**32)
        story = Story(seed)
        try:
            with story.world:
                for _ in range(80):
                    story.happen()
                    story.check()
                story.heal()
                story.check()
                group = story.world.authority.groups["plant"]
                for name, device in story.devices.items():
                    if name in group.publishers + group.subscribers:
                        assert device.epoch("plant").info.epoch == group.epoch
                    else:
                        assert not device.in_group("plant")
                before = len(story.devices["desk"].messages)
                assert story.say("tank", "plant/level")
                story.world.settle()
                assert len(story.devices["desk"].messages) == before + 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


def test_the_weather_is_bad() -> None:
    """A receiver without replay windows is found out."""
    with pytest.MonkeyPatch.context() as patch:
        from microseal.replay import Replay

        patch.setattr(Replay, "check", lambda *_: None)
        patch.setattr(Replay, "check_anonymous", lambda *_: None)
        with pytest.raises(AssertionError, match="took a message twice"):
            for seed in range(50):
                story = Story(seed)
                with story.world:
                    for _ in range(80):
                        story.happen()
                        story.check()


def test_a_member_whose_packets_were_lost_gets_them_again() -> None:
    """A key packet and the rosters that never came are fetched again, without a restart."""
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [desk], topics=["plant/#"])
        lost: list[Packet] = []

        def on_way(packet: Packet, receiver: str) -> Iterable[Packet]:
            levels = packet.topic.split(b"/")
            if receiver == "desk" and len(lost) < 4 and (levels[1] == b"key" or levels[-1] in (b"p", b"s")):
                lost.append(packet)
                return []
            return [packet]

        world.broker.on_way = on_way
        world.change("plant", [pump], [desk])
        assert len(lost) >= 3
        assert desk.epoch("plant").info.epoch == 1
        for _ in range(3):
            world.advance(61)
            world.settle()
        assert desk.epoch("plant").info.epoch == 2


def test_a_forged_key_packet_does_not_keep_a_member_out() -> None:
    with World() as world:
        pump, desk = world.enrol("pump"), world.enrol("desk")
        world.form("plant", [pump], [desk], topics=["plant/#"])
        topic = b"microseal/key/plant/" + hexkid(desk.me.kid) + b"/2"

        def on_way(packet: Packet, receiver: str) -> Iterable[Packet]:
            if packet.topic == topic and receiver == "desk":
                forged = packet.payload[:-1] + bytes((packet.payload[-1] ^ 1,))
                return [packet, Packet(topic, forged)]  # the one that counts is covered by another
            return [packet]

        world.broker.on_way = on_way
        world.change("plant", [pump], [desk])
        world.broker.on_way = lambda packet, receiver: [packet]
        world.advance(61)
        world.settle()
        assert desk.epoch("plant").info.epoch == 2
