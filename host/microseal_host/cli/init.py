"""`microseal init`: makes an authority."""

from __future__ import annotations

from typing import Annotated

import typer

from ..mqtt import parse_address
from . import options, output

EXAMPLE = "Example: [bold]microseal init --broker broker.local[/bold]"


def init(
    database: options.Database = "microseal.db",
    broker: Annotated[
        str, typer.Option("--broker", metavar="HOST[:PORT]", help="Where devices find the broker.")
    ] = "localhost",
    tls: Annotated[bool, typer.Option("--tls", help="Devices talk to it through TLS.")] = False,
    suite: Annotated[
        int, typer.Option("--suite", min=1, max=2, help="1: P-256 and SHA-256; 2: curveSM2 and SM3. For good.")
    ] = 1,
    device_days: Annotated[
        int, typer.Option("--device-days", min=1, max=36500, help="How long a device's certificate is good for.")
    ] = 730,
    approval: Annotated[
        bool, typer.Option("--approval", help="Devices enrol only when approved: see microseal device pending.")
    ] = False,
    passphrase_file: options.PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Make an authority: its keys, encrypted under a passphrase, in a new database."""
    from ..authority import founding

    host, port = parse_address(broker, tls)
    place: dict[str, object] = {"host": host, "port": port}
    if tls:
        place["tls"] = True
    settings = founding.Settings(suite, place, device_lifetime=device_days * founding.DAY, approval=approval)
    made, anchor = founding.found(database, settings, options.passphrase(passphrase_file, new=True))
    made.close()
    if as_json:
        output.print_json({"database": made.name, "suite": suite, "authority": anchor.public.hex(), "broker": place})
        return
    output.note(f"authority made in {made.name}, suite {suite}; keep a copy of it, and of the passphrase elsewhere")
    output.note("next: microseal authority run, microseal device add ID")
