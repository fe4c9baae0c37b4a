"""The LED: how many flashes each state has, and that nobody waits for them."""

from board_parts import Ticks, make_chip, restore

import board_lamp
from board_lamp import Lamp


def flashes(state, ms=10000, inverted=False):
    """[(on, ms)] of what the pin did within ms."""
    machine, _ = make_chip("rp2")
    found = []
    with Ticks(board_lamp) as ticks:
        lamp = Lamp("LED", inverted)
        lamp.show(state)
        for _ in range(ms // 10):
            before = len(machine.pins["LED"])
            now = ticks.now
            lamp.step()
            assert ticks.now == now
            if len(machine.pins["LED"]) > before:
                found.append((machine.pins["LED"][-1] != inverted, ticks.now))
            ticks.now += 10
    restore()
    return [(on, after - at) for (on, at), (_, after) in zip(found, found[1:])]  # noqa: B905


def test_a_number_of_flashes_for_each_state():
    for state in (1, 2, 3, 4, 5):
        seen = flashes(state)
        gaps = [at for at, (on, ms) in enumerate(seen) if not on and ms > 1000]
        assert gaps[0] == 2 * state - 1 and gaps[1] - gaps[0] == 2 * state, (state, seen)
        assert all(ms == 150 for on, ms in seen if on)
    assert seen == flashes(5, inverted=True)


def test_well_is_a_short_flash_now_and_then():
    assert flashes(board_lamp.WELL) == [(True, 30), (False, 3000)] * 3 + [(True, 30)]


def test_stopped_is_steady_without_anybody_calling():
    machine, _ = make_chip("rp2")
    lamp = Lamp("LED")
    lamp.show(board_lamp.STOPPED)
    assert machine.pins["LED"] == [True]
    lamp.step()
    lamp.off()
    assert machine.pins["LED"] == [True, False]
    restore()


def test_a_board_without_the_pin():
    make_chip("rp2")
    for pin in ("LED2", None, 99):
        lamp = Lamp(pin)
        lamp.show(3)
        lamp.step()
        lamp.off()
    restore()
    lamp = Lamp("LED")  # no such module either
    lamp.step()
