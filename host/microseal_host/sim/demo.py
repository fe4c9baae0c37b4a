"""The demonstration: broker, attacker, authority, devices, and a listener that shows what it verified and what it refused."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from microseal.clock import SystemClock
from microseal.envelope import ANONYMOUS
from microseal_host.failure import NOT_READY, Failure
from microseal_host.member.client import MemberClient
from microseal_host.member.identity import IdentityDirectory
from microseal_host.mqtt import Address
from microseal_host.sim.board import CLAIM, Board, write_claim
from microseal_host.sim.broker import start_broker
from microseal_host.sim.children import Child, Children
from microseal_host.sim.plant import Plant
from microseal_host.sim.relay import Relay
from microseal_host.sim.view import View

LISTENER = "listener"
PATIENCE = 60.0  # s without a verified message after which something must be wrong


@dataclass(frozen=True)
class Options:
    """devices: how many; mode: 1 to 3; alter_every: every how many messages the relay alters one, 0 for none; messages,
    seconds: when to end, None for not at all; folder: where to work, None for a new one that is removed afterwards.
    """

    devices: int
    mode: int
    alter_every: int
    messages: int | None
    seconds: float | None
    folder: Path | None


def run(board: Board, options: Options, view: View) -> None:
    """Runs until there were enough messages, or the time is up.

    Everything that it started has ended when it returns or raises.
    """
    with _folder(board, options.folder) as folder, Children() as children:
        broker = start_broker(children, folder)
        address = Address(broker.host, broker.port)
        with (
            Relay(broker.host, broker.port, every=options.alter_every) as relay,
            Plant(folder, address, mode=options.mode) as plant,
        ):
            view.progress(f"broker on {address}, tampering relay on port {relay.port}; files in {folder}")
            devices = [f"sim-{number}" for number in range(1, options.devices + 1)]
            claims = {device: plant.admit(device, port=relay.port, publish=True) for device in devices}
            claim = plant.admit(LISTENER, port=broker.port, subscribe=True)
            plant.start()
            with _listener(folder, claim, address, view) as listener:
                _let_start_pass(listener, options.mode, view)
                processes = []
                for device in devices:
                    flash = folder / device
                    write_claim(flash, claims[device])
                    processes.append(board.start(children, device, flash))
                view.progress(f"{len(devices)} devices start and enrol")

                def check() -> None:
                    children.check()
                    plant.check()

                _listen(listener, options, view, check, lambda: _trouble(plant, processes))
        view.summary(relay.altered)


@contextmanager
def _folder(board: Board, wanted: Path | None) -> Iterator[Path]:
    """A folder for this user alone. One that was not asked for by name is removed, unless something went wrong."""
    if wanted is not None:
        try:
            wanted.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise Failure(
                f"{wanted} exists already", "every run makes an authority of its own: give a new --dir"
            ) from None
        yield wanted
        return
    base = board.root / "build/sim"
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))  # mode 0700
    keep = False
    try:
        yield folder
    except Exception as error:
        keep = not isinstance(error, BrokenPipeError)  # for its logs
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _listener(folder: Path, claim: str, address: Address, view: View) -> Iterator[MemberClient]:
    """A member like any other, with an identity of its own; it has nothing of the authority's but its claim."""
    write_claim(folder / "claim", claim)
    with IdentityDirectory(folder / LISTENER) as directory:
        directory.provision(folder / "claim" / CLAIM)
        with MemberClient(directory.member(), address, None, view.message, view.refusal) as client:
            yield client


def _let_start_pass(listener: MemberClient, mode: int, view: View) -> None:
    """A receiver takes nothing dated in or before the second of its start and its clock's slack (rule 5 of section 6), so
    devices that start now would have their first messages refused. Meanwhile the listener enrols.
    """
    first = int(time.time()) + SystemClock.slack
    listener.wait_for(lambda: time.time() >= first, SystemClock.slack + 1)
    if mode == ANONYMOUS:
        begin = time.strftime("%H:%M:%S", time.localtime(first - first % 30 + 30))
        view.progress(
            f"mode 3 rounds times down to 30 s, so until {begin} its messages look older than the listener's start"
        )


def _listen(
    listener: MemberClient, options: Options, view: View, check: Callable[[], None], trouble: Callable[[], str]
) -> None:
    """check() raises when something that is needed has ended; trouble() says what is missing when nothing arrives."""
    start = last = time.monotonic()
    verified = 0
    while options.messages is None or view.verified < options.messages:
        now = time.monotonic()
        if options.seconds is not None and now - start >= options.seconds:
            break
        if view.verified > verified:
            verified, last = view.verified, now
        elif now - last > PATIENCE:
            raise Failure(f"nothing has arrived for {PATIENCE:.0f} s", trouble(), NOT_READY)
        listener.step(0.2)
        check()


def _trouble(plant: Plant, devices: list[Child]) -> str:
    """What the members wait for, and the last words of each device."""
    lines = list(plant.waiting())
    for device in devices:
        words = device.log_tail(1)
        lines.append(f"{device.name} last said: {words}" if words else f"{device.name} said nothing; see {device.log}")
    return "\n".join(lines)
