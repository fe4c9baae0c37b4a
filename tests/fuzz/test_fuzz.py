"""Altered messages of every kind are refused and change nothing, on both interpreters (fuzz.py, kinds.py).

--long throws 100,000 at each kind, suite and interpreter. A failure tells the seed and the message; the same again, and as long as you
like:

    PYTHONPATH=tests/fuzz:tests/micropython .venv/bin/python tests/fuzz/fuzz_cpython.py DIRECTORY SUITE COUNT SEED KIND...
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import device_support
import kinds
import pytest

import fuzz
from microseal import crypto, inbox, membership, roster, senders, store, trust
from microseal.identity import Certificate
from microseal.replay import Replay
from microseal_host.backends import ccore, libcrypto

pytestmark = pytest.mark.usefixtures("core")

HERE = Path(__file__).parent
SHORT, LONG = 250, 100_000
# Bytes by which MicroPython's heap may differ between two moments: caches fill. One object a message would be more.
SLACK = 4096
SEED = int.from_bytes(os.urandom(4), "big")


@pytest.fixture
def count(long_run: bool) -> int:
    return LONG if long_run else SHORT


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_on_cpython(
    kind: str, suite: int, count: int, long_run: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device_support.base = str(tmp_path)
    with capsys.disabled() if long_run else nullcontext():  # its progress
        run = fuzz.Run(kind, suite, count, SEED).run()
        print(run)
    assert sum(run.refused.values()) > count / 2


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("some", range(3))
def test_on_micropython(
    some: int,
    suite: int,
    count: int,
    tmp_path: Path,
    micropython: Path,
    micropython_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The native module refuses what the C core refuses on CPython, as often, for the same reasons; and the heap stays where it is."""
    names = list(kinds.KINDS)[some::3]
    path = f"{HERE}:{HERE.parent / 'micropython'}:{HERE.parent.parent / 'host'}:{micropython_env['MICROPYPATH']}"
    words = [str(tmp_path), str(suite), str(count), str(SEED), *names]
    command = [str(micropython), "-X", "heapsize=16M", str(HERE / "fuzz.py"), *words]
    run = subprocess.run(command, env={**micropython_env, "MICROPYPATH": path}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = re.findall(r"^((\S+) suite .* heap=(\d+),(\d+), refused: .*)$", run.stdout, re.MULTILINE)
    assert [name for _, name, _, _ in lines] == names
    device_support.base = str(tmp_path / "cpython")
    Path(device_support.base).mkdir()
    monkeypatch.setattr(crypto, "core", ccore)
    for line, name, before, after in lines:
        assert int(after) - int(before) < SLACK, f"{name}: the heap grew from {before} to {after} bytes"
        if name != "claim-file":  # MicroPython's JSON is laxer, in what lies between the values
            expected = str(fuzz.Run(name, suite, count, SEED).run())
            assert re.sub(r"heap=\S+", "", line) == re.sub(r"heap=\S+", "", expected)


# What would get through if a check were missing: for each of them the fuzzing fails.


def without(**functions: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """The core with some of its functions replaced."""
    return lambda patch: patch.setattr(crypto, "core", SimpleNamespace(**{**vars(libcrypto), **functions}))


def always(*_: Any) -> bool:
    return True


def opening_all(*arguments: Any) -> bool:
    libcrypto.gcm_open(*arguments)
    return True


def unhashed(patch: pytest.MonkeyPatch) -> None:
    """A sender's certificate has the kid that was asked for, whatever it is."""
    kid = device_support.scenario(1).identity(0).kid

    def parsed(raw: bytes) -> Certificate:
        cert = Certificate(raw)
        cert.kid = kid
        return cert

    patch.setattr(senders, "Certificate", parsed)


def replaced(owner: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def counting_early(patch: pytest.MonkeyPatch) -> None:
    """Replay windows move before the signature is checked."""
    real = Replay.check

    def check(self: Replay, kid: bytes, t: int, nonce: bytes) -> None:
        real(self, kid, t, nonce)
        self.accept(kid, t, nonce)

    patch.setattr(Replay, "check", check)


def not_refusing(patch: pytest.MonkeyPatch) -> None:
    """An error that is not one of errors.py."""

    def check(*_: Any) -> None:
        raise ValueError("oops")

    patch.setattr(inbox.Inbox, "_check_time", check)


def taking_any_slot(patch: pytest.MonkeyPatch) -> None:
    class Any32(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = bytes.__hash__

    patch.setattr(store, "hashlib", SimpleNamespace(sha256=lambda raw: SimpleNamespace(digest=lambda: Any32(32))))


def announced_at_once(patch: pytest.MonkeyPatch) -> None:
    """A newer signer is believed without a signature, and the old one no more."""
    real = trust.Trust.take_signer

    def take(self: trust.Trust, payload: bytes) -> None:
        real(self, payload)
        if self._announced is not None:
            self.signer, self._announced = self._announced, None

    patch.setattr(trust.Trust, "take_signer", take)


CARELESS = [
    *((kind, without(verify=always)) for kind in ("envelope-1", "query-1", "state", "info", "next-info", "time")),
    *((kind, without(verify=always)) for kind in ("revoked", "topic", "renewal", "ask")),
    ("box-2", without(gcm_open=opening_all)),
    ("inner-3", without(verify=always)),
    ("envelope-2", counting_early),
    ("envelope-3", not_refusing),
    ("certificate", unhashed),
    ("roster", replaced(roster.RosterReader, "close", lambda self: None)),
    ("key-packet", replaced(membership, "open_key_packet", lambda *_: bytes(32))),
    ("broadcast", replaced(membership, "open_rekey", lambda *_: bytes(32))),
    ("reply", without(ecqv_accept=lambda suite, cert, C, q_ca, r, a: (r, C))),
    ("signer", announced_at_once),
    ("claim", without(equal=always)),
    ("frame", without(equal=always)),
    ("welcome", without(gcm_open=opening_all)),
    ("slot", taking_any_slot),
]


@pytest.mark.parametrize(("kind", "careless"), CARELESS, ids=[kind for kind, _ in CARELESS])
def test_a_missing_check_is_found(
    kind: str, careless: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device_support.base = str(tmp_path)
    device_support.scenario(1)
    careless(monkeypatch)
    with pytest.raises(fuzz.Failure, match=f"^{kind}, suite 1, seed "):
        fuzz.Run(kind, 1, 2000, SEED).run()
