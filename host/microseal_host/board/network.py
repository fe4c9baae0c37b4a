"""What a board is told about its network, network.json (docs/device.md): made of options, and changed on a board that has some."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..cli.options import read_secret
from ..cli.output import visible
from ..failure import NOT_READY, USAGE, Failure
from .console import Console

_LOCAL = ("localhost", "127.0.0.1", "::1")
_PASSWORD = 8, 63  # characters of a WPA passphrase


def wifi(ssid: str, password_file: str | None) -> dict[str, object]:
    """The settings for a Wi-Fi, password included; see `password` for where that comes from."""
    if not 1 <= len(ssid.encode()) <= 32:
        raise Failure("an SSID has 1 to 32 bytes", code=USAGE)
    return {"link": "wifi", "ssid": ssid, "password": password(ssid, password_file)}


def password(ssid: str, file: str | None) -> str | None:
    """From the file (- for stdin), the environment or a prompt; None for an open network, which has an empty one."""
    if file == "-":
        text = sys.stdin.readline().rstrip("\r\n")
    elif file is not None:
        text = read_secret(Path(file), "password")
    elif "MICROSEAL_WIFI_PASSWORD" in os.environ:
        text = os.environ["MICROSEAL_WIFI_PASSWORD"]
    elif sys.stdin.isatty():
        text = getpass.getpass(f"Password of the Wi-Fi {visible(ssid)} (none if it is open): ")
    else:
        raise Failure(
            f"no password for the Wi-Fi {ssid}",
            "--wifi-password-file FILE, or - for stdin, or set MICROSEAL_WIFI_PASSWORD (empty for an open network)",
            NOT_READY,
        )
    least, most = _PASSWORD
    if text and not least <= len(text.encode()) <= most:
        raise Failure(f"a Wi-Fi password has {least} to {most} characters", code=USAGE)
    return text or None


def refuse_local(host: object) -> None:
    """For a board that is not a program of this machine: Failure where the broker's address means this machine alone."""
    if host in _LOCAL:
        raise Failure(
            f"the broker is {host}, which on the board would be the board itself",
            "give the address that this machine has in the board's network: --broker ADDRESS",
            USAGE,
        )


def for_broker(place: Mapping[str, object]) -> dict[str, object]:
    """Another broker's place for `change`: a password at the one so far is not shown to it."""
    return {"user": None, "password": None, "anonymous_user": None, "anonymous_password": None, **place}


def change(console: Console, settings: Mapping[str, object]) -> None:
    """Changes these settings of a provisioned board and leaves the others; None takes one away. What a board has is not read here.

    broker: a part of the broker's place; what is not said of it stays, or is that of the claim.
    """
    console.call("change", json.dumps(dict(settings)), secret=True, what="cannot write the network settings")
