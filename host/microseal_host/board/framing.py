"""The bridge's side of firmware/microseal/serial_frames.py: frames out of whatever a board prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from microseal import serial_frames as frames

LONGEST = 400  # characters between START and END that can be a frame
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


@dataclass(frozen=True)
class Frame:
    """What may be a frame: whether its check is right depends on the session. text: as it came."""

    body: bytes
    check: int
    text: bytes

    @property
    def is_echo(self) -> bool:
        """Whether it is one of the bridge's own: a REPL echoes what it is sent."""
        return not self.body[0] & frames.TO_BRIDGE

    @property
    def kind(self) -> int:
        return self.body[0] & 0x7F

    @property
    def payload(self) -> bytes:
        return self.body[4:]

    def is_of(self, session: bytes) -> bool:
        return frames.is_of(session, self.body, self.check)


class Splitter:
    """Splits what comes from a board into frames and text. Holds back LONGEST bytes at most."""

    def __init__(self) -> None:
        self._line: bytearray | None = None  # since START

    def feed(self, data: bytes) -> Iterator[Frame | bytes]:
        text = bytearray()
        for byte in data:
            if self._line is None:
                if byte == frames.START:
                    self._line = bytearray()
                else:
                    text.append(byte)
                continue
            if byte == frames.END:
                decoded = frames.decode(bytes(self._line))
                if decoded is None:
                    text += b"~" + self._line + b"!"
                else:
                    if text:
                        yield bytes(text)
                        text.clear()
                    yield Frame(*decoded, b"~" + self._line + b"!")
                self._line = None
            elif byte in _LETTERS and len(self._line) < LONGEST:
                self._line.append(byte)
            else:  # it was no frame
                text += b"~" + self._line
                self._line = bytearray() if byte == frames.START else None
                if self._line is None:
                    text.append(byte)
        if text:
            yield bytes(text)
