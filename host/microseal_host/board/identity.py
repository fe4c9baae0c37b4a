"""Who a board is to be and what it must know of its surroundings, as flash.sh's options say it."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..failure import DENIED, NOT_READY, USAGE, Failure
from ..mqtt import parse_address
from .console import Console
from .description import Board, RealBoard
from .install import Running
from .link import Link

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..authority.database import Database
    from ..authority.vault import Vault
    from .flashing import Provision

_PLACE = "{}"  # in an id: the end of the chip's number
_DIGITS = 6
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Identity:
    """device: its id, {} in it stands for the end of the chip's number; again: also where it has an identity already."""

    device: str | None
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    database: str
    passphrase_file: Path | None
    again: bool

    @property
    def asked_for(self) -> bool:
        return bool(self.device or self.publish or self.subscribe or self.again)


@dataclass(frozen=True)
class Surroundings:
    """ssid: the Wi-Fi to join; password_file: where its password is; broker: HOST[:PORT] for devices."""

    ssid: str | None
    password_file: Path | None
    broker: str | None


def prepare(board: RealBoard, identity: Identity, surroundings: Surroundings, several: bool) -> Provision | None:
    """Asks for all that is secret, once, and opens the authority. None if there is none and nothing of it was asked for."""
    from ..authority import registry
    from ..authority.database import open_existing
    from ..authority.vault import open_vault
    from ..cli import options

    if several and identity.device is not None and _PLACE not in identity.device:
        raise Failure("several boards cannot have the same id", "--id 'pump-{}': the end of the chip's number", USAGE)
    wants_network = surroundings.ssid is not None or surroundings.broker is not None
    is_file = "://" not in identity.database
    if is_file and not Path(identity.database).exists() and not identity.asked_for and not wants_network:
        return None
    database = open_existing(identity.database)
    network = _network(board, surroundings)
    passphrase = options.passphrase(identity.passphrase_file)
    with database.read() as connection:
        vault = open_vault(connection, passphrase)
        for gid in {*identity.publish, *identity.subscribe}:
            registry.require_group(connection, gid)
        broker = _broker(connection, surroundings.broker, reaches_host=board.network == "serial")
    return _Provisioning(board, identity, network, broker, database, vault)


class _Provisioning:
    """Gives one board after another what `prepare` found."""

    def __init__(
        self,
        board: Board,
        identity: Identity,
        network: Mapping[str, object] | None,
        broker: Mapping[str, object] | None,
        database: Database,
        vault: Vault,
    ) -> None:
        self._board = board
        self._identity = identity
        self._network = network
        self._broker = broker
        self._database = database
        self._vault = vault
        self._groups = threading.Lock()

    def __call__(self, link: Link, running: Running, say: Callable[[str], None]) -> str:
        from .provision import Wanted, provision

        found = Console(link).call("state", what="cannot read the board's state")
        complete = found["id"] is not None and found["kid"] is not None and found["network"]
        ours = found["authority"] == self._vault.anchor.public.hex()
        may_stay = self._identity.device is None or found["id"] == self._name(running)
        if complete and ours and may_stay and not self._identity.again:
            say(f"keeps its identity {found['id']}")
            self._keep(link, found["id"])
            return f"{found['id']}, as before"
        device = self._name(running)
        done = provision(
            link,
            self._database,
            self._vault,
            Wanted(
                device,
                self._identity.publish,
                self._identity.subscribe,
                self._network,
                self._broker,
                self._identity.again,
            ),
            say=say,
        )
        return f"{done.device} (certificate {done.kid})"

    def _name(self, running: Running) -> str:
        pattern = self._identity.device or f"{self._board.chip}-{_PLACE}"
        if _PLACE not in pattern:
            return pattern
        if not running.unique:
            raise Failure("this board has no number of its own", "give it a name: --id ID")
        return pattern.replace(_PLACE, running.unique[-_DIGITS:])

    def _keep(self, link: Link, device: str) -> None:
        """What was asked for of a board that has its identity already."""
        from ..authority import registry

        publish, subscribe = self._identity.publish, self._identity.subscribe
        if publish or subscribe:
            with self._groups, self._database.write() as connection:
                for gid in dict.fromkeys((*publish, *subscribe)):
                    registry.add_member(connection, gid, device, gid in publish, gid in subscribe)
        if self._network is None and self._broker is None:
            return
        network = {**(self._network or {}), "broker": dict(self._broker)} if self._broker else dict(self._network or {})
        if network != {"link": "serial"}:  # which it has
            Console(link).call("network", json.dumps(network), secret=True, what="cannot write the network settings")


def _network(board: RealBoard, surroundings: Surroundings) -> dict[str, object] | None:
    """What the board's network.json becomes; None to leave it."""
    if board.network == "serial":
        if surroundings.ssid is not None:
            raise Failure(
                f"{board.name} has no Wi-Fi", "microseal bridge PORT --broker HOST is its way to the broker", USAGE
            )
        return {"link": "serial"}
    if surroundings.ssid is None:
        return None
    return {"link": "wifi", "ssid": surroundings.ssid, "password": _password(surroundings)}


def _password(surroundings: Surroundings) -> str:
    """From the file, the environment or a prompt; empty for an open network."""
    file = surroundings.password_file
    if file is not None:
        try:
            if file.stat().st_mode & 0o077:
                raise Failure(f"{file} is open to other users", f"chmod 600 {file}", DENIED)
            return file.read_text(encoding="utf-8").split("\n")[0].rstrip("\r")
        except OSError as error:
            raise Failure(f"cannot read {file}: {error.strerror}", code=NOT_READY) from None
    if "MICROSEAL_WIFI_PASSWORD" in os.environ:
        return os.environ["MICROSEAL_WIFI_PASSWORD"]
    if sys.stdin.isatty():
        return str(
            typer.prompt(f"Password of {surroundings.ssid}", hide_input=True, default="", show_default=False, err=True)
        )
    raise Failure(
        f"no password for {surroundings.ssid}",
        "give --wifi-password-file FILE, or set MICROSEAL_WIFI_PASSWORD (empty for an open network)",
        NOT_READY,
    )


def _broker(connection: Connection, wanted: str | None, reaches_host: bool) -> dict[str, object] | None:
    """The place of the broker for the claim, None for that of `microseal init`."""
    from ..authority import vault

    known = json.loads(connection.execute(vault.broker_query()).scalar_one())
    tls = bool(known.get("tls", False))
    host = parse_address(wanted, tls)[0] if wanted is not None else known["host"]
    if host in _LOCAL and not reaches_host:
        raise Failure(
            f"the broker is {host}, which on the board would be the board itself",
            "give the address that this machine has in the board's network: --broker ADDRESS",
            USAGE,
        )
    if wanted is None:
        return None
    host, port = parse_address(wanted, tls)
    return {"host": host, "port": port} | ({"tls": True} if tls else {})
