"""What stands behind the simulated devices: an authority of its own, with a group that is theirs."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from microseal.policy import Policy
from microseal_host.authority import claims, founding, keyring, registry
from microseal_host.authority.founding import Settings, found
from microseal_host.authority.service import Service
from microseal_host.authority.vault import open_vault
from microseal_host.mqtt import Address

GID = "sim"
FILTER = b"sim/+"
MAX_AGE = 600  # s; an emulated chip on a busy machine takes minutes to make a message, which is dated when it begins
MAX_SIZE = 256  # bytes
LIFETIME = founding.DAY

_logger = logging.getLogger("microseal.authority")


class Plant:
    """An authority in `folder`, which must be private to this user. The database's passphrase is known to this process
    alone and goes with it: what is left in the folder opens for nobody. database, vault: for who provisions boards.
    """

    def __init__(self, folder: Path, broker: Address, *, mode: int) -> None:
        self._broker = broker
        passphrase = secrets.token_hex(32)
        # The least cost: stretching is for passphrases that somebody made up, and this is a key of 256 bits.
        settings = Settings(suite=1, broker=_as_claim(broker.host, broker.port), cost=keyring.LEAST_COST)
        self.database, _ = found(str(folder / "authority.db"), settings, passphrase)
        with self.database.write() as connection:
            registry.create_group(connection, GID, Policy(mode, MAX_AGE, MAX_SIZE, [(0, FILTER)]), LIFETIME)
        with self.database.read() as connection:
            self.vault = open_vault(connection, passphrase)
        self._failure: BaseException | None = None
        self._log = logging.FileHandler(folder / "authority.log")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        _logger.addHandler(self._log)
        _logger.setLevel(logging.INFO)
        _logger.propagate = False
        self._service = Service(self.database, self.vault, broker)
        self._thread = threading.Thread(target=self._run, name="authority", daemon=True)

    def admit(self, device: str, *, port: int, publish: bool = False, subscribe: bool = False) -> str:
        """Registers a device of the group and returns the text of its claim file. port: where it finds the broker."""
        with self.database.write() as connection:
            registry.add_device(connection, device, again=False)
            registry.add_member(connection, GID, device, publish, subscribe)
            return claims.make_claim(connection, self.vault.keyring, device, _as_claim(self._broker.host, port))

    def waiting(self) -> Sequence[str]:
        """What the members still wait for, one line each."""
        with self.database.read() as connection:
            group = registry.show_group(connection, GID, int(time.time()))
        return [f"{member.device} waits for {member.waits_for}" for member in group.members if member.waits_for]

    def check(self) -> None:
        """Raises what ended the service, if it has ended."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._service.run()
        except BaseException as error:  # told to the main thread, whatever it is
            self._failure = error

    def start(self) -> None:
        """Starts the service, once all have been admitted: the group's first epoch then has them all."""
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._service.stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self.database.close()
        _logger.removeHandler(self._log)
        self._log.close()


def _as_claim(host: str, port: int) -> dict[str, object]:
    return {"host": host, "port": port}
