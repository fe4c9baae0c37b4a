"""What an attack came to, and the table's entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .world import Device, Packet, World


@dataclass(frozen=True)
class Outcome:
    """succeeded: the attacker got what it was after. detail: what that is, or what stopped it, a reason of errors.py or words."""

    succeeded: bool
    detail: str


@dataclass(frozen=True)
class Attack:
    """One line of the table.

    row: of protocol.md section 10, 0 for what is not in it. published: the attack on a literal reading of the paper, None where the
    paper has nothing like it. microseal: the same attack in a new World; reason: the one detail with which it must fail.
    """

    name: str
    title: str
    microseal: Callable[[World], Outcome]
    reason: str
    row: int = 0
    published: Callable[[], Outcome] | None = None


def got(detail: str) -> Outcome:
    return Outcome(True, detail)


def withstood(detail: str) -> Outcome:
    return Outcome(False, detail)


def submit(world: World, device: Device, topic: str | bytes, raw: bytes) -> Outcome:
    """Puts a message into a device's connection, as whoever has the broker can: got if a message came out of it."""
    name = topic.encode() if isinstance(topic, str) else topic
    heard, refused = len(device.messages), len(device.refused)
    world.broker.deliver(Packet(name, raw), device.id)
    world.settle()
    if len(device.messages) > heard:
        message = device.messages[-1]
        return got(
            f"{message.payload[:20]!r} taken as from {message.sender.decode()}{', stale' if message.stale else ''}"
        )
    return withstood(device.refused[refused][1] if len(device.refused) > refused else "no answer")


def first_success(outcomes: list[Outcome]) -> Outcome:
    """The attack in several variants, all of which must fail for the same reason."""
    for outcome in outcomes:
        if outcome.succeeded or outcome.detail != outcomes[0].detail:
            return outcome
    return outcomes[0]
