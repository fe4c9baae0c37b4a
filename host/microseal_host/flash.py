"""`./flash.sh BOARD`: firmware, package, identity, start."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from microseal import crypto
from microseal.errors import MicrosealError
from microseal_host.backends import libcrypto
from microseal_host.board import description, images, ports
from microseal_host.board.description import EmulatedBoard, EspBoard, ProcessBoard, RealBoard
from microseal_host.board.display import Display
from microseal_host.board.firmware import Image, Wanted
from microseal_host.board.flashing import Plan, flash, flash_all
from microseal_host.board.identity import Identity, Surroundings, prepare
from microseal_host.cli import options
from microseal_host.cli.output import fail, note
from microseal_host.failure import INTERRUPTED, NEGATIVE, USAGE, Failure

EPILOG = (
    "Examples: [bold]./flash.sh pico_w --wifi home --id pump-3 --publish plant-7[/bold]; "
    "[bold]./flash.sh esp32 --all --id 'pump-{}' --publish plant-7[/bold]"
)


def main(
    name: Annotated[str | None, typer.Argument(metavar="BOARD", show_default=False)] = None,
    port: Annotated[str | None, typer.Option("--port", metavar="P", help="Where it is, e.g. /dev/ttyACM0.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every such board that is plugged in, at once.")] = False,
    wifi: Annotated[str | None, typer.Option("--wifi", metavar="SSID", help="The Wi-Fi that it is to join.")] = None,
    wifi_password_file: Annotated[
        str | None,
        typer.Option(
            "--wifi-password-file",
            metavar="FILE",
            help="Read its password from this file, - for stdin; else from MICROSEAL_WIFI_PASSWORD, or a prompt.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Who it is to be; {} stands for the end of the chip's number."),
    ] = None,
    publish: Annotated[
        list[str] | None, typer.Option("--publish", metavar="GROUP", help="A group that it publishes in.")
    ] = None,
    subscribe: Annotated[
        list[str] | None, typer.Option("--subscribe", metavar="GROUP", help="A group that it listens to.")
    ] = None,
    image_file: Annotated[
        Path | None, typer.Option("--firmware", metavar="FILE", help="This image, not the one of the board's file.")
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase all of its flash first, identity and files too.")
    ] = False,
    reflash: Annotated[
        bool, typer.Option("--reflash", help="Write the image also if the MicroPython that is there would do.")
    ] = False,
    drive: Annotated[
        Path | None, typer.Option("--drive", metavar="DIR", help="Where the boot ROM's drive is mounted (Pico).")
    ] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Fetch the image, show its SHA-256, and write it into the board's file.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="A new identity for a device that has one already.")] = False,
    broker: options.Broker = None,
    database: options.Database = "microseal.db",
    passphrase_file: options.PassphraseFile = None,
    seen: Annotated[bool, typer.Option("--seen", hidden=True)] = False,
) -> None:
    """Writes MicroPython to a board where it is not there yet, installs microseal, gives the board its identity, and starts it.

    Safe to repeat: only what is missing or has changed is written, and a sketch
    of your own in app.py is left alone.
    """
    os.umask(0o077)
    # As Ctrl-C: the terminal is left as it was, and no esptool goes on alone.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    crypto.use(libcrypto)
    if seen or name is None:
        for line in ports.describe(description.load_all(), ports.look()) or ["nothing that is known here"]:
            typer.echo(f"  {line}")
        return
    board = description.find(name)
    if isinstance(board, ProcessBoard | EmulatedBoard):
        raise Failure(f"{board.name} is no board on a cable", f"./flash.sh {board.name}", USAGE)
    if pin:
        pin_image(board)
        return
    if every and port is not None:
        raise Failure("either --port or --all", code=USAGE)
    if drive is not None and isinstance(board, EspBoard):
        raise Failure("--drive is for boards whose boot ROM is a drive", code=USAGE)
    if erase:
        confirm_erasing()
    surroundings = Surroundings(wifi, wifi_password_file, broker)
    identity = Identity(device, tuple(publish or ()), tuple(subscribe or ()), database, passphrase_file, again)
    provision = prepare(board, identity, surroundings, several=every)
    display = Display()

    def approve(sha256: str) -> bool:
        with display.paused():
            return approve_image(board, sha256)

    image = Image(board, image_file, approve, images.cache_folder())
    plan = Plan(board, Wanted(image, erase, reflash, drive), provision)
    if every:
        flash_every(plan, display)
        return
    chosen = ports.choose(board, port, ports.look())
    if chosen is None and isinstance(board, EspBoard):
        raise ports.no_board(board)
    with display:
        flash(plan, chosen, display.track(chosen or board.name))


def flash_every(plan: Plan, display: Display) -> None:
    found = [each.device for each in ports.of_board(plan.board, ports.look())]
    if not found:
        raise ports.no_board(plan.board)
    with display:
        failures = flash_all(plan, found, display.track)
    note(f"{len(found) - len(failures)} of {len(found)} boards are done")
    if failures:
        raise typer.Exit(NEGATIVE)


def pin_image(board: RealBoard) -> None:
    """Writes the hash of the image that the URL has now into the board's file, if the person says that it is right."""
    image = board.image.model_copy(update={"sha256": ""})
    with Display() as display:
        track = display.track(board.name)
        track.step(f"fetching {image.url}")
        fetched = images.fetch(image, images.cache_folder(), track.progress)
    if fetched.sha256 == board.image.sha256:
        note(f"{board.file.name} has this hash already: {fetched.sha256}")
        return
    note(f"{board.image.url}\n  SHA-256 {fetched.sha256}")
    if board.image.sha256:
        note(f"  so far  {board.image.sha256}")
    note("Compare it with that of another download, best by another way or from somebody else.")
    if not ask("Write it into " + board.file.name):
        images.discard(fetched)
        raise typer.Exit(NEGATIVE)
    images.pin(board, fetched.sha256)
    note(f"{board.file.name}: sha256 is pinned; commit it")


def approve_image(board: RealBoard, sha256: str) -> bool:
    note(f"\nNobody has pinned the hash of {board.image.url} yet.\n  SHA-256 {sha256}")
    if not ask("Use it, and pin it in " + board.file.name):
        return False
    images.pin(board, sha256)
    return True


def confirm_erasing() -> None:
    if sys.stdin.isatty() and not ask("Erase all files and the identity of the board"):
        raise typer.Exit(NEGATIVE)


def ask(question: str) -> bool:
    """Yes or no from the person at the terminal; no where there is none."""
    return sys.stdin.isatty() and typer.confirm(question + "?", err=True)


class Command(TyperCommand):
    """Expected errors end it with a line that says what to do, never with a traceback."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except Failure as failure:
            fail(str(failure), failure.hint)
            code = failure.code
        except MicrosealError as error:
            fail(str(error))
            code = NEGATIVE
        except (KeyboardInterrupt, typer.Abort):  # the second: at a question
            fail("stopped", "the board is safe to be left so: run the same command again")
            code = INTERRUPTED
        raise typer.Exit(code)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(cls=Command, epilog=EPILOG)(main)

if __name__ == "__main__":
    app(prog_name="./flash.sh")
