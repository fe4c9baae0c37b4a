"""Who a board is to be and what it must know of its surroundings, as flash.sh's options say it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from ..failure import USAGE, Failure
from ..mqtt import parse_address
from . import network
from .console import Console
from .description import RealBoard
from .install import Running
from .link import Link

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..authority.database import Database
    from ..authority.vault import Vault
    from .flashing import Provision

_PLACE = "{}"  # in an id: the end of the chip's number
_DIGITS = 6


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
    """ssid: the Wi-Fi to join; password_file: where its password is, - for stdin; broker: HOST[:PORT] for devices."""

    ssid: str | None
    password_file: str | None
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
    settings = _network(board, surroundings)
    passphrase = options.passphrase(identity.passphrase_file)
    with database.read() as connection:
        vault = open_vault(connection, passphrase)
        for gid in {*identity.publish, *identity.subscribe}:
            registry.require_group(connection, gid)
        broker = _broker(connection, surroundings.broker, reaches_host=board.network == "serial")
    return _Provisioning(board, identity, settings, broker, database, vault)


class _Provisioning:
    """Gives one board after another what `prepare` found."""

    def __init__(
        self,
        board: RealBoard,
        identity: Identity,
        settings: Mapping[str, object] | None,
        broker: Mapping[str, object] | None,
        database: Database,
        vault: Vault,
    ) -> None:
        self._board = board
        self._identity = identity
        self._network = settings
        self._broker = broker
        self._database = database
        self._vault = vault
        self._groups = threading.Lock()

    def __call__(self, link: Link, running: Running, say: Callable[[str], None]) -> str:
        from .provision import Wanted, provision

        console = Console(link)
        found = console.call("state", what="cannot read the board's state")
        complete = found["id"] is not None and found["network"] and self._is_good(found["id"], found["kid"])
        ours = found["authority"] == self._vault.anchor.public.hex()
        if ours and not self._identity.again:
            self._check_name(found["id"], running)
        may_stay = self._identity.device is None or found["id"] == self._name(running)
        if complete and ours and may_stay and not self._identity.again:
            say(f"keeps its identity {found['id']}")
            self._keep(console, found["id"])
            return f"{found['id']}, as before"
        # Not with --again: any board could say that it is somebody's whose place is to be had.
        is_named = ours and self._identity.device is None and not self._identity.again
        device = found["id"] if is_named else self._name(running)
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
        said = f"{done.device} (certificate {done.kid})"
        if self._board.network == "wifi" and self._network is None and not found["network"]:
            said += "; it knows no Wi-Fi yet: the same command with --wifi SSID"
        return said

    def _check_name(self, claimed: str | None, running: Running) -> None:
        """Failure if a group would get a member on no more than the word of whatever is on the cable."""
        asked = self._identity
        if claimed is None or asked.device is not None or not (asked.publish or asked.subscribe):
            return
        if not running.unique or claimed != self._name(running):
            raise Failure(f"the board says that it is {claimed}", f"if that is so, say it too: --id {claimed}", USAGE)

    def _name(self, running: Running) -> str:
        pattern = self._identity.device or f"{self._board.chip}-{_PLACE}"
        if _PLACE not in pattern:
            return pattern
        if not running.unique:
            raise Failure("this board has no number of its own", "give it a name: --id ID")
        return pattern.replace(_PLACE, running.unique[-_DIGITS:])

    def _is_good(self, device: str, kid: str | None) -> bool:
        """Whether the authority has this certificate as the device's; what is wrong with it otherwise, `provision` says."""
        from ..authority import schema

        known = schema.certificates.c
        with self._database.read() as connection:
            row = connection.execute(select(known.device, known.revoked).where(known.kid == kid)).one_or_none()
        return row is not None and row.device == device and row.revoked is None

    def _keep(self, console: Console, device: str) -> None:
        """What was asked for of a board that has its identity already."""
        from ..authority import registry

        publish, subscribe = self._identity.publish, self._identity.subscribe
        if publish or subscribe:
            with self._groups, self._database.write() as connection:
                for gid in dict.fromkeys((*publish, *subscribe)):
                    registry.add_member(connection, gid, device, gid in publish, gid in subscribe)
        settings = dict(self._network or {})
        if self._broker is not None:
            settings["broker"] = network.for_broker({"tls": None, **self._broker})
        if settings and settings != {"link": "serial"}:  # which it has
            network.change(console, settings)


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
    return network.wifi(surroundings.ssid, surroundings.password_file)


def _broker(connection: Connection, wanted: str | None, reaches_host: bool) -> dict[str, object] | None:
    """The place of the broker for the claim, None for that of `microseal init`."""
    from ..authority import vault

    known = json.loads(connection.execute(vault.broker_query()).scalar_one())
    tls = bool(known.get("tls", False))
    host = parse_address(wanted, tls)[0] if wanted is not None else known["host"]
    if not reaches_host:
        network.refuse_local(host)
    if wanted is None:
        return None
    host, port = parse_address(wanted, tls)
    return {"host": host, "port": port} | ({"tls": True} if tls else {})
