"""A release: the same bytes twice, and packages that mpremote's own mip installs, from a folder and from a server."""

from __future__ import annotations

import functools
import http.server
import json
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from microseal_host.board import install, package, release
from microseal_host.board.link import Link
from microseal_host.failure import Failure
from pty_board import PtyBoard
from test_board_install import wait_for_prompt


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("release") / "dist"
    release.build(made, ["x64"])
    return made


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url(dist: Path) -> Iterator[str]:
    """Serves the release, and no index of packages."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=dist))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_same_sources_give_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    release.build(tmp_path / "dist", ["x64"])
    sums = (dist / "SHA256SUMS").read_text()
    assert (tmp_path / "dist/SHA256SUMS").read_text() == sums
    named = {line.split("  ")[1]: line.split("  ")[0] for line in sums.splitlines()}
    there = {str(path.relative_to(dist)) for path in dist.rglob("*") if path.is_file()}
    assert named.keys() == there - {"SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist, check=True)


def test_a_release_has_a_package_an_architecture_and_a_wheel(dist: Path) -> None:
    folder = dist / "mip/x64_6.3"
    document = json.loads((folder / "package.json").read_text())
    assert all((folder / source).is_file() for _, source in document["urls"])
    names = {name for name, _ in document["urls"]}
    assert {"microseal_core.mpy", "microseal/__init__.mpy", "umqtt/simple.mpy"} <= names and not document["deps"]
    assert "micropython-lib" in (folder / "LICENSE").read_text() and "LICENSE" not in names
    with tarfile.open(next(dist.glob("*-x64_6.3.tar.gz"))) as archive:
        assert {entry.name.removeprefix("x64_6.3/") for entry in archive} >= {name for name, _ in document["urls"]}
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {"microseal/client.py", "microseal_host/flash.py"} <= set(names)
    assert not [name for name in names if name.startswith("umqtt/") or "__pycache__" in name]


def test_a_release_does_not_overwrite(dist: Path) -> None:
    with pytest.raises(Failure, match="exists already"):
        release.build(dist, ["x64"])


def test_half_a_release_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "_build_wheel", interrupt)
    with pytest.raises(KeyboardInterrupt):
        release.build(tmp_path / "new" / "dist", ["x64"])
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("by", ["folder", "url"])
def test_mip_installs_the_package(dist: Path, url: str, tmp_path: Path, by: str) -> None:
    board = PtyBoard(tmp_path / "board", package=False)
    try:
        wait_for_prompt(board)
        where = f"{url}/mip/x64_6.3/package.json" if by == "url" else str(dist / "mip/x64_6.3/package.json")
        mpremote = [sys.executable, "-m", "mpremote", "connect", str(board.port), "mip", "install"]
        done = subprocess.run(
            [*mpremote, "--target", "lib", "--index", f"{url}/pi", where], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with Link(str(board.port)) as link:
            link.enter()
            install.check_imports(link)
            # What mip put there is what flash.sh would have put there.
            files = package.collect("x64", "6.3")
            mine = {path: content for path, content in files.items() if path.startswith(("lib/microseal", "lib/umqtt"))}
            assert install.different(link, mine) == []
    finally:
        board.close()
