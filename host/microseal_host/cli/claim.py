"""`microseal claim`: one-time claims, for one device or for a batch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..failure import USAGE, Failure
from . import claiming, options, output

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke one-time claims.")


@app.command(
    "create",
    epilog="Examples: [bold]microseal claim create pump-3 --valid-days 30[/bold]; "
    "[bold]microseal claim create --count 1000 --prefix pump- --csv pumps.csv --qr pumps.html[/bold]",
)
def create(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="1 to 32 of A-Z a-z 0-9 . _ : -")] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, max=5000, help="Number so many ids after --prefix.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", metavar="TEXT", help="What numbered ids begin with.")] = "",
    first: Annotated[int, typer.Option("--first", metavar="N", min=0, help="The first number.")] = 1,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="A table of all: id, expires, text of the claim file.")
    ] = None,
    qr: Annotated[
        Path | None, typer.Option("--qr", metavar="FILE", help="A page of HTML to print, a QR code for each.")
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", metavar="DIR", help="A claim file for each; default: here, unless --csv or --qr."),
    ] = None,
    valid_days: options.ValidDays = None,
    again: Annotated[
        bool, typer.Option("--again", help="Another claim for devices that there are already, or were revoked.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are in the way.")] = False,
    broker: options.Broker = None,
    database: options.Database = "microseal.db",
    passphrase_file: options.PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Make claims, each good for one enrolment of one device; devices that are new are added.

    The files have the secrets in them: only their owner can read them. Delete
    them when the devices have taken them in.
    """
    from ..authority import claims

    names = _names(ids or [], count, prefix, first)
    folder = directory if directory is not None or csv or qr else Path()
    wanted = claiming.Wanted(
        names,
        None if folder is None else lambda device: folder / claims.file_name(device),
        csv,
        qr,
        again,
        force,
        valid_days,
        broker,
    )
    made = claiming.make(database, passphrase_file, wanted)
    written = [str(path) for path in (csv, qr) if path is not None]
    if as_json:
        entries = [
            {"id": each.device, "not_after": each.not_after}
            | ({} if wanted.path_of is None else {"claim_file": str(wanted.path_of(each.device))})
            for each in made
        ]
        output.print_json({"claims": entries, "files": written})
        return
    if folder is not None:
        written.append(str(folder / claims.file_name(names[0])) + (" and beside it" if len(names) > 1 else ""))
    output.note(f"{len(made)} claim{'' if len(made) == 1 else 's'} in {', '.join(written)}")


def _names(ids: list[str], count: int | None, prefix: str, first: int) -> list[str]:
    if count is None:
        if not ids:
            raise Failure("no ids", "name devices, or give --count N --prefix TEXT", USAGE)
        if prefix:
            raise Failure("--prefix is for --count", code=USAGE)
        return ids
    if ids:
        raise Failure("either ids or --count", code=USAGE)
    last = first + count - 1
    return [f"{prefix}{number:0{len(str(last))}d}" for number in range(first, last + 1)]


@app.command("list", epilog="Example: [bold]microseal claim list --open[/bold] shows those that may still be used")
def list_(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that may still be used.")] = False,
    database: options.Database = "microseal.db",
    as_json: options.Json = False,
) -> None:
    """List claims: device, state, when made and used, when it expires. Never their secrets."""
    from ..authority import claims
    from ..authority.database import open_existing

    with open_existing(database).read() as connection:
        found = claims.list_claims(connection, int(time.time()))
    if only_open:
        found = [claim for claim in found if claim.state == claims.OPEN]
    if as_json:
        output.print_json(
            [
                {"id": c.device, "state": c.state, "made": c.made, "not_after": c.not_after, "used": c.used}
                for c in found
            ]
        )
        return
    table = output.table("device", "state", "made", "not after", "used")
    for c in found:
        table.add_row(c.device, c.state, output.date(c.made), output.date(c.not_after), output.date(c.used))
    output.console().print(table)


@app.command("revoke", epilog="Example: [bold]microseal claim revoke pump-3[/bold] when its claim file was lost")
def revoke(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Devices whose open claim is taken back.")],
    database: options.Database = "microseal.db",
    as_json: options.Json = False,
) -> None:
    """Take back claims that were not used yet; what enrolled with a claim is revoked by `device revoke`."""
    from ..authority import claims
    from ..authority.database import open_existing

    with open_existing(database).write() as connection:
        for device in ids:
            claims.revoke(connection, device, int(time.time()))
    if as_json:
        output.print_json([{"id": device} for device in ids])
    else:
        for device in ids:
            output.note(f"the claim of {device} is taken back")
