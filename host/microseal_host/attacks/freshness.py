"""Row 8: what is taken a second time, too late, or before its time."""

from __future__ import annotations

from collections.abc import Iterable

from microseal import errors
from microseal.errors import Refused

from . import published as paper
from .outcome import Attack, Outcome, first_success, got, submit, withstood
from .scene import GID, QUERY_TOPIC, STATE_TOPIC, TOPIC, Plant, forge, group_keys
from .world import Device, Packet, World

WEEK = 7 * 86400  # s
YEAR = 365 * 86400


def replay_published() -> Outcome:
    """The broker sends a message again while its T is within the clock's slack."""
    sender, d_P = paper.Node(), paper.draw()
    message = paper.secret(sender, paper.base(d_P), b"valve open", 1000)
    taken = [paper.open_secret(d_P, sender.Q, message, now) for now in (1000, 1060)]
    return got("taken twice") if taken == [b"valve open"] * 2 else withstood(errors.REPLAY)


def replay_microseal(world: World) -> Outcome:
    """At once, after others, and when the sender has started anew, in modes 1 and 2."""
    plant = Plant(world, mode=1)
    pump, desk, outcomes = plant.pump, plant.desk, []
    for mode in (1, 2):
        raw = pump.publish(TOPIC, b"valve open", mode=mode)
        world.settle()
        outcomes.append(submit(world, desk, TOPIC, raw))
        for _ in range(3):
            pump.publish(TOPIC, b"more")
        world.settle()
        outcomes.append(submit(world, desk, TOPIC, raw))
        pump.restart()
        pump.publish(TOPIC, b"hello again")
        world.settle()
        if desk.messages[-1].payload != b"hello again":
            return got("nothing: the sender that started anew is not heard")
        outcomes.append(submit(world, desk, TOPIC, raw))
    return first_success(outcomes)


def below_window(world: World) -> Outcome:
    """A message that never arrived, 64 messages later; and one of a boot value that was replaced."""
    plant = Plant(world, mode=1)
    pump, desk = plant.pump, plant.desk
    kept = pump.seal(TOPIC, b"kept")
    for _ in range(64):
        pump.publish(TOPIC, b"more")
    world.settle()
    outcomes = [submit(world, desk, TOPIC, kept)]
    kept = pump.seal(TOPIC, b"kept")
    pump.restart()
    pump.publish(TOPIC, b"after the start")
    world.settle()
    return first_success([*outcomes, submit(world, desk, TOPIC, kept)])


def two_boots(world: World) -> Outcome:
    """A corrupted sender goes back and forth between two boot values, to have a counter taken twice."""
    plant = Plant(world, mode=1)
    now, me = int(world.time), plant.fan.me
    outcomes = []
    for boot, t in ((b"A" * 8, now), (b"B" * 8, now + 1), (b"A" * 8, now + 1), (b"A" * 8, now)):
        raw = forge(world, me, plant.info, 1, t=t, nonce=boot + bytes(4))
        outcomes.append(submit(world, plant.desk, TOPIC, raw))
    honest, attack = outcomes[:2], outcomes[2:]
    return first_success(attack) if all(o.succeeded for o in honest) else got("nothing: new boot values are not taken")


def week(world: World) -> Outcome:
    """The broker holds a message back for a week, in every mode."""
    plant = Plant(world, mode=1)
    kept = [plant.pump.seal(TOPIC, b"valve open", mode=mode) for mode in (1, 2, 3)]
    world.advance(WEEK)
    return first_success([submit(world, plant.desk, TOPIC, raw) for raw in kept])


def week_state(world: World) -> Outcome:
    """On a state topic it may be read after a week, marked stale; but not once a newer state was read."""
    plant = Plant(world, mode=1)
    kept = plant.pump.seal(STATE_TOPIC, b"open", retain=True)
    world.advance(WEEK)
    if not submit(world, plant.desk, STATE_TOPIC, kept).succeeded or not plant.desk.messages[-1].stale:
        return got("an event out of a state")
    plant.pump.publish(STATE_TOPIC, b"shut", retain=True)
    world.settle()
    return submit(world, plant.desk, STATE_TOPIC, kept)


