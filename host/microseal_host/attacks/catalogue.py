"""All attacks: those of protocol.md section 10 in its order, then what is easy to get wrong beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from . import (
    anonymity,
    certificates,
    encodings,
    freshness,
    group_keys,
    keystream,
    limits,
    membership,
    sessions,
    signatures,
)
from .outcome import Attack, Outcome
from .world import World

_MODULES = (
    signatures,
    anonymity,
    group_keys,
    keystream,
    freshness,
    membership,
    certificates,
    encodings,
    limits,
    sessions,
)
_ALL = [attack for module in _MODULES for attack in module.ATTACKS]
ATTACKS = sorted((a for a in _ALL if a.row), key=lambda a: a.row) + [a for a in _ALL if not a.row]


@dataclass(frozen=True)
class Result:
    """published: None where the paper has nothing like it."""

    attack: Attack
    published: Outcome | None
    microseal: Outcome
    seconds: float

    @property
    def as_claimed(self) -> bool:
        """The published scheme is broken by it, and microseal stops it, for the reason meant for it."""
        stopped = not self.microseal.succeeded and self.microseal.detail == self.attack.reason
        return stopped and (self.published is None or self.published.succeeded)


def run(attacks: list[Attack], suite: int = 1) -> Iterator[Result]:
    """Each attack in a new world of this suite."""
    for attack in attacks:
        start = time.monotonic()
        published = attack.published() if attack.published else None
        with World(suite) as world:
            microseal = attack.microseal(world)
        yield Result(attack, published, microseal, time.monotonic() - start)
