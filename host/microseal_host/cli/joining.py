"""What `listen` and `publish` have in common: the identity, the connection, and waiting until there is something to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..failure import NOT_READY, Failure
from ..member.client import MemberClient
from ..member.identity import IdentityDirectory
from . import output

Identity = Annotated[
    Path,
    typer.Option(
        "--identity",
        envvar="MICROSEAL_IDENTITY",
        metavar="DIR",
        help="Where this member's keys lie. One process at a time.",
    ),
]
Claim = Annotated[
    Path | None,
    typer.Option(
        "--claim",
        metavar="FILE",
        help="The first time: the claim file that `microseal device add` wrote. It is used up.",
    ),
]
DEFAULT_IDENTITY = Path("microseal-identity")


@contextmanager
def opened(identity: Path, claim: Path | None) -> Iterator[IdentityDirectory]:
    """The identity, provisioned from the claim file if it is new."""
    if claim is None and not identity.is_dir():
        raise _unknown(identity)
    with IdentityDirectory(identity) as directory:
        if not directory.is_provisioned:
            if claim is None:
                raise _unknown(identity)
            directory.provision(claim)
        elif claim is not None and claim.exists():
            output.note(f"{identity} has an identity already; {claim} is not used")
        yield directory


def _unknown(identity: Path) -> Failure:
    return Failure(
        f"there is no identity in {identity}",
        "enrol one: microseal device add ID at the authority, then --claim ID.claim.json here",
        NOT_READY,
    )


def wait(client: MemberClient, done: Callable[[], bool], seconds: float | None, still: Callable[[], str]) -> None:
    """Waits until done() is true and shows meanwhile what for; Failure if it takes longer than `seconds`.

    still(): what a connected member that is enrolled waits for.
    """

    def missing() -> str:
        if not client.connected:
            return f"no connection to the broker{': ' + client.trouble if client.trouble else ''}"
        if not client.member.enrolled:
            return "no answer to the enrolment: is `microseal authority run` connected to this broker?"
        return still()

    end = None if seconds is None else time.monotonic() + seconds
    console = Console(stderr=True, highlight=False, markup=False)
    with console.status("connecting") as status:
        while not done():
            left = 1.0 if end is None else end - time.monotonic()
            if left <= 0:
                raise Failure(missing(), code=NOT_READY)
            client.step(min(left, 0.1))
            status.update(output.visible(missing()))
