"""What the simulation shows: one line a message, or one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from microseal import errors
from microseal.inbox import Message

_UNITS: dict[str, Callable[[float], str]] = {
    "load": lambda value: f"load {value:.2f}",
    "free": lambda value: f"{value / 2**30:.1f} GiB free" if value >= 2**30 else f"{value / 1024:.0f} KiB free",
    "temperature": lambda value: f"{value:.1f} °C",
}


# What the reason of errors.py means to somebody who sees it for the first time.
_MEANINGS = {
    errors.SIGNATURE: " (these are not the bytes that a member signed: the relay altered them)",
    errors.INNER: " (not what a member sealed)",
    errors.DECRYPTION: " (not what a member sealed)",
    errors.REPLAY: " (it has been here before)",
    errors.TIME: " (too old, or from before the listener's start; said once for this topic)",
}


def printable(raw: bytes) -> str:
    """Bytes as text for a terminal: what could do something there is shown by its escape."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def describe(payload: bytes) -> str:
    """Readings as a person reads them; anything else as it is, with what is not printable escaped."""
    try:
        readings = json.loads(payload)
    except ValueError:
        readings = None
    if not isinstance(readings, dict):
        return printable(payload)
    parts = []
    for name, value in readings.items():
        known = _UNITS.get(name) if isinstance(value, int | float) else None
        parts.append(known(value) if known else printable(f"{name} {json.dumps(value)}".encode()))
    return ", ".join(parts)


class View:
    """Prints what has been verified and what has been refused, and counts both."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self._console = console
        self._json = as_json
        self.verified = 0
        self.refused = 0
        self._late: set[str] = set()  # topics

    def progress(self, text: str) -> None:
        if not self._json:
            self._console.print(Text(text, style="dim"), soft_wrap=True)

    def message(self, message: Message) -> None:
        """The age is counted from the second in which the sender sealed the message, by its clock and this one."""
        self.verified += 1
        age = max(0.0, time.time() - message.t)
        sender, topic = message.sender.decode(), message.topic.decode()
        if self._json:
            shown = {"verified": True, "sender": sender, "topic": topic, "mode": message.mode, "age": round(age, 1)}
            self._print_json(shown | {"value": message.payload.decode("utf-8", "backslashreplace")})
            return
        self._line(
            ("verified ", "green"),
            (f"{sender:<8}", "bold"),
            f" mode {message.mode}  age {age:3.1f} s  {describe(message.payload)}",
        )

    def refusal(self, topic: bytes, reason: str) -> None:
        """What is refused has no sender that could be named: nothing in it has been proved."""
        self.refused += 1
        name = printable(topic)
        if self._json:
            self._print_json({"verified": False, "topic": name, "reason": reason})
            return
        if reason == errors.TIME:
            # Of mode 3, which rounds times down, there may be half a minute full of these.
            if name in self._late:
                return
            self._late.add(name)
        self._line(("REFUSED  ", "bold red"), "on ", (name, "bold"), ": ", (reason, "bold"), _MEANINGS.get(reason, ""))

    def summary(self, altered: int) -> None:
        """altered: how many messages the relay has changed."""
        if self._json:
            self._print_json({"summary": {"verified": self.verified, "refused": self.refused, "altered": altered}})
        else:
            self.progress(f"verified: {self.verified}, refused: {self.refused}, altered by the relay: {altered}")

    def _line(self, *parts: str | tuple[str, str]) -> None:
        self._console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), *parts), soft_wrap=True)

    def _print_json(self, document: dict[str, object]) -> None:
        self._console.file.write(json.dumps(document) + "\n")
        self._console.file.flush()
