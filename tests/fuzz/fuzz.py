"""Throws altered messages at a receiver: each must be refused with a reason of errors.py, and change nothing.

    micropython fuzz.py DIRECTORY SUITE COUNT SEED KIND...

Runs on MicroPython and CPython alike; the same seed makes the same messages. Prints a line a kind, and a line a while.
"""

import gc
import sys

import device_support
import kinds
from mutations import Dice, mutate
from snapshots import difference

from microseal import errors
from microseal.errors import Refused

REASONS = {value for name, value in errors.__dict__.items() if name.isupper()}
_PROGRESS = 20000


class Failure(AssertionError):
    pass


class Run:
    """refused: how many of `count` messages were refused, by reason; heap: bytes in use after a fifth of the run and at its end."""

    def __init__(self, name, suite, count, seed):
        self.name, self.suite, self.count, self.seed = name, suite, count, seed
        self.refused = {}
        self.passed_over = self.valid = self.taken = 0
        self.heap = [0, 0]

    def run(self, make=kinds.target):
        """make(name, suite, dice): the target."""
        dice = Dice(self.seed)
        target = make(self.name, self.suite, dice)
        before = target.snapshot()
        for at in range(self.count):
            if at == self.count // 5:
                self.heap[0] = _in_use()
            raw = mutate(dice, dice.pick(target.seeds), target.seeds, target.pieces)
            if not target.trusting and target.taken(raw):
                self.valid += 1
                continue
            took = self._feed(target, raw, at)
            after = target.snapshot()
            if took:
                before = after
            elif after != before:
                self._fail("it changed the state, at " + difference(before, after), raw, at)
            if at % _PROGRESS == _PROGRESS - 1:
                print(self.name, "suite", self.suite, at + 1, "of", self.count)
        self.heap[1] = _in_use()
        try:
            taken = target.finish()
        except Refused as refusal:
            taken = False
            print("refused:", refusal.reason)
        if not taken:
            self._fail("at the end a valid message is not taken", target.seeds[0], self.count)
        return self

    def _feed(self, target, raw, at):
        """Whether the message was taken, which only a trusting target may do."""
        try:
            result = target.feed(raw)
        except Refused as refusal:
            if refusal.reason not in REASONS:
                self._fail("refused for no reason of errors.py: " + repr(refusal.reason), raw, at)
            self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + 1
            return False
        except Exception as error:
            self._fail("it raised " + repr(error), raw, at)
        if target.trusting:
            self.taken += 1
            return True
        if result is not None or raw and not target.passes_over:  # without any bytes: a retained message was cleared
            self._fail("it was taken", raw, at)
        self.passed_over += 1
        return False

    def _fail(self, what, raw, at):
        raise Failure(f"{self.name}, suite {self.suite}, seed {self.seed}, message {at}: {what}\n{bytes(raw).hex()}")

    def __str__(self):
        reasons = " ".join([reason + "=" + str(count) for reason, count in sorted(self.refused.items())])
        rest = (
            f"valid={self.valid} passed-over={self.passed_over} taken={self.taken} heap={self.heap[0]},{self.heap[1]}"
        )
        return f"{self.name} suite {self.suite} seed {self.seed}: {self.count} messages, {rest}, refused: {reasons}"


def _in_use():
    gc.collect()
    return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


def main(arguments):
    device_support.base = arguments[0]
    suite, count, seed = (int(word) for word in arguments[1:4])
    for name in arguments[4:]:
        print(Run(name, suite, count, seed).run())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Failure as failure:
        print("FAILED", failure)
        sys.exit(1)