def year_ahead(world: World) -> Outcome:
    """A sender whose clock was a year ahead for one message: it is not taken, nor does it shut out what comes after it."""
    plant = Plant(world, mode=1, lifetime=90 * 86400)
    pump, desk = plant.pump, plant.desk
    pump.clock.ahead += YEAR
    raw = forge(world, pump.me, plant.info, 1, t=int(world.time) + YEAR, nonce=b"F" * 8 + bytes(4))
    outcomes = [submit(world, desk, TOPIC, raw)]
    pump.clock.ahead -= YEAR
    pump.restart()
    pump.publish(TOPIC, b"right again")
    world.settle()
    if desk.messages[-1].payload != b"right again":
        return got("the sender is shut out for a year")
    return first_success(outcomes)


def year_later(world: World) -> Outcome:
    """That message, kept by the broker until its time has come, while the certificates last."""
    world.authority.lifetime = 3 * YEAR
    plant = Plant(world, mode=1, lifetime=90 * 86400)
    raw = forge(world, plant.pump.me, plant.info, 1, t=int(world.time) + YEAR, nonce=b"F" * 8 + bytes(4))
    world.advance(YEAR)
    return submit(world, plant.desk, TOPIC, raw)


def receiver_restart(world: World) -> Outcome:
    """A receiver forgets its windows when it starts. What was sent before is not taken again, in any mode and direction."""
    plant = Plant(world, mode=1)
    world.advance(60)
    sent = [(plant.desk, TOPIC, plant.pump.publish(TOPIC, b"valve open", mode=mode)) for mode in (1, 2, 3)]
    sent += [(plant.pump, QUERY_TOPIC, plant.desk.publish(QUERY_TOPIC, b"level?", mode=mode)) for mode in (1, 2, 3)]
    world.settle()
    heard = [m.payload for m in plant.desk.messages].count(b"valve open"), len(plant.pump.messages)
    if heard[0] != 3:
        return got("nothing: the messages were not taken the first time")
    plant.desk.restart()
    plant.pump.restart()
    world.settle()
    world.advance(10)
    return first_success([submit(world, receiver, topic, raw) for receiver, topic, raw in sent])


def no_clock(world: World) -> Outcome:
    """A receiver without a clock, whose questions for the time the broker does not pass on."""
    plant = Plant(world, mode=1)
    late = world.enrol("late", signed=True)
    world.change(GID, [plant.pump], [plant.desk, late])
    world.broker.on_way = lambda packet, _: () if b"/clock/" in packet.topic or b"/time/" in packet.topic else (packet,)
    late.restart()
    world.settle()
    return submit(world, late, TOPIC, plant.pump.seal(TOPIC, b"valve open"))


def held_answer(world: World) -> Outcome:
    """The broker holds the authority's time back for a minute: the clock would be behind by it."""
    late, answer = _answer_for(world)
    world.advance(60)
    return _set_clock(late, answer)


def other_answer(world: World) -> Outcome:
    """The broker gives the answer to a question that was asked before, at once."""
    late, answer = _answer_for(world)
    world.advance(60)
    world.settle()  # it asks anew
    return _set_clock(late, answer)


def _answer_for(world: World) -> tuple[Device, Packet]:
    """A device that has asked for the time and got no answer, and the answer."""
    held = []

    def hold(packet: Packet, receiver: str) -> Iterable[Packet]:
        if b"/time/" in packet.topic and receiver == "late":
            held.append(packet)
            return ()
        return (packet,)

    world.broker.on_way = hold
    late = world.enrol("late", signed=True)
    return late, held[0]


def _set_clock(late: Device, answer: Packet) -> Outcome:
    try:
        late.member.control(answer.topic, answer.payload)
    except Refused as refused:
        return withstood(refused.reason)
    return got("a clock that is behind")


def future_time(world: World) -> Outcome:
    """A signed answer from a signer whose certificate is over at the time that it gives."""
    plant = Plant(world, mode=1)
    late = world.enrol("late", signed=True)
    world.change(GID, [plant.pump], [plant.desk, late])
    world.time += 2 * YEAR
    late.restart()
    refused = len(late.refused)
    world.settle()
    return got("a clock set by a signer that is over") if late.clock.now() else withstood(late.refused[refused][1])


