"""`./flash.sh pico_emulated`: a Pico's real firmware in an emulator, flashed, provisioned over its cable, and publishing.

Around it stand a broker, an authority and a listener of their own; the board reaches the broker through the bridge.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console

from microseal import crypto
from microseal_host.backends import libcrypto
from microseal_host.board import install, package
from microseal_host.board.bridge import Bridge
from microseal_host.board.emulated import EmulatedPico
from microseal_host.board.flashing import finish
from microseal_host.board.link import Link
from microseal_host.board.provision import Wanted, provision
from microseal_host.board.reach import repl
from microseal_host.cli.output import visible
from microseal_host.failure import NOT_READY, Failure
from microseal_host.flash import Command
from microseal_host.member.client import MemberClient
from microseal_host.member.identity import IdentityDirectory
from microseal_host.mqtt import Address
from microseal_host.sim.board import CLAIM, write_claim
from microseal_host.sim.broker import BrokerError, start_broker
from microseal_host.sim.children import ChildFailed, Children, Stopped, stop_on_signals
from microseal_host.sim.plant import GID, Plant
from microseal_host.sim.view import View

DEVICE = "pico"
LISTENER = "listener"
EPILOG = "Example: ./flash.sh pico_emulated --messages 3"
# A sketch of its own, since its clock runs many times slower than everybody else's: it asks for the time again before it is too far
# behind, and does not wait for long between two readings.
SKETCH = b"""
import json

import readings
from microseal.ticks import sleep_ms


def run(client):
    client.member._resync = 1000
    while True:
        for topic in client.topics():
            client.publish(topic, json.dumps(readings.read()))
        for _ in range(5):
            client.check_msg()
            sleep_ms(20)
"""
# The emulator is some thirty times slower than the chip, and this machine may be busy.
PATIENCE = 400.0  # s without a byte from the board
SILENCE = 600.0  # s without a verified message after which something must be wrong


def main(
    mode: Annotated[
        int, typer.Option(min=1, max=3, help="1 signed, 2 signed and secret, 3 signed, secret and anonymous.")
    ] = 2,
    messages: Annotated[int | None, typer.Option(min=1, metavar="N", help="End after N verified messages.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="End S seconds after the board has started.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Starts an emulated Pico with MicroPython's real firmware, installs microseal, provisions it over its cable, and shows what a
    listener verified of what it publishes. Ctrl-C ends it.
    """
    os.umask(0o077)
    stop_on_signals()
    crypto.use(libcrypto)
    view = View(Console(highlight=False, markup=False, emoji=False), as_json=as_json)
    try:
        _run(mode, messages, seconds, view)
    except (ChildFailed, BrokerError) as error:
        raise Failure(str(error), code=NOT_READY) from None
    except BrokenPipeError:
        # Whoever read this has seen enough (| head). Nothing is to be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(128 + signal.SIGPIPE) from None
    except Stopped as stopped:
        raise typer.Exit(128 + stopped.number) from None


def _run(mode: int, messages: int | None, seconds: float | None, view: View) -> None:
    with _folder() as folder, Children() as children:
        broker = start_broker(children, folder)
        address = Address(broker.host, broker.port)
        with Plant(folder, address, mode=mode) as plant:
            claim = plant.admit(LISTENER, port=broker.port, subscribe=True)
            plant.start()
            with _listener(folder, claim, address, view) as listener, _flashed(folder, view) as pico:
                with repl(pico.port, seconds=PATIENCE, patience=PATIENCE) as link:
                    _set_up(link, plant, view)
                with _Bridging(pico.port, address, view) as bridging:
                    _listen(listener, plant, bridging, view, messages, seconds)
    view.progress(f"verified: {view.verified}, refused: {view.refused}")


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for this user alone, which is removed, unless something went wrong."""
    base = package.ROOT / "build/sim"
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="pico-", dir=base))
    try:
        yield folder
    except Exception:
        print(f"logs are kept in {folder}", file=sys.stderr)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _listener(folder: Path, claim: str, address: Address, view: View) -> Iterator[MemberClient]:
    write_claim(folder / "claim", claim)
    with IdentityDirectory(folder / LISTENER) as directory:
        directory.provision(folder / "claim" / CLAIM)
        with MemberClient(directory.member(), address, None, view.message, view.refusal) as client:
            yield client


@contextmanager
def _flashed(folder: Path, view: View) -> Iterator[EmulatedPico]:
    """A Pico with power, firmware, and the package on its flash: over its cable the files would take minutes."""
    view.progress("writing firmware and files to the flash of an emulated Pico")
    files = package.without_sockets() | package.collect("armv6m", "6.3")
    # Without what starts by itself: it comes last, by the cable, as on every board.
    files.pop(package.START)
    files["app.py"] = SKETCH
    with EmulatedPico.make(folder / "flash", files=files) as pico:
        view.progress(f"it is on {pico.port}")
        yield pico


class _Steps:
    """A Track of the view."""

    def __init__(self, view: View) -> None:
        self._view = view

    def step(self, text: str) -> None:
        self._view.progress(text)

    def progress(self, done: int, total: int) -> None:
        pass

    def finish(self, text: str) -> None:
        self._view.progress(text)

    def fail(self, failure: Failure) -> None:
        raise failure


def _set_up(link: Link, plant: Plant, view: View) -> None:
    """As with a real board; its firmware is the one that was just written."""
    running = install.ask(link)
    view.progress(f"{running.machine}, MicroPython {'.'.join(map(str, running.release))}")
    wanted = Wanted(DEVICE, publish=(GID,), network={"link": "serial"})

    def give(link: Link, running: install.Running, say: object) -> str:
        done = provision(link, plant.database, plant.vault, wanted, say=view.progress)
        return f"{done.device} has the certificate {done.kid}"

    view.progress(finish(link, running, give, _Steps(view)))


class _Bridging:
    """The bridge, in a thread of its own. Context manager."""

    def __init__(self, port: str, address: Address, view: View) -> None:
        self.last = ""  # what the board said last
        self._failure: BaseException | None = None
        self._bridge = Bridge(port, address, view.progress, self._show, silence=PATIENCE)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)

    def _show(self, line: str) -> None:
        self.last = visible(line)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        def cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop ended just now
                self._loop.call_soon_threadsafe(cancel)
        self._thread.join(5)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._bridge.run())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # told to the main thread, whatever it is
            self._failure = error

    def check(self) -> None:
        """Raises what ended the bridge, if it has ended."""
        if self._failure is not None:
            raise self._failure


def _listen(
    listener: MemberClient,
    plant: Plant,
    bridging: _Bridging,
    view: View,
    messages: int | None,
    seconds: float | None,
) -> None:
    start = last = time.monotonic()
    verified = 0
    while messages is None or view.verified < messages:
        now = time.monotonic()
        if seconds is not None and now - start >= seconds:
            break
        if view.verified > verified:
            verified, last = view.verified, now
        elif now - last > SILENCE:
            waiting = "\n".join([*plant.waiting(), f"the board last said: {bridging.last}"])
            raise Failure(f"nothing has arrived for {SILENCE:.0f} s", waiting, NOT_READY)
        listener.step(0.2)
        plant.check()
        bridging.check()


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.command(cls=Command, epilog=EPILOG)(main)

if __name__ == "__main__":
    app(prog_name="./flash.sh pico_emulated")
