"""Options, paths and the one broker that the tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from microseal import crypto
from microseal_host.backends import libcrypto
from microseal_host.sim.broker import Broker, start_broker
from microseal_host.sim.children import Children

ROOT = Path(__file__).resolve().parent.parent

# Examples are drawn anew in every run; a machine that is busy with something else is no failure.
hypothesis.settings.register_profile("short", deadline=None, max_examples=100)
hypothesis.settings.register_profile("long", deadline=None, max_examples=5000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="fuzz and soak tests at full length (an hour and more)")


def pytest_configure(config: pytest.Config) -> None:
    # A shell ignores it for what it runs in the background, and so would all that tests start, and interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    is_long = config.getoption("--long")
    hypothesis.settings.load_profile("long" if is_long else "short")
    if is_long:
        # Also for what tests start as processes of their own.
        os.environ["MICROSEAL_LONG"] = "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        for item in items:
            item.add_marker(pytest.mark.timeout(0), append=False)  # before what the test's own file says


@pytest.fixture(scope="session")
def long_run(pytestconfig: pytest.Config) -> bool:
    """True if the tests were asked to take their time (--long)."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def micropython() -> Path:
    """MicroPython's Unix port, as scripts/setup.sh installed it."""
    return ROOT / ".venv/bin/micropython"


@pytest.fixture(scope="session")
def micropython_env() -> dict[str, str]:
    """The environment in which that interpreter finds the device package, the native module and umqtt.simple."""
    path = ("firmware", "firmware/native/dist/x64_6.3", "build/lib")
    return {**os.environ, "MICROPYPATH": ":".join([str(ROOT / part) for part in path] + [".frozen"])}


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real mosquitto, one a test session (and worker): tests use topics, ids and groups of their own."""
    with Children() as children:
        yield start_broker(children, tmp_path_factory.mktemp("broker"))


@pytest.fixture(scope="module")
def core() -> Iterator[None]:
    """microseal.crypto on libcrypto, for a module of tests."""
    before = crypto.core
    crypto.use(libcrypto)
    yield
    crypto.use(before)
