"""The watchdog: it bites when the loop stands still, never at the prompt, and what it did is told from an ordinary reset."""

from board_parts import ENABLE, RP2040, Ticks, make_chip, restore

import board_chip
import board_lasting
import board_watchdog
from board_lasting import Memory, open_memory
from board_watchdog import Watchdog, expired

_BITES = 8  # s


class Bench:
    """A watchdog of 120 s on a chip. bitten: whether the hardware would have reset the board by now."""

    def __init__(self, chip, limit=120):
        self.machine, _ = make_chip(chip)
        self.memory = open_memory()
        self.ticks = Ticks(board_watchdog)
        self.ticks.__enter__()
        self.watchdog = Watchdog(limit, self.memory)
        self.watchdog.arm()
        self.bitten = False
        self._silence = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ticks.__exit__()
        restore()

    def run(self, seconds, feeds):
        """feeds: whether the loop runs, beside the timer."""
        for second in range(seconds):
            fed = len(self.machine.calls)
            if feeds:
                self.watchdog.feed()
            if second % 2:
                self.machine.tick()
            self.ticks.now += 1000
            self._silence = 0 if ("feed",) in self.machine.calls[fed:] else self._silence + 1
            if self._silence > _BITES and self.machine.registers.get(RP2040, 0) & ENABLE:
                self.bitten = True


def test_it_is_fed_by_the_loop_alone():
    with Bench("rp2") as bench:
        bench.run(600, True)
        assert not bench.bitten
        bench.run(110, False)
        assert not bench.bitten, "a connection may take that long"
        bench.run(25, False)
        assert bench.bitten


def test_an_interpreter_that_hangs_is_bitten_at_once():
    with Bench("rp2") as bench:
        bench.run(10, True)
        bench.machine.tick = lambda: None
        bench.run(10, False)
        assert bench.bitten


def test_at_the_prompt_it_is_off():
    with Bench("rp2") as bench:
        bench.run(10, True)
        assert bench.machine.timers
        bench.watchdog.release()
        assert not bench.machine.timers
        bench.run(1000, False)
        assert not bench.bitten
        bench.watchdog.release()
        bench.watchdog.arm()
        bench.run(200, False)
        assert bench.bitten, "armed again"


def test_what_it_did_is_told_from_a_reset():
    with Bench("rp2") as bench:
        bench.machine.cause = bench.machine.WDT_RESET  # which RP says after every reset
        assert expired(bench.memory)
        assert not expired(bench.memory), "asked again without a run between: a soft reset"
        bench.watchdog.release()
        bench.watchdog.arm()
        bench.watchdog.release()
        assert not expired(bench.memory)
        bench.watchdog.arm()
        bench.machine.cause = bench.machine.PWRON_RESET
        assert not expired(bench.memory)


def test_esp32_has_one_of_the_whole_length_and_a_day_at_the_prompt():
    with Bench("esp32") as bench:
        assert bench.machine.calls == [("WDT", 120000)]
        bench.watchdog.feed()
        assert bench.machine.calls[-1] == ("feed",) and not bench.machine.timers
        bench.watchdog.release()
        assert bench.machine.calls[-2:] == [("WDT", 86400000), ("feed",)]
        bench.watchdog.feed()
        assert len(bench.machine.calls) == 4, "nothing feeds it any more"
        bench.machine.cause = bench.machine.WDT_RESET
        assert expired(Memory(None))


def test_none_where_it_is_not_wanted_or_could_not_be_called_off():
    for chip, limit in (("rp2", 0), ("esp32", 0), ("stm32", 120)):
        with Bench(chip, limit) as bench:
            bench.watchdog.feed()
            bench.watchdog.release()
            assert bench.machine.calls == []
    with Bench("rp2", 0) as bench:
        board_chip.watchdog_registers = lambda: None  # a chip of the family that nobody knows yet
        watchdog = Watchdog(120, Memory(None))
        watchdog.arm()
        assert bench.machine.calls == []


def test_lasting_memory():
    for chip in ("rp2", "esp32"):
        with Bench(chip, 0) as bench:
            memory = bench.memory
            assert memory.load() == (0, 0, 0)
            assert memory.save(1, 0xFFFFFFFF, 7) and memory.load() == (1, 0xFFFFFFFF, 7)
            assert memory.mark(2) and open_memory().load() == (2, 0xFFFFFFFF, 7)
            place = memory._place
            raw = place.read()
            for at in range(16):
                place.write(raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])
                assert memory.load() == (0, 0, 0), at
            for other in (bytes(16), b"\xff" * 16):
                place.write(other)
                assert memory.load() == (0, 0, 0)
    assert board_lasting.Memory(None).load() == (0, 0, 0) and not board_lasting.Memory(None).save(1, 2, 3)
