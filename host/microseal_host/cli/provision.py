"""`microseal provision`: a board on a cable becomes a device of the authority."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..failure import NOT_READY, USAGE, Failure
from ..mqtt import parse_address
from . import options, output
from .device import warn_if_idle

EXAMPLE = (
    "Examples: [bold]microseal provision /dev/ttyACM0 --id pump-3 --wifi home --publish plant-7[/bold]; "
    "[bold]microseal provision /dev/ttyACM0 --id pump-3 --link serial --transcript pump-3.txt[/bold]"
)
Port = Annotated[str, typer.Argument(metavar="PORT", help="A serial port, a PTY, or socket://HOST:PORT.")]


def provision(
    port: Port,
    device: Annotated[str, typer.Option("--id", metavar="ID", help="1 to 32 of A-Z a-z 0-9 . _ : -")],
    publish: Annotated[
        list[str] | None, typer.Option("--publish", metavar="GROUP", help="It publishes there. Repeatable.")
    ] = None,
    subscribe: Annotated[
        list[str] | None, typer.Option("--subscribe", metavar="GROUP", help="It subscribes there. Repeatable.")
    ] = None,
    wifi: Annotated[
        str | None, typer.Option("--wifi", metavar="SSID", help="Its Wi-Fi; asks for the password.")
    ] = None,
    wifi_password_file: Annotated[
        str | None,
        typer.Option("--wifi-password-file", metavar="FILE", help="Read that password from this file; - for stdin."),
    ] = None,
    link_kind: Annotated[
        Literal["wifi", "serial", "socket"] | None,
        typer.Option("--link", help="How it reaches the broker; default: by Wi-Fi where there is --wifi."),
    ] = None,
    broker: options.Broker = None,
    broker_user: Annotated[
        str | None, typer.Option("--broker-user", metavar="NAME", help="Its user name at the broker.")
    ] = None,
    broker_password_file: Annotated[
        Path | None, typer.Option("--broker-password-file", metavar="FILE", help="Read its password at the broker.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also a board, or an id, that is provisioned already: erases its identity.")
    ] = False,
    transcript: Annotated[
        Path | None, typer.Option("--transcript", metavar="FILE", help="Write down what goes over the cable.")
    ] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start main.py at the end.")] = True,
    database: options.Database = "microseal.db",
    passphrase_file: options.PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Give the board on PORT its identity, groups and network, over the cable.

    The board makes its private key, which never leaves it. When the cable is pulled half-way
    nothing is lost: run the same command again.
    """
    from ..authority import lease, vault
    from ..authority.database import open_existing
    from ..board.link import Link
    from ..board.provision import Wanted
    from ..board.provision import provision as provision_board
    from ..board.transcript import Transcript

    store = open_existing(database)
    with store.read() as connection:
        opened = vault.open_vault(connection, options.passphrase(passphrase_file))
        place = json.loads(connection.execute(vault.broker_query()).scalar_one())
    if broker is not None:
        tls = place.get("tls", False)
        host, number = parse_address(broker, tls)
        place = {"host": host, "port": number} | ({"tls": True} if tls else {})
    network = _network(wifi, wifi_password_file, link_kind, place, broker_user, broker_password_file)
    wanted = Wanted(device, publish or (), subscribe or (), network, place, again)
    with Transcript(transcript) as record, Link(port, tap=record.tap if transcript else None) as link:
        done = provision_board(link, store, opened, wanted, record, output.note)
        if start:
            link.start()
    if as_json:
        output.print_json(
            {"id": done.device, "kid": done.kid, "not_after": done.not_after, "resumed": done.resumed, "port": port}
        )
    else:
        output.note(f"{done.device} is provisioned: kid {done.kid}, good until {output.date(done.not_after)}")
        if link_kind == "serial":
            output.note(f"next: microseal bridge {port} --broker {place['host']}:{place['port']}")
    warn_if_idle(lease.is_running(store))


def _network(
    wifi: str | None,
    password_file: str | None,
    link: str | None,
    place: dict[str, object],
    user: str | None,
    broker_password_file: Path | None,
) -> dict[str, object] | None:
    """network.json, see firmware/board_settings.py; None if nothing was said of it."""
    if link == "wifi" and wifi is None:
        raise Failure("which Wi-Fi?", "--wifi SSID", USAGE)
    if link is not None and link != "wifi" and wifi is not None:
        raise Failure(f"--wifi is not for --link {link}", code=USAGE)
    if password_file is not None and wifi is None:
        raise Failure("--wifi-password-file is for --wifi", code=USAGE)
    found: dict[str, object] = {}
    if wifi is not None:
        if not 1 <= len(wifi.encode()) <= 32:
            raise Failure("an SSID has 1 to 32 bytes", code=USAGE)
        found |= {"link": "wifi", "ssid": wifi, "password": _wifi_password(wifi, password_file)}
    elif link is not None:
        found["link"] = link
    if user is not None:
        entry = dict(place) | {"user": user}
        if broker_password_file is not None:
            entry["password"] = options.read_secret(broker_password_file, "password")
        elif "MICROSEAL_BROKER_PASSWORD" in os.environ:
            entry["password"] = os.environ["MICROSEAL_BROKER_PASSWORD"]
        found["broker"] = entry
    elif broker_password_file is not None:
        raise Failure("a password at the broker, but no user name", "--broker-user NAME", USAGE)
    return found or None


def _wifi_password(ssid: str, file: str | None) -> str | None:
    """The password; None for an open network, which has an empty one."""
    if file == "-":
        text = sys.stdin.readline().rstrip("\r\n")
    elif file is not None:
        text = options.read_secret(Path(file), "password")
    elif sys.stdin.isatty():
        text = getpass.getpass(f"Password of the Wi-Fi {output.visible(ssid)} (none if it is open): ")
    else:
        raise Failure("no password for the Wi-Fi", "--wifi-password-file FILE, or - for stdin", NOT_READY)
    if text and not 8 <= len(text.encode()) <= 63:
        raise Failure("a Wi-Fi password has 8 to 63 characters", code=USAGE)
    return text or None