def info_held_back(world: World) -> Outcome:
    """The broker holds back the info after an eviction: the evicted one is heard in the old epoch, but not past its not_after."""
    plant = Plant(world, mode=1, lifetime=86400)
    evicted, desk = plant.fan, plant.desk
    keys, me, old = group_keys(evicted), evicted.me, plant.info
    world.broker.on_way = lambda packet, to: (
        () if to == "desk" and packet.topic.startswith(b"microseal/") else (packet,)
    )
    world.evict(evicted)
    if desk.epoch(GID).info.epoch != old.epoch:
        return got("nothing: the info was not held back")
    if not submit(world, desk, TOPIC, forge(world, me, old, 1, keys=keys)).succeeded:
        return got("nothing: the window was closed already")
    world.advance(86400)
    return first_success([submit(world, desk, TOPIC, forge(world, me, old, mode, keys=keys)) for mode in (1, 2, 3)])


def evicted_in_overlap(world: World) -> Outcome:
    """In the 120 s after the switch, in which the epoch before is still taken from those who stayed."""
    plant = Plant(world, mode=1)
    evicted, old = plant.fan, plant.info
    keys, me = group_keys(evicted), evicted.me
    late = plant.pump.seal(TOPIC, b"on its way")
    world.evict(evicted)
    if not submit(world, plant.desk, TOPIC, late).succeeded:
        return got("nothing: nobody is heard in the overlap")
    return first_success([submit(world, plant.desk, TOPIC, forge(world, me, old, mode, keys=keys)) for mode in (1, 2)])


def old_info(world: World) -> Outcome:
    """The broker shows a restarted device an info that it has left behind, with all that belonged to it."""
    plant = Plant(world, mode=1)
    desk, before = plant.desk, dict(world.broker.retained)
    world.evict(plant.fan)
    epoch = plant.info.epoch
    world.broker.retained = before
    desk.restart()
    world.settle()
    return got("back in the old epoch") if desk.epoch(GID).info.epoch < epoch else withstood(desk.refused[-1][1])


def old_revoked_list(world: World) -> Outcome:
    """The broker shows an older revoked list after a newer one."""
    plant = Plant(world, mode=1)
    old = world.broker.retained[b"microseal/revoked"]
    world.revoke(plant.fan)
    world.broker.retained[b"microseal/revoked"] = old
    plant.desk.restart()
    world.settle()
    world.advance(10)
    return submit(world, plant.desk, TOPIC, forge(world, plant.fan.me, plant.info, 1))


ATTACKS = [
    Attack(
        "replay",
        "a replay inside the clock's slack",
        replay_microseal,
        errors.REPLAY,
        row=8,
        published=replay_published,
    ),
    Attack("window", "a message from below the window, or of an old boot", below_window, errors.REPLAY),
    Attack("two-boots", "a sender that goes back to an old boot value", two_boots, errors.REPLAY),
    Attack("week", "a message held back for a week", week, errors.TIME),
    Attack("week-state", "an old state after a newer one", week_state, errors.STALE),
    Attack("year-ahead", "a clock that was a year ahead for one message", year_ahead, errors.TIME),
    Attack("year-later", "that message, a year later", year_later, errors.EPOCH),
    Attack("restart", "replays to a receiver that restarts", receiver_restart, errors.TIME),
    Attack("no-clock", "a receiver that is kept from the time", no_clock, errors.TIME),
    Attack("held-answer", "an answer for the time that comes late", held_answer, errors.TIME),
    Attack("other-answer", "the answer to an earlier question for the time", other_answer, errors.SIGNATURE),
    Attack("future-time", "the time from a signer that is over", future_time, errors.EXPIRED),
    Attack("info-held-back", "an info held back after an eviction", info_held_back, errors.EPOCH),
    Attack("overlap", "an evicted sender in the overlap", evicted_in_overlap, errors.ROLE),
    Attack("old-info", "an old epoch shown to a restarted device", old_info, errors.EPOCH),
    Attack("old-revoked", "an old revoked list shown after a newer one", old_revoked_list, errors.REVOKED),
]
