"""What main.py does with the chip itself: watchdog, what outlives a reset, sensors, LED, and the way back to the prompt."""

from __future__ import annotations

import json
import time

import pytest
from kinds import Board

from microseal_host.failure import Failure

# Short times: a second of an emulated chip is half a minute here.
ARM = """
import board_watchdog, board_lasting
board_watchdog._HARDWARE, board_watchdog._TICK = 100, 25
memory = board_lasting.open_memory()
dog = board_watchdog.Watchdog({limit}, memory)
dog.arm()
"""
LED = "import machine\nprint(machine.mem32[0xD0000010] >> 25 & 1)"  # GPIO_OUT, RP2040 datasheet 2.3.1.7: a Pico's LED is pin 25


@pytest.fixture
def rp2(board: Board) -> Board:
    if board.exec("import sys\nprint(sys.platform)").strip() != "rp2":
        pytest.skip(f"{board.name} has no watchdog that can be called off")
    board.exec("import machine\nfrom board_lasting import open_memory\nopen_memory().save(0, 0, 0)")
    return board


def _after_reset(board: Board) -> None:
    """Waits until the chip, which reset itself, has a prompt again."""
    end = time.monotonic() + 120
    while True:
        board.release()
        try:
            board.exec("pass")
            return
        except (Failure, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(1)


def test_readings(board: Board) -> None:
    reading = json.loads(
        board.exec("import json, readings\nprint(json.dumps(readings.read(readings.Uptime().seconds())))")
    )
    assert reading["free"] > 10000 and reading["uptime"] == 0
    if board.exec("import sys\nprint(sys.platform)").strip() == "rp2":
        assert -300 < reading["temperature"] < 500  # an emulated sensor says anything
        board.exec("import board_lamp\nlamp = board_lamp.Lamp('LED')\nlamp.show(board_lamp.STOPPED)")
        assert board.exec(LED).strip() == "1"
        board.exec("lamp.off()")
        assert board.exec(LED).strip() == "0"


def test_a_watchdog_that_is_fed_and_called_off(rp2: Board) -> None:
    rp2.exec(ARM.format(limit=10) + "import time\nfor _ in range(6):\n    time.sleep_ms(30)\n    dog.feed()\n")
    state = "import machine\nprint(machine.mem32[0x40058000] >> 30 & 1, memory.load()[0])"  # ENABLE, and the marker
    assert rp2.exec(state).strip() == "1 1"
    rp2.exec("dog.release()")
    assert rp2.exec(state).strip() == "0 0"
    rp2.exec("time.sleep_ms(150)")
    assert rp2.exec("print('still', 'there', dog._timer)").strip() == "still there None"


@pytest.mark.usefixtures("patience")
def test_a_loop_that_stands_still(rp2: Board) -> None:
    rp2.exec("from board_lasting import open_memory\nopen_memory().save(0, 77, 88)")
    with pytest.raises((Failure, OSError)):
        rp2.exec(ARM.format(limit=0.05) + "while True:\n    pass\n", 20)
    _after_reset(rp2)
    code = "import board_watchdog, board_lasting\nmemory = board_lasting.open_memory()\n"
    code += "print(memory.load(), board_watchdog.expired(memory))"
    assert rp2.exec(code).strip() == "(1, 77, 88) True"
    assert rp2.exec(code).strip() == "(0, 77, 88) False"
    # An ordinary reset is the watchdog's doing too, on this chip: the marker alone, in SCRATCH0, tells them apart.
    with pytest.raises((Failure, OSError)):
        rp2.exec("import machine\nmachine.reset()", 5)
    _after_reset(rp2)
    printed = rp2.exec("import machine\nprint(machine.reset_cause() == machine.WDT_RESET, machine.mem32[0x4005800C])")
    assert printed.strip() == "True 0"


@pytest.mark.usefixtures("patience")
def test_main_gives_the_prompt_back(board: Board) -> None:
    """Where it is missing what no waiting will bring; sys.exit would be a soft reset, which starts main.py again."""
    if board.exec("import sys\nprint(sys.platform in ('linux', 'darwin'))").strip() == "True":
        pytest.skip(f"{board.name} is a computer, where it ends with an exit code")
    said = board.exec(
        "with open('started_by_tests.py') as f:\n    code = f.read()\nexec(code, {'__name__': '__main__'})"
    )
    assert "microseal: not provisioned" in said
    assert board.exec("print(1 + 1)").strip() == "2"
