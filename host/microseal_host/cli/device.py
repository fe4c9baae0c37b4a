"""`microseal device`: adds, lists, approves and revokes devices, and asks boards on a cable."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Annotated

import typer

from ..failure import USAGE, Failure
from . import claiming, network, options, output

app = typer.Typer(no_args_is_help=True, help="Add, list, approve and revoke devices.")

_Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="1 to 32 of A-Z a-z 0-9 . _ : -")]


@app.command("add", epilog="Example: [bold]microseal device add pump-3[/bold] writes pump-3.claim.json")
def add(
    ids: _Ids,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The claim file; default: ID.claim.json.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--directory", metavar="DIR", help="Where claim files go; default: here.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Another claim for a device that there is already, or was revoked.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace claim files that are in the way.")] = False,
    valid_days: options.ValidDays = None,
    broker: options.Broker = None,
    database: options.Database = "microseal.db",
    passphrase_file: options.PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Add devices: each gets a claim file, good for one enrolment.

    The file has a one-time secret: bring it to the device alone, over a cable, and delete it.
    """
    from ..authority import claims

    if out is not None and (len(ids) > 1 or directory is not None):
        raise Failure("--out is for one device", "use --directory for several", USAGE)

    def path_of(device: str) -> Path:
        return out or (directory or Path()) / claims.file_name(device)

    claiming.make(
        database,
        passphrase_file,
        claiming.Wanted(ids, path_of, again=again, force=force, valid_days=valid_days, broker=broker),
    )
    written = [{"id": device, "claim_file": str(path_of(device))} for device in ids]
    if as_json:
        output.print_json(written)
        return
    for entry in written:
        output.note(f"claim for {entry['id']} in {entry['claim_file']}")


@app.command(
    "list", epilog="Example: [bold]microseal device list --json | jq '.[] | select(.state==\"active\")'[/bold]"
)
def list_(database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """List devices: state, certificate, groups (p publishes, s subscribes)."""
    from ..authority import registry
    from ..authority.database import open_existing

    with open_existing(database).read() as connection:
        devices = registry.list_devices(connection, int(time.time()))
    if as_json:
        output.print_json(
            [
                {"id": d.id, "state": d.state, "kid": d.kid, "not_after": d.not_after, "groups": d.groups}
                for d in devices
            ]
        )
        return
    table = output.table("device", "state", "kid", "not after", "groups")
    for d in devices:
        groups = " ".join(f"{gid}:{roles}" for gid, roles in d.groups.items())
        table.add_row(d.id, d.state, d.kid or "-", output.date(d.not_after), groups)
    output.console().print(table)


@app.command("pending", epilog="Example: [bold]microseal device pending[/bold]")
def pending(database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """List the enrolments that wait for approval (where the authority was made with init --approval)."""
    from ..authority import registry
    from ..authority.database import open_existing

    with open_existing(database).read() as connection:
        found = registry.pending(connection)
    if as_json:
        output.print_json([{"id": device, "since": since} for device, since in found])
        return
    table = output.table("device", "since")
    for device, since in found:
        table.add_row(device, output.date(since))
    output.console().print(table)


@app.command(
    "approve",
    epilog="Examples: [bold]microseal device approve pump-3[/bold]; [bold]microseal device approve --all[/bold]",
)
def approve(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait now.")] = False,
    database: options.Database = "microseal.db",
    as_json: options.Json = False,
) -> None:
    """Let devices that wait for it enrol."""
    from ..authority import lease, registry
    from ..authority.database import open_existing

    if bool(ids) == everything:
        raise Failure("which ones?", "name devices, or --all", USAGE)
    store = open_existing(database)
    with store.write() as connection:
        chosen = [device for device, _ in registry.pending(connection)] if everything else ids or []
        for device in chosen:
            registry.decide(connection, device, approve=True)
    _say_decided(chosen, "approved", as_json)
    warn_if_idle(lease.is_running(store))


@app.command("reject", epilog="Example: [bold]microseal device reject pump-3[/bold]")
def reject(ids: _Ids, database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """Refuse devices that wait for approval; their claims are used up."""
    from ..authority import registry
    from ..authority.database import open_existing

    with open_existing(database).write() as connection:
        for device in ids:
            registry.decide(connection, device, approve=False)
    _say_decided(ids, "rejected", as_json)


def _say_decided(ids: list[str], decision: str, as_json: bool) -> None:
    if as_json:
        output.print_json([{"id": device} for device in ids])
    else:
        for device in ids:
            output.note(f"{device} is {decision}")


@app.command("revoke", epilog="Example: [bold]microseal device revoke pump-3[/bold]")
def revoke(ids: _Ids, database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """Take back devices' certificates, claims and memberships; their groups get new keys at once."""
    from ..authority import lease, registry
    from ..authority.database import open_existing

    store = open_existing(database)
    with store.write() as connection:
        taken = {device: registry.revoke_device(connection, device) for device in ids}
    if as_json:
        output.print_json([{"id": device, "certificates": count} for device, count in taken.items()])
    else:
        for device, count in taken.items():
            output.note(f"{device} is revoked, with {count} certificate{'' if count == 1 else 's'}")
    warn_if_idle(lease.is_running(store))


@app.command("info", epilog="Example: [bold]microseal device info /dev/ttyACM0[/bold]")
def info(
    port: Annotated[str, typer.Argument(metavar="PORT", help="A serial port, a PTY, or socket://HOST:PORT.")],
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start main.py again afterwards.")] = True,
    as_json: options.Json = False,
) -> None:
    """Ask the board on PORT who it is: id, epochs, free memory, native module, firmware. Stops what runs there."""
    from ..board.info import read_info
    from ..board.reach import Reach

    with Reach(port) as link, link.restarting(start):
        found = read_info(link)
    if as_json:
        output.print_json(dataclasses.asdict(found))
        return
    module = f"suites {' '.join(map(str, found.suites))}" if found.suites else "none that this board can load"
    table = output.table("", "")
    for name, value in (
        ("board", found.machine),
        ("firmware", found.firmware),
        ("native code", f"{found.mpy_arch}, ABI {found.mpy_abi}" if found.mpy_arch else "none"),
        ("package", found.package or "not installed"),
        ("module", module),
        ("device", found.id or "not provisioned"),
        ("kid", found.kid or "-"),
        ("not after", output.date(found.not_after)),
        ("epochs", " ".join(f"{gid}:{epoch}" for gid, epoch in found.epochs.items()) or "-"),
        ("link", found.link or "as it finds one"),
        ("memory", f"{found.free} of {found.heap} bytes free"),
        ("flash", f"{found.flash_free} of {found.flash} bytes free" if found.flash else "-"),
    ):
        table.add_row(name, str(value))
    output.console().print(table)


app.command("network", epilog=network.EXAMPLE)(network.network)


def warn_if_idle(running: bool) -> None:
    """A wish is only written down until the service takes it up."""
    if not running:
        output.note("no authority service is running: this takes effect when one does (microseal authority run)")
