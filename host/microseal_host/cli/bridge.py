"""`microseal bridge`: a board without a network reaches the broker through its cable."""

from __future__ import annotations

import asyncio
import signal
import ssl
from typing import Annotated

import typer

from ..failure import NOT_READY, Failure
from ..mqtt import Address, parse_address
from . import options, output
from .network import Port

EXAMPLE = "Example: [bold]microseal bridge /dev/ttyACM0 --broker broker.local[/bold]"


def bridge(
    port: Port,
    broker: Annotated[str, typer.Option("--broker", metavar="HOST[:PORT]", help="The one broker that it reaches.")],
    tls: options.Tls = False,
    ca_file: options.CaFile = None,
    silence: Annotated[
        float,
        typer.Option("--silence", min=1, metavar="S", help="A board that owes an answer for so long counts as gone."),
    ] = 90.0,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start main.py on a board that is at its prompt.")
    ] = True,
    stop: Annotated[
        bool, typer.Option("--stop", help="Interrupt the board at the end: it is at its prompt then.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show what the board prints.")] = False,
) -> None:
    """Carry the messages of the board on PORT to the broker and back, and show what it prints.

    The board was provisioned with --link serial. Runs until Ctrl-C; a board that is
    unplugged, or starts again, is waited for.
    """
    from ..board.bridge import Bridge

    # Not options.address: the user name and the password at the broker are the board's.
    secure = tls or ca_file is not None
    address = Address(*parse_address(broker, secure), secure, None if ca_file is None else str(ca_file))
    context = None
    if address.tls:
        try:
            context = ssl.create_default_context(cafile=address.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Failure(
                f"cannot use {address.ca_file or 'the system certificates'}: {error}", code=NOT_READY
            ) from None

    def show(line: str) -> None:
        if not quiet:
            typer.echo(output.visible(line))

    # As Ctrl-C: the board is told, or stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    asyncio.run(Bridge(port, address, output.note, show, context, silence, start, stop).run())
