"""`microseal authority`: the service that answers devices."""

from __future__ import annotations

import json
import logging
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from ..failure import INTERRUPTED, NEGATIVE
from ..mqtt import from_claim
from . import options, output

app = typer.Typer(no_args_is_help=True, help="Run the service that answers devices and makes group keys.")


@app.command("run", epilog="Example: [bold]microseal authority run --broker broker.local[/bold]")
def run(
    database: options.Database = "microseal.db",
    passphrase_file: options.PassphraseFile = None,
    broker: options.Broker = None,
    tls: options.Tls = False,
    ca_file: options.CaFile = None,
    username: options.Username = None,
    password_file: options.PasswordFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log only what is wrong.")] = False,
) -> None:
    """Answer enrolments, shares and the time, and keep every group's keys as the operator wishes.

    Runs until Ctrl-C or SIGTERM; logs to stderr. One service at a time on a database.
    """
    from ..authority import vault
    from ..authority.database import open_existing
    from ..authority.service import Service

    store = open_existing(database)
    with store.read() as connection:
        default = from_claim(json.loads(connection.execute(vault.broker_query()).scalar_one()))
    address = options.address(default, broker, tls, ca_file, username, password_file)
    with store.read() as connection:
        opened = vault.open_vault(connection, options.passphrase(passphrase_file))
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING if quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    service = Service(store, opened, address)
    stopped_by: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped_by.append(number)
        service.stop.set()
        # A second one need not wait for what is on its way.
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    service.run()
    store.close()
    if signal.SIGINT in stopped_by:
        raise typer.Exit(INTERRUPTED)


@app.command("status", epilog="Example: [bold]microseal authority status || systemctl restart microseal[/bold]")
def status(database: options.Database = "microseal.db", as_json: options.Json = False) -> None:
    """Say whether a service is running on the database (exit code 0 or 1), and what it still has to publish."""
    from ..authority import board, lease
    from ..authority.database import open_existing

    store = open_existing(database)
    running = lease.is_running(store)
    with store.read() as connection:
        unpublished = board.count_dirty(connection)
    if as_json:
        output.print_json({"running": running, "unpublished": unpublished})
    else:
        what = "running" if running else "not running"
        output.console().print(f"{what}, {unpublished} messages to publish")
    if not running:
        raise typer.Exit(NEGATIVE)
