"""`microseal device network`: what a board knows of its network, changed without a new identity."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..failure import NOT_READY, USAGE, Failure
from ..mqtt import parse_address
from . import options, output

EXAMPLE = (
    "Examples: [bold]microseal device network /dev/ttyACM0 --wifi office[/bold]; "
    "[bold]microseal device network /dev/ttyACM0 --broker 10.0.0.5[/bold]"
)
Port = Annotated[str, typer.Argument(metavar="PORT", help="A serial port, a PTY, or socket://HOST:PORT.")]
Wifi = Annotated[str | None, typer.Option("--wifi", metavar="SSID", help="Its Wi-Fi; asks for the password.")]
WifiPasswordFile = Annotated[
    str | None,
    typer.Option(
        "--wifi-password-file",
        metavar="FILE",
        help="Read that password from this file, - for stdin; else from MICROSEAL_WIFI_PASSWORD, or a prompt.",
    ),
]
LinkKind = Annotated[
    Literal["wifi", "serial", "socket"] | None,
    typer.Option("--link", help="How it reaches the broker; default: by Wi-Fi where there is --wifi."),
]
BrokerUser = Annotated[str | None, typer.Option("--broker-user", metavar="NAME", help="Its user name at the broker.")]
BrokerPasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--broker-password-file",
        metavar="FILE",
        help="Read its password at the broker; without it from MICROSEAL_BROKER_PASSWORD.",
    ),
]


def network(
    port: Port,
    wifi: Wifi = None,
    wifi_password_file: WifiPasswordFile = None,
    link_kind: LinkKind = None,
    broker: Annotated[
        str | None, typer.Option("--broker", metavar="HOST[:PORT]", help="The broker, from now on.")
    ] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="Talk to the broker through TLS; default: as before.")
    ] = None,
    broker_user: BrokerUser = None,
    broker_password_file: BrokerPasswordFile = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start main.py at the end.")] = True,
) -> None:
    """Change the network of the provisioned board on PORT: Wi-Fi, link or broker. Its identity and its groups stay.

    What is not said stays as it is; with another broker, user name and password there are forgotten.
    """
    from ..board.console import Console
    from ..board.network import change, refuse_local
    from ..board.reach import Reach

    settings = link_settings(wifi, wifi_password_file, link_kind)
    place = _broker(broker, tls, broker_user, broker_password(broker_user, broker_password_file))
    if place:
        settings["broker"] = place
    if wifi is not None:
        refuse_local(place.get("host"))
    if not settings:
        raise Failure("nothing to change", "--wifi SSID, --link KIND or --broker HOST", USAGE)
    with Reach(port) as link, link.restarting(start):
        link.enter()
        console = Console(link)
        found = console.call("state", what="cannot read the board's state")
        if found["id"] is None:
            raise Failure("this board is not provisioned", f"microseal provision {port} --id ID", NOT_READY)
        change(console, settings)
    output.note(f"{output.visible(found['id'])} has its new settings")


def link_settings(wifi: str | None, password_file: str | None, link: str | None) -> dict[str, object]:
    """ssid, password and link of network.json, as far as something was said of them. Asks for the password."""
    from ..board.network import wifi as wifi_settings

    if link == "wifi" and wifi is None:
        raise Failure("which Wi-Fi?", "--wifi SSID", USAGE)
    if link is not None and link != "wifi" and wifi is not None:
        raise Failure(f"--wifi is not for --link {link}", code=USAGE)
    if password_file is not None and wifi is None:
        raise Failure("--wifi-password-file is for --wifi", code=USAGE)
    if wifi is not None:
        return wifi_settings(wifi, password_file)
    return {} if link is None else {"link": link}


def broker_password(user: str | None, file: Path | None) -> str | None:
    """The board's password at the broker, None if it has none there."""
    if user is None:
        if file is not None:
            raise Failure("a password at the broker, but no user name", "--broker-user NAME", USAGE)
        return None
    if file is not None:
        return options.read_secret(file, "password")
    return os.environ.get("MICROSEAL_BROKER_PASSWORD")


def _broker(text: str | None, tls: bool | None, user: str | None, password: str | None) -> dict[str, object]:
    """What changes of the broker's place."""
    from ..board.network import for_broker

    place: dict[str, object] = {}
    if text is not None:
        host, number = parse_address(text)
        # A port that was not said is that of MQTT, with TLS or without.
        is_said = text.endswith(f":{number}")
        place = for_broker({"host": host, "port": number if is_said else None})
    if tls is not None:
        place["tls"] = tls
    if user is not None:
        place |= {"user": user, "password": password}
    return place
