"""The power goes while the board writes its state: half-way through an erase, or a program, of the flash."""

from __future__ import annotations

from collections.abc import Callable

from kinds import POWER, Board

from microseal_host.failure import Failure

# The store by itself: the rest of the package takes an emulated chip a quarter of a minute to import, at each start.
STORE = """
import os, sys
class package:
    __name__ = "microseal"
    __path__ = "/lib/microseal"
sys.modules["microseal"] = package
from microseal.store import Store
if "cut" not in os.listdir():
    os.mkdir("cut")
store = Store("cut")
"""
# Longer than LittleFS keeps in a directory, such as a group with its keys: sectors are erased for it.
OLD, NEW = "b'o' * 600", "b'n' * 600"
# Kept there, such as the value that counts starts.
SHORT = "b'm' * 40"
CUTS = 6  # operations at which the power goes; with --long at each


def test_the_power_goes_during_a_state_write(board: Board, tell: Callable[[str], None], long_run: bool) -> None:
    board.need(POWER)
    board.exec(STORE)
    counts = []
    for _ in range(2):
        before = board.flash_operations()
        board.exec(f"store.save('record', {OLD})\nstore.save('short', {SHORT})")
        counts.append([after - then for after, then in zip(board.flash_operations(), before, strict=True)])
    operations = sum(counts[-1])
    tell(
        f"{board.name}: two records of the state take {counts[-1][0]} erases and {counts[-1][1]} programs of its flash"
    )
    found = []
    # How many there are differs: now and then LittleFS begins another sector.
    step = 1 if long_run else max(1, operations // CUTS)
    for operation in range(1, 3 * operations, step):
        board.cut_power(operation)
        try:
            board.exec(f"store.save('record', {NEW})\nstore.save('short', {SHORT} + b'!')")
        except (Failure, OSError):
            assert board.wait_off(5)
        else:
            board.cut_power(0)  # it was written with fewer
            break
        board.power_off()
        board.power_on()
        board.exec(STORE)
        state = board.exec(
            f"a, b = store.load('record'), store.load('short')\n"
            f"print(a == {OLD}, a == {NEW}, b == {SHORT}, b == {SHORT} + b'!')"
        ).split()
        found.append(state)
        old, new, short, longer = (word == "True" for word in state)
        assert old + new == 1 and short + longer == 1, "a record is as it was, or as it was to become"
        assert new or short, "they were written in this order"
        # It goes on writing, from whatever was left.
        board.exec(f"store.save('record', {OLD})\nstore.save('short', {SHORT})\nassert store.load('record') == {OLD}")
    tell(f"{board.name}: the power went at {len(found)} operations")
    assert len(found) >= min(CUTS, operations) // 2
    assert found[0] == ["True", "False", "True", "False"], "at its first operation nothing counts yet"
    assert any(state[1] == "True" for state in found), "and later it does"
