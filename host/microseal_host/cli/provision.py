"""`microseal provision`: a board on a cable becomes a device of the authority."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..mqtt import parse_address
from . import network, options, output
from .device import warn_if_idle

EXAMPLE = (
    "Examples: [bold]microseal provision /dev/ttyACM0 --id pump-3 --wifi home --publish plant-7[/bold]; "
    "[bold]microseal provision /dev/ttyACM0 --id pump-3 --link serial --transcript pump-3.txt[/bold]"
)


def provision(
    port: network.Port,
    device: Annotated[str, typer.Option("--id", metavar="ID", help="1 to 32 of A-Z a-z 0-9 . _ : -")],
    publish: Annotated[
        list[str] | None, typer.Option("--publish", metavar="GROUP", help="It publishes there. Repeatable.")
    ] = None,
    subscribe: Annotated[
        list[str] | None, typer.Option("--subscribe", metavar="GROUP", help="It subscribes there. Repeatable.")
    ] = None,
    wifi: network.Wifi = None,
    wifi_password_file: network.WifiPasswordFile = None,
    link_kind: network.LinkKind = None,
    broker: options.Broker = None,
    broker_user: network.BrokerUser = None,
    broker_password_file: network.BrokerPasswordFile = None,
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
    from ..board.provision import Wanted
    from ..board.provision import provision as provision_board
    from ..board.reach import Reach
    from ..board.transcript import Transcript

    store = open_existing(database)
    with store.read() as connection:
        opened = vault.open_vault(connection, options.passphrase(passphrase_file))
        place = json.loads(connection.execute(vault.broker_query()).scalar_one())
    if broker is not None:
        tls = place.get("tls", False)
        host, number = parse_address(broker, tls)
        place = {"host": host, "port": number} | ({"tls": True} if tls else {})
    settings = _network(wifi, wifi_password_file, link_kind, place, broker_user, broker_password_file)
    wanted = Wanted(device, publish or (), subscribe or (), settings, place, again)
    with (
        Transcript(transcript) as record,
        Reach(port, tap=record.tap if transcript else None) as link,
        link.restarting(start),
    ):
        done = provision_board(link, store, opened, wanted, record, output.note)
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
    from ..board.network import refuse_local

    if wifi is not None:
        refuse_local(place["host"])
    found = network.link_settings(wifi, password_file, link)
    password = network.broker_password(user, broker_password_file)
    if user is not None:
        found["broker"] = dict(place) | {"user": user} | ({} if password is None else {"password": password})
    return found or None
