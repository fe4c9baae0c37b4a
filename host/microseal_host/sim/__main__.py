"""`./flash.sh sim`: simulated devices that publish sealed messages through a real broker."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from microseal import crypto
from microseal_host.backends import libcrypto
from microseal_host.cli.output import fail
from microseal_host.failure import INTERRUPTED, NOT_READY, Failure
from microseal_host.sim.board import Board
from microseal_host.sim.broker import BrokerError
from microseal_host.sim.children import ChildFailed, Stopped, stop_on_signals
from microseal_host.sim.demo import Options, run
from microseal_host.sim.view import View

EPILOG = "Example: ./flash.sh sim --devices 5 --mode 3"


def main(
    board: Annotated[Path, typer.Option(hidden=True)],
    devices: Annotated[int, typer.Option(min=1, max=32, help="How many devices.")] = 3,
    mode: Annotated[
        int, typer.Option(min=1, max=3, help="1 signed, 2 signed and secret, 3 signed, secret and anonymous.")
    ] = 2,
    alter_every: Annotated[
        int, typer.Option(min=0, metavar="N", help="The relay alters every N-th message; 0 for none.")
    ] = 5,
    messages: Annotated[int | None, typer.Option(min=1, metavar="N", help="End after N verified messages.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, metavar="S", help="End after S seconds.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where to work and what to keep. Default: a folder that is removed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Starts a broker, an authority, a relay that alters messages, and devices: MicroPython running firmware/main.py with the
    native module. Shows what a listener verified, and what it refused. Ctrl-C ends all of it.
    """
    os.umask(0o077)
    stop_on_signals()
    crypto.use(libcrypto)
    view = View(Console(highlight=False, markup=False, emoji=False), as_json=as_json)
    options = Options(devices, mode, alter_every, messages, seconds, folder and folder.absolute())
    try:
        run(Board.load(board), options, view)
    except Failure as failure:
        fail(str(failure), failure.hint)
        sys.exit(failure.code)
    except (ChildFailed, BrokerError) as error:
        fail(str(error))
        sys.exit(NOT_READY)
    except BrokenPipeError:
        # Whoever read this has seen enough (| head). Nothing is to be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        view.progress("stopped")
        sys.exit(INTERRUPTED)
    except Stopped as stopped:
        sys.exit(128 + stopped.number)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(epilog=EPILOG)(main)

if __name__ == "__main__":
    app(prog_name="./flash.sh sim")
