"""From a board on a cable to one that publishes: firmware, files, identity, start. One at a time, or all at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..failure import Failure
from . import esp, firmware, install, package
from .description import RealBoard
from .install import Running
from .link import Link
from .reach import repl


class Track(Protocol):
    """Where the progress of one board is shown."""

    def step(self, text: str) -> None: ...
    def progress(self, done: int, total: int) -> None: ...
    def finish(self, text: str) -> None: ...
    def fail(self, failure: Failure) -> None: ...


# Gives the board behind the link an identity and what it must know of its surroundings; returns what came of it, in words.
Provision = Callable[[Link, Running, Callable[[str], None]], str]


@dataclass(frozen=True)
class Plan:
    """What every board of a run gets. provision: None to leave identity and surroundings as they are."""

    board: RealBoard
    firmware: firmware.Wanted
    provision: Provision | None


def flash(plan: Plan, port: str | None, track: Track) -> str:
    """Everything for the board at this port; returns the port that it has afterwards. Safe to repeat at any point."""
    port = firmware.ensure(plan.board, port, plan.firmware, track.step, track.progress)
    with repl(port) as link:
        running = install.ask(link)
        firmware.check_chip(running, plan.board, port)
        said = finish(link, running, plan.provision, track)
    if plan.board.network == "serial":
        said += f"; its way to the broker: microseal bridge {port} --broker HOST"
    track.finish(said)
    return port


def finish(link: Link, running: Running, provision: Provision | None, track: Track) -> str:
    """What comes after the firmware: files, identity, start. Returns what the board is now, in words."""
    with link.restarting():
        track.step("comparing files")
        files = package.collect(running.arch, running.abi)
        if not running.sockets:
            files = package.without_sockets() | files
        track.step("installing")
        done = install.install(link, files, track.progress)
        track.step(f"{len(done.written)} of {len(files)} files written" if done.written else "all files were there")
        install.check_imports(link)
        if provision is None:
            return "installed, without an identity: microseal init makes an authority that gives it one"
        track.step("provisioning")
        # With an empty heap, and what was just installed.
        link.enter()
        return provision(link, running, track.step)


def flash_all(plan: Plan, port_list: Sequence[str], track_of: Callable[[str], Track]) -> list[Failure]:
    """Each of the ports in a thread of its own; the failures, once all are done. What ends one board is not the others' matter."""
    failures: list[Failure] = []

    def one(port: str, track: Track) -> None:
        try:
            flash(plan, port, track)
        except Failure as failure:
            track.fail(failure)
            failures.append(failure)
        except Exception as error:
            failure = Failure(
                f"{type(error).__name__}: {error}", "this is a mistake of flash.sh's own; please report it"
            )
            track.fail(failure)
            failures.append(failure)

    # Daemons: Ctrl-C in the main thread ends the process, and boards are safe to be left half-way.
    threads = [threading.Thread(target=one, args=(port, track_of(port)), daemon=True, name=port) for port in port_list]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    finally:
        esp.end_all()
    return failures
