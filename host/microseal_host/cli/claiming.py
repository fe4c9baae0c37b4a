"""Making claims, as `device add` and `claim create` do it: the devices, the claims and the files come about together or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..failure import USAGE, Failure
from ..mqtt import parse_address
from . import options

if TYPE_CHECKING:
    from ..authority.sheets import Made

_SILENT = 20  # claims that need no bar of progress


@dataclass(frozen=True)
class Wanted:
    """Claims to be made. path_of: where the claim file of a device goes, None for no such files; csv, qr: sheets of all."""

    ids: Sequence[str]
    path_of: Callable[[str], Path] | None
    csv: Path | None = None
    qr: Path | None = None
    again: bool = False
    force: bool = False
    valid_days: int | None = None
    broker: str | None = None


def make(database: str, passphrase_file: Path | None, wanted: Wanted) -> list[Made]:
    """Makes the claims, and the files with them, for their owner alone."""
    from ..authority import claims, registry, sheets, vault
    from ..authority.database import open_existing

    if len(set(wanted.ids)) != len(wanted.ids):
        raise Failure("the same id twice", code=USAGE)
    for device in wanted.ids:
        registry.name(device, "device id")
    store = open_existing(database)
    secret = options.passphrase(passphrase_file)
    until = options.until(wanted.valid_days)
    files = claims.ClaimFiles()
    made: list[Made] = []
    try:
        # Before there are claims to put in: a page that cannot be written is known at once.
        page = files.create(wanted.qr, wanted.force) if wanted.qr is not None else None
        with store.write() as connection, _progress("claims", len(wanted.ids)) as step:
            # The whole of it: a claim file says whom its device is to trust, and that stands unsealed in the database.
            keyring = vault.open_vault(connection, secret).keyring
            place = None
            if wanted.broker is not None:
                tls = json.loads(connection.execute(vault.broker_query()).scalar_one()).get("tls", False)
                host, port = parse_address(wanted.broker, tls)
                place = {"host": host, "port": port} | ({"tls": True} if tls else {})
            for device in wanted.ids:
                registry.add_device(connection, device, wanted.again)
                text = claims.make_claim(connection, keyring, device, place, until)
                made.append(sheets.Made(device, text, until))
                if wanted.path_of is not None:
                    files.write(wanted.path_of(device), text, wanted.force)
                step()
            if wanted.csv is not None:
                with files.create(wanted.csv, wanted.force) as file:
                    sheets.write_csv(file, made)
        # After the commit: drawing takes long, and the service must not wait for it. A claim whose code was not drawn is
        # good for nothing, and replaced by the next one made for its device.
        if page is not None:
            with page, _progress("codes", len(made)) as step:
                sheets.write_qr(page, made, step)
    except BaseException:
        files.take_back()
        raise
    return made


@contextmanager
def _progress(what: str, count: int) -> Iterator[Callable[[], object]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=count <= _SILENT) as progress:
        task = progress.add_task(what, total=count)
        yield lambda: progress.advance(task)
