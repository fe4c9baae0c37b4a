"""Lives on CPython: one process that has imported everything, and forks a device for each connection to a Unix socket.

python life_cpython.py SOCKET

The first line of a connection is a JSON list of life.serve's last arguments, the others are commands. When the device's process is
gone, the last event is `exit` and its code.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import TextIO

import transport_cpython  # noqa: F401  # before main.py, which imports umqtt

import life  # isort: skip
from microseal import crypto
from microseal_host.backends import libcrypto


def be_device(stream: TextIO, arguments: list) -> None:
    def receive() -> str:
        line = stream.readline()
        if not line:
            os._exit(0)
        return line

    def send(event: str) -> None:
        stream.write(event + "\n")
        stream.flush()

    life.serve(receive, send, *arguments)


def main(path: str) -> None:
    crypto.use(libcrypto)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            arguments = json.loads(stream.readline())
            device = os.fork()
            if not device:
                be_device(stream, arguments)
                os._exit(0)
            _, status = os.waitpid(device, 0)
            stream.write(f"exit {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests end it
    main(sys.argv[1])
