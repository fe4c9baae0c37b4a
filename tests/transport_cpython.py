"""What MicroPython has and CPython lacks, so far as the transport needs it: import this before `microseal.transport`."""

from __future__ import annotations

import binascii
import socket
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

# umqtt.simple as it was downloaded imports the old names of these modules.
for name, module in (("usocket", socket), ("ustruct", struct), ("ubinascii", binascii)):
    sys.modules.setdefault(name, module)
sys.path.append(str(Path(__file__).resolve().parent.parent / "build/lib"))

import microseal.connection  # noqa: E402


class StreamSocket(socket.socket):
    """A socket with the stream methods of MicroPython's."""

    def readinto(self, buffer: memoryview) -> int | None:
        try:
            return self.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data: bytes | memoryview) -> int | None:
        try:
            return self.send(data)
        except BlockingIOError:
            return None


microseal.connection.socket = SimpleNamespace(**{**vars(socket), "socket": StreamSocket})
