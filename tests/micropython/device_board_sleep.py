"""Deep sleep: when it begins, what a wake-up writes, and that no boot count is ever used twice."""

from board_parts import Exit, Ticks, make_chip, restore
from device_support import fresh_directory, raises

import board_sleep
from board_lasting import ASLEEP, open_memory
from board_sleep import AWAKE, BLOCK, STAY, Sleep, SleepingStore
from microseal.provisioning import count_boot
from microseal.store import Store
from microseal.wire import u32

SEED = bytes(range(32))


class Chip:
    """A chip with a provisioned state. starts: what boot counts were used, in order."""

    def __init__(self, kind):
        self.machine, _ = make_chip(kind)
        self.directory = fresh_directory()
        self.writes = 0
        self.starts = []
        self.provision(SEED)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        restore()

    def provision(self, seed):
        Store(self.directory).save("boot", seed + u32(0))

    def start(self, sleeping=True, power=None):
        """One start; power: the number of the write at which it is reset (0: before any)."""
        chip = self
        base = SleepingStore if sleeping else Store

        class Counting(base):
            def _write(self, *arguments):
                if power is not None:
                    raise Exit("reset")
                chip.writes += 1
                super()._write(*arguments)

        arguments = (self.directory, open_memory()) if sleeping else (self.directory,)
        try:
            self.starts.append(int.from_bytes(count_boot(Counting(*arguments), 1)._boot, "big"))
        except Exit:
            pass

    def lose_power(self):
        self.machine.registers.clear()
        self.machine.rtc = b""


def test_one_write_in_64_wake_ups():
    for kind in ("rp2", "esp32"):
        with Chip(kind) as chip:
            for _ in range(5 * BLOCK):
                chip.start()
            assert chip.writes == 5, chip.writes
            assert chip.starts == list(range(1, 5 * BLOCK + 1))


def test_one_write_a_start_without_such_memory():
    with Chip("stm32") as chip:
        for _ in range(10):
            chip.start()
        assert chip.writes == 10 and chip.starts == list(range(1, 11))


def test_no_count_twice_whatever_happens():
    for seed in range(40):
        with Chip("rp2") as chip:
            for _ in range(60):
                seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
                what = (seed >> 16) % 8
                if what < 4:
                    chip.start()
                elif what == 4:
                    chip.start(sleeping=False)
                elif what == 5:
                    chip.lose_power()
                elif what == 6:
                    chip.start(power=0)
                else:
                    chip.machine.registers[0x40058010] = seed  # somebody else's, or a bit that fell over
            assert chip.starts == sorted(set(chip.starts)), chip.starts


def test_the_memory_of_another_provisioning_is_worth_nothing():
    with Chip("rp2") as chip:
        for _ in range(10):
            chip.start()
        chip.provision(bytes(32))
        chip.starts.clear()
        for _ in range(BLOCK):
            chip.start(sleeping=False)
        for _ in range(BLOCK):
            chip.start()
        assert chip.starts == list(range(1, 2 * BLOCK + 1)), chip.starts


def test_other_records_are_written_as_ever():
    with Chip("rp2") as chip:
        store = SleepingStore(chip.directory, open_memory())
        store.save("floor", u32(5))
        assert Store(chip.directory).load("floor") == u32(5) == store.load("floor")
        assert store.load("nothing") is None


def test_when_it_sleeps():
    machine, _ = make_chip("rp2")
    memory = open_memory()
    with Ticks(board_sleep) as ticks:
        sleep = Sleep(300, memory)
        assert sleep.on and not sleep.woke and not sleep.is_due(True), "for whoever wants its prompt"
        ticks.now += STAY
        assert sleep.is_due(True) and not sleep.is_due(False)
        ticks.now += AWAKE - STAY
        assert sleep.is_due(False), "a broker that is away is not to empty the battery"
        raises(Exit, sleep.begin)
        assert machine.calls[-1] == ("deepsleep", 300000)
        sleep = Sleep(300, memory)
        assert sleep.woke and sleep.is_due(True) and not sleep.is_due(False)
        assert memory.load()[0] != ASLEEP and not Sleep(300, memory).woke, "the next start may be another one"
        assert not Sleep(0, memory).on
    restore()
    assert not Sleep(300, memory).on, "a computer"
