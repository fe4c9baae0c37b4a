#!/usr/bin/env python3
"""What it costs the authority in CPU time that somebody leaves a large group, from the operator's wish to the last retained message.

The authority's own code with its own database (SQLite, in a temporary folder): looking for what is due, a new epoch with new keys, and
all that is to be published of it, read back as the service reads it. Example:

    .venv/bin/python scripts/bench_rekey.py --members 1000

Exits with 1 if it takes longer than --most allows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from microseal import crypto
from microseal.entropy import Entropy
from microseal.identity import accept_reply, claim_request, make_request, make_share
from microseal.policy import Policy
from microseal_host.authority import board, claims, epochs, founding, registry, requests, vault
from microseal_host.backends import libcrypto

GID = "plant"
PASSPHRASE = "of no secret"


class Bench:
    """An authority with a group of `members` devices that publish and subscribe (or do one of it), in `folder`."""

    def __init__(self, folder: Path, suite: int, members: int, both: bool) -> None:
        self.now = int(time.time())
        self.parts: dict[str, float] = {}  # name -> s of CPU time
        settings = founding.Settings(suite, {"host": "localhost", "port": 1883}, cost=2**10)
        self.database, _ = founding.found(str(folder / "microseal.db"), settings, PASSPHRASE)
        with self.database.read() as connection:
            self.vault = vault.open_vault(connection, PASSPHRASE)
        entropy = Entropy(suite, os.urandom(32), 1)
        with self.database.write() as connection:
            registry.create_group(connection, GID, Policy(2, 120, 1000, [(0, b"plant/#"), (1, b"ask/#")]), 86400)
            for number in range(members):
                self._enrol(connection, entropy, f"device-{number}")
                publish = both or number % 2 == 0
                registry.add_member(connection, GID, f"device-{number}", publish, both or not publish)
        self._make_what_is_due()
        self._publish()

    def _enrol(self, connection: Connection, entropy: Entropy, device: str) -> None:
        registry.add_device(connection, device, again=False)
        text = claims.make_claim(connection, self.vault.keyring, device)
        r, g, name = entropy.scalar(), entropy.scalar(), device.encode()
        plain = make_request(self.vault.suite, name, r, g)
        raw = claim_request(self.vault.suite, plain, bytes.fromhex(json.loads(text)["claim"]))
        reply, _ = requests.enroll(connection, self.vault, name, raw, self.now)
        point = crypto.core.base_mul(self.vault.suite, g)
        me = accept_reply(self.vault.anchor, reply, name, r, point)
        requests.share(connection, self.vault, me.kid.hex().encode(), make_share(me, g), self.now)

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.parts[name] = self.parts.get(name, 0.0) + time.process_time() - start

    def _make_what_is_due(self) -> None:
        with self._part("find what is due, revoked list"), self.database.write() as connection:
            epochs.update_revoked(connection, self.vault, self.now)
            due = epochs.find_due(connection, self.now)
        if len(due) != 1:
            raise SystemExit(f"{len(due)} groups need a new epoch, not 1")
        with self._part("keys, info, rosters, key packets, stored"), self.database.write() as connection:
            epochs.make(connection, self.vault, due[0], self.now)
        with self._part("take certificates off the board"), self.database.write() as connection:
            epochs.clear_certificates(connection, self.now, 86400)

    def _publish(self) -> int:
        """Reads what is to be published and marks it as published, as the service does. The number of messages."""
        count = 0
        with self._part("read for publication, mark as published"):
            while True:
                with self.database.read() as connection:
                    notices = board.dirty(connection, 500)
                if not notices:
                    return count
                count += len(notices)
                with self.database.write() as connection:
                    board.published(connection, notices)

    def leave(self, device: str, revoke: bool) -> int:
        """One leaves, the others get new keys. The number of retained messages that this takes; `parts` has the times."""
        self.parts.clear()
        with self._part("the operator's command"), self.database.write() as connection:
            if revoke:
                registry.revoke_device(connection, device)
            else:
                registry.remove_member(connection, GID, device)
        self._make_what_is_due()
        return self._publish()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--suite", type=int, default=1)
    parser.add_argument(
        "--both", action="store_true", help="every member publishes and subscribes: twice the key packets"
    )
    parser.add_argument("--revoke", action="store_true", help="the device is revoked, instead of leaving the group")
    parser.add_argument("--times", type=int, default=3, help="how many leave; the fastest counts (default: 3)")
    parser.add_argument("--most", type=float, default=1.0, help="s of CPU time that it may take (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    crypto.use(libcrypto)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), args.suite, args.members, args.both)
        found = []
        for number in range(args.times):
            count = bench.leave(f"device-{number}", args.revoke)
            found.append((sum(bench.parts.values()), count, dict(bench.parts)))
        bench.database.close()
    # The fastest: what else this machine does only ever makes it slower.
    total, count, parts = min(found, key=lambda entry: entry[0])
    if args.json:
        print(json.dumps({"members": args.members, "suite": args.suite, "messages": count, "s": total, "parts": parts}))
    else:
        title = f"one leaves a group of {args.members}, suite {args.suite}"
        table = Table(title, "ms of CPU time", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for name, seconds in parts.items():
            table.add_row(name, f"{1000 * seconds:.1f}")
        table.add_row(f"all, with {count} retained messages", f"{1000 * total:.1f}")
        Console().print(table)
    if total > args.most:
        print(f"more than {args.most} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
