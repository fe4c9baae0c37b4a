"""Provisioning over the cable: a board gets its identity, its groups and its network.

The board makes r, g and its private key itself. The request and the reply of enrolment (protocol.md section 4) go over the cable as
hexadecimal lines, and are answered by the very code that answers them over MQTT. Every step is stored where it happened before the
next one begins, so that after a cable was pulled the same command goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from microseal.errors import Refused

from ..authority import claims, registry, requests, schema
from ..authority.database import Database
from ..authority.vault import Vault
from ..failure import NOT_READY, Failure
from .console import Console
from .link import Link
from .transcript import Transcript

NETWORK = "network.json"
INSTALL = "put the package on it: ./flash.sh BOARD"


@dataclass(frozen=True)
class Wanted:
    """What a board is to become. network: network.json, None to leave the network as it is; broker: as in a claim file."""

    device: str
    publish: Sequence[str] = ()
    subscribe: Sequence[str] = ()
    network: Mapping[str, object] | None = field(default=None, repr=False)  # a password is in it
    broker: Mapping[str, object] | None = None
    again: bool = False


@dataclass(frozen=True)
class Done:
    """device: id; kid: of its certificate, hexadecimal; not_after: s since 1970; resumed: whether an earlier attempt was finished."""

    device: str
    kid: str
    not_after: int
    resumed: bool


def provision(
    link: Link,
    database: Database,
    vault: Vault,
    wanted: Wanted,
    transcript: Transcript | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> Done:
    """Provisions the board behind `link`, which is entered here and left in its raw REPL. say: is told each step."""
    note = (transcript or Transcript(None)).note
    registry.name(wanted.device, "device id")
    with database.read() as connection:
        for gid in {*wanted.publish, *wanted.subscribe}:
            registry.require_group(connection, gid)
    say("stopping what runs on the board")
    link.enter()
    console = Console(link)
    found = console.call("state", what="cannot read the board's state")
    _check_installed(found, vault)
    resumed = _check_state(database, vault, wanted, found)
    if not resumed:
        if found["id"] is not None:
            say("erasing the identity that was on the board")
        # Also without one: an erasure that broke off leaves groups, and keys of them.
        console.call("forget", "" if wanted.network is not None else NETWORK, what="cannot erase the board's state")
        found = {**found, "id": None, "kid": None}
    if found["id"] is None:
        say(f"giving the board what {wanted.device} begins with")
        with database.write() as connection:
            text = _make_claim(connection, vault, wanted)
        note(
            "authority, one-time claim and the host's 32 bytes for the seed follow; claim and seed are secret, and not shown"
        )
        console.call("begin", text, secret=True, what="the board does not take its claim")
    if found["kid"] is None:
        say("the board makes its secrets; a chip may take a minute")
        note("the board makes r and g and shows its request: id, R = r*G, Gi = g*G, proof of the claim")
        request = _unhex(console.call("ask", what="the board makes no request")["request"])
        with database.write() as connection:
            reply = _enroll(connection, vault, wanted.device, request)
        note("the authority's reply; with r the board makes its private key d of it, and keeps both to itself")
        shown = console.call("answer", reply.hex(), what="the board does not take the authority's reply")
    else:
        shown = console.call("show", what="cannot read the board's certificate")
    note("the certificate is public; the box is for the authority alone, sealed")
    now = int(time.time())
    with database.write() as connection:
        kid = _take_share(connection, vault, wanted.device, shown, now)
        for gid in dict.fromkeys((*wanted.publish, *wanted.subscribe)):
            registry.add_member(connection, gid, wanted.device, gid in wanted.publish, gid in wanted.subscribe)
        not_after = connection.execute(
            select(schema.certificates.c.not_after).where(schema.certificates.c.kid == kid)
        ).scalar_one()
    network = {} if wanted.network is None and not found["network"] else wanted.network
    if network is not None:
        say("writing the settings of the network")
        note("network settings follow; there may be passwords in them, and they are not shown")
        # Last: a board that has them is done.
        console.call("network", json.dumps(dict(network)), secret=True, what="cannot write the network settings")
    return Done(wanted.device, kid, not_after, resumed)


def _check_installed(found: dict[str, Any], vault: Vault) -> None:
    if found["package"] is None:
        raise Failure(f"microseal is not on this board ({found.get('missing', 'no package')})", INSTALL, NOT_READY)
    if not found["core"]:
        raise Failure("the native module microseal_core is not on this board, or for another chip", INSTALL, NOT_READY)
    if vault.suite not in found["core"]:
        raise Failure(f"the board's module has no suite {vault.suite}, which is the authority's", INSTALL, NOT_READY)


def _check_state(database: Database, vault: Vault, wanted: Wanted, found: dict[str, Any]) -> bool:
    """Whether an earlier attempt is to be finished; Failure if the board is somebody's already and that was not asked for."""
    if found["id"] is None or wanted.again:
        return False
    if found["authority"] != vault.anchor.public.hex():
        raise Failure(
            f"this board is provisioned already: as {found['id']}, by another authority",
            "--again makes it this one's; its old identity is erased",
        )
    if found["id"] != wanted.device:
        raise Failure(
            f"this board is provisioned already: as {found['id']}",
            f"--again makes it {wanted.device}; its old identity is erased",
        )
    if found["kid"] is None:
        return True
    with database.read() as connection:
        query = select(schema.certificates).where(schema.certificates.c.kid == found["kid"])
        row = connection.execute(query).one_or_none()
    if row is None or row.revoked is not None:
        why = "its certificate is revoked" if row is not None else "this database does not know its certificate"
        raise Failure(f"{wanted.device} is provisioned already, but {why}", "--again gives it a new identity")
    if row.share is not None and found["network"]:
        raise Failure(
            f"this board is provisioned already: it is {wanted.device}",
            "--again gives it a new identity; to only put it into groups: microseal group add",
        )
    return True


