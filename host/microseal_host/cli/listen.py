"""`microseal listen`: shows the messages of groups, verified and decrypted."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.text import Text

from microseal.inbox import Message

from ..failure import NEGATIVE, NOT_READY, Failure
from ..member.client import MemberClient
from . import joining, options, output

EXAMPLE = (
    "Example: [bold]microseal listen plant-7 --claim laptop.claim.json[/bold], later [bold]microseal listen[/bold]"
)


def listen(
    groups: Annotated[
        list[str] | None, typer.Argument(metavar="[GROUP]...", help="Default: all groups that this member is in.")
    ] = None,
    identity: joining.Identity = joining.DEFAULT_IDENTITY,
    claim: joining.Claim = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, metavar="N", help="End after so many messages.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0, metavar="S", help="End after so many seconds: code 1, or 3 if never ready."),
    ] = None,
    show_refused: Annotated[bool, typer.Option("--refused", help="Show also what was refused, and why.")] = False,
    broker: options.Broker = None,
    tls: options.Tls = False,
    ca_file: options.CaFile = None,
    username: options.Username = None,
    password_file: options.PasswordFile = None,
    as_json: options.Json = False,
) -> None:
    """Show who sent what: sender, mode, age and value of every message that passes every check.

    Listens as a member of its own, enrolled like a device.
    """
    view = _View(as_json, show_refused)
    wanted = frozenset(gid.encode() for gid in groups) if groups else None
    end = None if timeout is None else time.monotonic() + timeout
    with joining.opened(identity, claim) as directory:
        address = options.address(directory.address(), broker, tls, ca_file, username, password_file)
        with MemberClient(directory.member(), address, wanted, view.message, view.refused) as client:
            me = client.member.id.decode()

            def still() -> str:
                if client.trouble:
                    return client.trouble
                missing = (wanted or frozenset()) - _joined(client)
                if missing:
                    names = ", ".join(sorted(gid.decode() for gid in missing))
                    return f"{me} is not in {names} yet: microseal group add GROUP {me} --subscribe"
                if not client.heard_filters():
                    where = "no group yet" if not _joined(client) else "no group in which it hears anything"
                    return f"{me} is in {where}: microseal group add GROUP {me} --subscribe"
                if client.deaf_for:
                    return f"{me} has just started: messages are taken in {client.deaf_for} s"
                return "the broker has not confirmed the subscriptions"

            def ready() -> bool:
                return client.listening and (wanted is None or wanted <= _joined(client))

            joining.wait(client, ready, timeout, still)
            output.note(f"{me} listens to {', '.join(sorted(gid.decode() for gid in _joined(client)))}")
            while count is None or view.shown < count:
                if end is not None and time.monotonic() >= end:
                    raise typer.Exit(NEGATIVE if count is not None else 0)
                if end is None and not client.connected and client.trouble.startswith("the broker refuses"):
                    raise Failure(client.trouble, code=NOT_READY)
                client.step(0.2)


def _joined(client: MemberClient) -> frozenset[bytes]:
    return frozenset(group.gid for group in client.current_groups())


class _View:
    """Prints messages as they come. Nothing that a sender or the broker chose reaches the terminal as control characters."""

    def __init__(self, as_json: bool, show_refused: bool) -> None:
        self._json = as_json
        self._show_refused = show_refused
        self._console = output.console()
        self.shown = 0

    def message(self, message: Message) -> None:
        self.shown += 1
        age = max(0.0, time.time() - message.t)
        text = _printable(message.payload)
        if self._json:
            shown: dict[str, object] = {
                "verified": True,
                "group": message.gid.decode(),
                "sender": message.sender.decode(),
                "kid": message.kid.hex(),
                "topic": message.topic.decode(),
                "query": bool(message.direction),
                "mode": message.mode,
                "time": message.t,
                "age": round(age, 1),
                "stale": message.stale,
            }
            output.print_json(shown | ({"hex": message.payload.hex()} if text is None else {"value": text}))
            return
        line = Text.assemble(
            (time.strftime("%H:%M:%S ", time.localtime()), "dim"),
            (message.sender.decode(), "bold"),
            f"  mode {message.mode}  {_age(age)}  ",
            (output.visible(message.topic.decode()), "cyan"),
            "  ",
            text if text is not None else f"0x{message.payload.hex()}",
        )
        if message.direction:
            line.append("  query", style="magenta")
        if message.stale:
            line.append("  stale", style="yellow")
        self._console.print(line)

    def refused(self, topic: bytes, reason: str) -> None:
        if not self._show_refused:
            return
        name = topic.decode()
        if self._json:
            output.print_json({"verified": False, "topic": name, "reason": reason})
        else:
            output.note(f"refused on {output.visible(name)}: {reason}")


def _printable(payload: bytes) -> str | None:
    """The payload as text, None if it is not all printable."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
