"""What the simulation shows: one line a message, or one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from microseal.inbox import Message

_UNITS: dict[str, Callable[[float], str]] = {
    "load": lambda value: f"load {value:.2f}",
    "free": lambda value: f"{value / 2**30:.1f} GiB free",
    "temperature": lambda value: f"{value:.1f} °C",
}


def describe(payload: bytes) -> str:
    """Readings as a person reads them; anything else as it is, with what is not printable escaped."""
    try:
        readings = json.loads(payload)
    except ValueError:
        readings = None
    if not isinstance(readings, dict):
        text = payload.decode("utf-8", "backslashreplace")
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    parts = []
    for name, value in readings.items():
        known = _UNITS.get(name) if isinstance(value, int | float) else None
        parts.append(known(value) if known else f"{name} {json.dumps(value)}")
    return ", ".join(parts)


class View:
    """Prints what has been verified and what has been refused, and counts both."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self._console = console
        self._json = as_json
        self.verified = 0
        self.refused = 0

    def progress(self, text: str) -> None:
        if not self._json:
            self._console.print(Text(text, style="dim"))

    def message(self, message: Message, now: float) -> None:
        """now: the receiver's clock, s since 1970; the age is counted from the second in which the sender sealed the message."""
        self.verified += 1
        age = max(0.0, now - message.t)
        sender, topic = message.sender.decode(), message.topic.decode()
        if self._json:
            shown = {"verified": True, "sender": sender, "topic": topic, "mode": message.mode, "age": round(age, 3)}
            self._print_json(shown | {"value": message.payload.decode("utf-8", "backslashreplace")})
            return
        line = Text.assemble(
            (time.strftime("%H:%M:%S ", time.localtime(now)), "dim"),
            ("verified ", "green"),
            (f"{sender:<12}", "bold"),
            f" mode {message.mode}  age {age:4.1f} s  {describe(message.payload)}",
        )
        self._console.print(line, soft_wrap=True)

    def refusal(self, topic: str, reason: str, explanation: str, now: float) -> None:
        """What is refused has no sender that could be named: nothing in it has been proved."""
        self.refused += 1
        if self._json:
            self._print_json({"verified": False, "topic": topic, "reason": reason})
            return
        line = Text.assemble(
            (time.strftime("%H:%M:%S ", time.localtime(now)), "dim"),
            ("REFUSED  ", "bold red"),
            f"on {topic}: ",
            (reason, "bold"),
            f" ({explanation})" if explanation else "",
        )
        self._console.print(line, soft_wrap=True)

    def _print_json(self, document: dict[str, object]) -> None:
        self._console.file.write(json.dumps(document) + "\n")
        self._console.file.flush()