def _make_claim(connection: Connection, vault: Vault, wanted: Wanted) -> str:
    """The text of a claim file for this board alone, which never is a file."""
    states = {device.id: device.state for device in registry.list_devices(connection, int(time.time()))}
    # One that nobody has used yet is what an attempt that broke off leaves.
    known = states.get(wanted.device) == registry.NEW
    if wanted.device in states and not known and not wanted.again:
        raise Failure(
            f"there is a device {wanted.device} already, and it is not this board",
            "choose another --id, or take its place with --again: the other one is out of its groups then",
        )
    registry.add_device(connection, wanted.device, known or wanted.again)
    return claims.make_claim(connection, vault.keyring, wanted.device, wanted.broker)


def _enroll(connection: Connection, vault: Vault, device: str, request: bytes) -> bytes:
    """The authority's reply. Who holds board and passphrase has looked at it: that is the approval, where one is needed."""
    now = int(time.time())
    try:
        reply, _ = requests.enroll(connection, vault, device.encode(), request, now)
        if reply is None:
            registry.decide(connection, device, approve=True)
            reply, _ = requests.enroll(connection, vault, device.encode(), request, now)
    except Refused as refusal:
        raise Failure(
            f"the authority refuses the board's request: {refusal.reason}",
            "its claim was withdrawn, or the device revoked: --again begins anew",
        ) from None
    assert reply is not None
    return reply


def _take_share(connection: Connection, vault: Vault, device: str, shown: dict[str, Any], now: int) -> str:
    """Takes the box; the kid. The board says which certificate it has: only one of this device counts."""
    kid, box = shown.get("kid"), _unhex(shown.get("box"))
    known = schema.certificates.c
    row = connection.execute(select(known.device).where(known.kid == kid)).one_or_none()
    if kid is None or row is None or row.device != device:
        raise Failure("the board shows a certificate that is not its own", "--again begins anew")
    try:
        requests.share(connection, vault, kid.encode(), box, now)
    except Refused as refusal:
        raise Failure(f"the authority refuses the board's share: {refusal.reason}", "--again begins anew") from None
    return kid


def _unhex(text: object) -> bytes:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        raise Failure("the board answers what is not hexadecimal", "run the command again", NOT_READY) from None
