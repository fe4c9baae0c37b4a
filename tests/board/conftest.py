"""--board NAME, which may be given several times; by default all boards that need no board."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import kinds
import pytest

from microseal_host.board import emulated_flash


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--board",
        action="append",
        default=None,
        help="pico_emulated, unix or a serial port: what tests/board runs on (default: the first two)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "board" in metafunc.fixturenames:
        names = metafunc.config.getoption("--board", None) or [kinds.Unix.name, kinds.Pico.name]
        # One process has a board, and all tests on it.
        parameters = [pytest.param(name, marks=pytest.mark.xdist_group(f"board {name}")) for name in names]
        metafunc.parametrize("board", parameters, indirect=True, scope="session")


@pytest.fixture(scope="session")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[kinds.Board]:
    """The board, switched on, with the package on its flash and without an identity."""
    if request.param == kinds.Pico.name and not emulated_flash.FIRMWARE.exists():
        pytest.skip("its firmware is not built: scripts/setup_pico.sh")
    with kinds.make(request.param, tmp_path_factory.mktemp("board")) as board:
        yield board


@pytest.fixture
def patience(board: kinds.Board, long_run: bool) -> None:
    """For tests that take the emulated chip a minute and more: there only with --long."""
    if board.name == kinds.Pico.name and not long_run:
        pytest.skip(f"{board.name} takes a minute and more for this: --long")


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """tell(text): a figure, shown when all tests have run."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    figures = [text for report in reports for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.write_line(text)
