"""The broker of the simulation and the weather on its links: single deliveries are lost, doubled, put off and overtaken."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from microseal.topics import matches


class Party(Protocol):
    """Whoever is connected. name: its client id."""

    name: str

    def receive(self, topic: bytes, payload: bytes) -> None: ...


@dataclass
class Weather:
    """Odds, 0 to 1, of what becomes of a single delivery in either direction. without: nothing on topics that contain this arrives."""

    loss: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    without: bytes = b""

    @property
    def fair(self) -> bool:
        return self == Weather()


@dataclass
class _Node:
    """A level of the tree of subscriptions."""

    children: dict[bytes, _Node] = field(default_factory=dict)
    here: dict[str, Party] = field(default_factory=dict)  # filters that end here
    below: dict[str, Party] = field(default_factory=dict)  # filters that end in # here


class Network:
    """time: s since 1970 and uptime: s, both of the world, not of anybody's clock; they stand still until `pass_time`."""

    def __init__(self, start: float, seed: int) -> None:
        self.time = start
        self.uptime = 0.0
        self.weather = Weather()
        self.retained: dict[bytes, bytes] = {}
        self.heard: list[tuple[bytes, bytes]] = []  # what the broker was given: it may send it again at any time
        self._random = random.Random(seed)
        self._tree = _Node()
        self._late: list[tuple[float, int, Party, bytes, bytes]] = []
        self._count = 0

    def subscribe(self, party: Party, pattern: bytes) -> None:
        """What is retained there comes at once, as often as it is subscribed."""
        node = self._tree
        levels = pattern.split(b"/")
        for level in levels:
            if level == b"#":
                node.below[party.name] = party
                break
            node = node.children.setdefault(level, _Node())
        else:
            node.here[party.name] = party
        if b"+" not in levels and b"#" not in levels:
            found = [pattern] if pattern in self.retained else []
        else:
            found = sorted(topic for topic in self.retained if matches(pattern, topic))
        for topic in found:
            self._carry(party, topic, self.retained[topic])

    def unsubscribe(self, party: Party, pattern: bytes) -> None:
        node = self._tree
        for level in pattern.split(b"/"):
            if level == b"#":
                node.below.pop(party.name, None)
                return
            node = node.children.setdefault(level, _Node())
        node.here.pop(party.name, None)

    def publish(self, topic: bytes, payload: bytes, retain: bool = False) -> None:
        self.heard.append((topic, payload))
        if retain:
            if payload:
                self.retained[topic] = payload
            else:
                self.retained.pop(topic, None)
        self.carry_again(topic, payload)

    def carry_again(self, topic: bytes, payload: bytes) -> None:
        """To all who are subscribed."""
        found: dict[str, Party] = {}
        for parties in self._find(self._tree, topic.split(b"/"), 0):
            found.update(parties)
        for name in sorted(found):
            self._carry(found[name], topic, payload)

    def _find(self, node: _Node, levels: list[bytes], at: int) -> Iterator[dict[str, Party]]:
        yield node.below
        if at == len(levels):
            yield node.here
            return
        for level in (levels[at], b"+"):
            child = node.children.get(level)
            if child is not None:
                yield from self._find(child, levels, at + 1)

    def _carry(self, party: Party, topic: bytes, payload: bytes) -> None:
        weather, draw = self.weather, self._random
        if weather.fair:
            party.receive(topic, payload)
            return
        if draw.random() < weather.loss or weather.without and weather.without in topic:
            return
        for _ in range(2 if draw.random() < weather.double else 1):
            if draw.random() < weather.delay:
                self._count += 1
                # Overtaken by what comes later; now and then so late that nobody should want it any more.
                due = self.uptime + draw.choice((0.5, 3, 20, 100, 400, 7200))
                heapq.heappush(self._late, (due, self._count, party, topic, payload))
            else:
                party.receive(topic, payload)

    def pass_time(self, seconds: float) -> None:
        """Time passes; what was put off until then arrives."""
        self.time += seconds
        self.uptime += seconds
        while self._late and self._late[0][0] <= self.uptime:
            _, _, party, topic, payload = heapq.heappop(self._late)
            party.receive(topic, payload)
