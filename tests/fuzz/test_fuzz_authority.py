"""Altered requests, shares and asks at the authority itself: each is refused, and nothing in its database changes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from mutations import Dice
from test_fuzz import SEED

import fuzz
from authority_house import House
from microseal import crypto
from microseal.group import make_ask
from microseal.identity import make_request, renew_request
from microseal.wire import hexkid, u32
from microseal_host import issuing
from microseal_host.authority import schema
from microseal_host.authority.vault import random_scalar

pytestmark = pytest.mark.usefixtures("core")

SHORT, LONG = 150, 100_000


class Target:
    """The authority with two devices; `topic` is where the altered messages go."""

    passes_over = trusting = False
    topic: bytes
    seeds: list[bytes]

    def __init__(self, folder: Path, suite: int, dice: Dice) -> None:
        self.house = house = House(folder, suite=suite)
        self.suite = suite
        self.other = house.enrol(house.device("other"))
        self.pieces = [self.other.me.public, self.other.me.kid, bytes(32), b"\xff" * 32, u32(int(time.time()))]
        self.prepare()

    def prepare(self) -> None:
        raise NotImplementedError

    def feed(self, raw: bytes) -> Any:
        return self.house.answer(self.topic, raw)

    def taken(self, raw: bytes) -> bool:
        return raw == self.seeds[0]

    def snapshot(self) -> Any:
        with self.house.database.read() as connection:
            return tuple(
                tuple(map(tuple, connection.execute(table.select()))) for table in schema.metadata.sorted_tables
            )

    def finish(self) -> bool:
        before = self.snapshot()
        self.feed(self.seeds[0])
        return self.snapshot() != before


class Claimed(Target):
    """The request of a device that was given a claim."""

    def prepare(self) -> None:
        device = self.house.device("pump")
        device.tick()
        ((self.topic, request),) = device.take_outgoing()
        another = self.house.device("another")
        another.tick()
        self.seeds = [request, another.take_outgoing()[0][1]]


class Renewed(Target):
    def prepare(self) -> None:
        me = self.other.me
        self.topic = b"microseal/enroll/other"
        r, g = random_scalar(self.suite), random_scalar(self.suite)
        self.seeds = [renew_request(me, make_request(self.suite, b"other", r, g), bytes(32))]
        self.seeds.append(renew_request(me, make_request(self.suite, b"pump", r, g), bytes(32)))


class Shared(Target):
    def prepare(self) -> None:
        device = self.house.device("pump")
        self.house.exchange(device)
        device.tick()
        ((self.topic, box),) = device.take_outgoing()
        self.seeds = [box, bytes(48)]


class Asked(Target):
    def prepare(self) -> None:
        self.house.group("plant", other="p")
        self.house.review()
        me = self.other.me
        self.topic = b"microseal/ask/" + hexkid(me.kid)
        now = int(time.time())
        self.seeds = [make_ask(me, b"plant", 0, now, bytes(32)), make_ask(me, b"tank", 0, now, bytes(32))]

    def feed(self, raw: bytes) -> Any:
        self._stay_in_time()
        return super().feed(raw)

    def _stay_in_time(self) -> None:
        """A long run outlives an ask by far."""
        now = int(time.time())
        if now - int.from_bytes(self.seeds[0][10:14], "big") > 60:
            self.seeds[0] = make_ask(self.other.me, b"plant", 0, now, bytes(32))


KINDS = {"claimed": Claimed, "renewed": Renewed, "shared": Shared, "asked": Asked}


def run(kind: str, count: int, folder: Path) -> fuzz.Run:
    return fuzz.Run(kind, 1, count, SEED).run(lambda name, suite, dice: KINDS[name](folder / "house", suite, dice))


@pytest.mark.parametrize("kind", KINDS)
def test_the_authority_refuses(kind: str, long_run: bool, tmp_path: Path) -> None:
    count = LONG if long_run else SHORT
    assert sum(run(kind, count, tmp_path).refused.values()) > count / 2


@pytest.mark.parametrize(
    ("kind", "function", "value"),
    [
        ("claimed", "check_claim", lambda *_: None),
        ("renewed", "check_renewal", lambda *_: None),
        ("shared", "open_share", lambda *_: bytes(31) + b"\x01"),
        ("asked", "verify_ask", lambda *_: (b"plant", 0, int(time.time()))),
    ],
)
def test_a_missing_check_is_found(
    kind: str, function: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert crypto.core is not None
    make = KINDS[kind].prepare

    def prepare(self: Target) -> None:
        make(self)
        monkeypatch.setattr(issuing, function, value)

    monkeypatch.setattr(KINDS[kind], "prepare", prepare)
    with pytest.raises(fuzz.Failure, match=f"^{kind}, suite 1, seed "):
        run(kind, 500, tmp_path)
