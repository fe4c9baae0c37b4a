"""The set-up scripts: quick when nothing is missing, clear when something is, and no download is taken unseen.

Downloads are tried against servers of this test's own: an index on loopback, a repository in a folder.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

STUB = b"class MQTTClient:\n    pass\n"


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Path:
    """A copy of what set-up reads, with the real .venv in reach."""
    copy = tmp_path / "checkout"
    shutil.copytree(root / "scripts", copy / "scripts")
    for name in ("requirements.txt", "requirements-boards.txt", "requirements-test.txt", "pyproject.toml"):
        shutil.copy(root / name, copy)
    (copy / ".venv").symlink_to(root / ".venv")
    (copy / "build/setup").mkdir(parents=True)
    return copy


def shell(checkout: Path, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs script after the set-up functions have been read, as scripts/setup.sh would."""
    prelude = (
        "set -euo pipefail; with_boards=0; with_test=0; build=0; root=$PWD; log=build/setup/log; : >$log\n"
        "for part in lib setup_debian setup_python setup_micropython; do source scripts/$part.sh; done\n"
    )
    return subprocess.run(
        ["bash", "-c", prelude + script],
        cwd=checkout,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.xdist_group("checkout")
def test_setup_that_is_done_says_nothing_and_is_quick(root: Path) -> None:
    subprocess.run([root / "scripts/setup.sh", "--test"], check=True, capture_output=True)
    start = time.monotonic()
    again = subprocess.run([root / "scripts/setup.sh", "--test"], check=True, capture_output=True, text=True)
    assert time.monotonic() - start < 3.0
    assert again.stdout == again.stderr == ""


def test_unknown_options_are_refused(root: Path) -> None:
    done = subprocess.run([root / "scripts/setup.sh", "--tset"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr


def test_flash_lists_the_boards_when_none_is_given(root: Path) -> None:
    done = subprocess.run([root / "flash.sh"], capture_output=True, text=True, cwd="/")
    assert done.returncode == 2
    assert "  sim " in done.stdout
    done = subprocess.run([root / "flash.sh", "no_such_board"], capture_output=True, text=True, cwd="/")
    assert done.returncode == 2
    assert 'no board "no_such_board"' in done.stderr


# Python


def python_like(path: Path, script: str) -> Path:
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return path


def test_a_python_that_is_too_old_is_refused_with_the_remedy(checkout: Path, tmp_path: Path) -> None:
    old = python_like(tmp_path / "python3", "exit 1\n")
    done = shell(checkout, f"python_candidates=({old}); debian_python={old}; find_python")
    assert done.returncode == 1
    assert "3.11 or later" in done.stderr
    assert "PYTHON=" in done.stderr


def test_a_python_without_venv_asks_for_the_package(checkout: Path, tmp_path: Path) -> None:
    bare = python_like(tmp_path / "python3", "case $2 in *ensurepip*) exit 1;; esac\n")
    done = shell(
        checkout,
        f'python_candidates=({bare}); debian_python={bare}; find_python; echo "$python ${{debian_missing[*]}}"',
    )
    assert done.stdout.split() == [str(bare), "python3-venv"], done.stderr


@pytest.mark.parametrize("options", [[], ["--without-pip"]], ids=["whole", "interrupted"])
def test_a_venv_that_was_not_finished_is_made_again(checkout: Path, options: list[str]) -> None:
    (checkout / ".venv").unlink()
    subprocess.run([sys.executable, "-m", "venv", *options, checkout / ".venv"], check=True)
    done = shell(checkout, 'plan_python_packages; echo "$python_todo $venv_todo"')
    assert done.stdout == ("1 1\n" if options else "1 0\n"), done.stderr


def test_a_venv_that_was_moved_is_made_again(checkout: Path) -> None:
    (checkout / ".venv").unlink()
    subprocess.run([sys.executable, "-m", "venv", checkout / "elsewhere"], check=True)
    (checkout / "elsewhere").rename(checkout / ".venv")
    done = shell(checkout, 'plan_python_packages; echo "$python_todo $venv_todo"')
    assert done.stdout == "1 1\n", done.stderr


def test_a_path_with_a_space_is_refused(tmp_path: Path, root: Path) -> None:
    shutil.copytree(root / "scripts", tmp_path / "my checkout/scripts")
    done = subprocess.run([tmp_path / "my checkout/scripts/setup.sh"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "has a space in it" in done.stderr
    assert not (tmp_path / "my checkout/build").exists()


# umqtt.simple from an index


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """An index on loopback with an sdist like the real one: no setup.py. Yields its address and the sdist."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in {
            "umqtt/simple.py": STUB,
            "PKG-INFO": b"Name: micropython-umqtt.simple\nVersion: 1.3.4\n",
        }.items():
            entry = tarfile.TarInfo(f"micropython-umqtt.simple-1.3.4/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    folder = tmp_path / "index/simple/micropython-umqtt-simple"
    folder.mkdir(parents=True)
    (folder / "micropython-umqtt.simple-1.3.4.tar.gz").write_bytes(packed.getvalue())
    (folder / "index.html").write_text(
        '<a href="micropython-umqtt.simple-1.3.4.tar.gz">micropython-umqtt.simple-1.3.4.tar.gz</a>'
    )
    handler = functools.partial(Quiet, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple", packed.getvalue()
        server.shutdown()


def install_umqtt(checkout: Path, index: str, sdist: bytes, file: bytes) -> subprocess.CompletedProcess[str]:
    return shell(
        checkout,
        f"umqtt_sdist_sha256={sha256(sdist)}; umqtt_file_sha256={sha256(file)}; install_umqtt",
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=index,
        PIP_NO_INDEX="0",
        no_proxy="127.0.0.1",
    )


def test_umqtt_is_unpacked_from_the_configured_index(checkout: Path, index: tuple[str, bytes]) -> None:
    done = install_umqtt(checkout, *index, STUB)
    assert done.returncode == 0, done.stderr
    assert (checkout / "build/lib/umqtt/simple.py").read_bytes() == STUB
    assert not list((checkout / "build/setup").glob("umqtt.*"))


@pytest.mark.parametrize("wrong", ["sdist", "file"])
def test_umqtt_with_another_hash_is_not_taken(checkout: Path, index: tuple[str, bytes], wrong: str) -> None:
    address, sdist = index
    done = install_umqtt(checkout, address, b"" if wrong == "sdist" else sdist, b"" if wrong == "file" else STUB)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert not (checkout / "build/lib").exists()


def test_an_index_that_is_down_is_said_and_a_second_run_works(checkout: Path, index: tuple[str, bytes]) -> None:
    address, sdist = index
    down = install_umqtt(checkout, address.replace("/simple", "/nothing"), sdist, STUB)
    assert down.returncode == 1
    assert "run the same command again" in down.stderr
    assert install_umqtt(checkout, address, sdist, STUB).returncode == 0


# MicroPython's source


@pytest.fixture
def upstream(tmp_path: Path, root: Path) -> Path:
    """A repository with the release's tag and the files that are looked for."""
    repository = tmp_path / "upstream"
    for name in ("py/dynruntime.h", "py/dynruntime.mk", "py/makeqstrdata.py", "py/nativeglue.h", "tools/mpy_ld.py"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "build/micropython" / name, repository / name)
    git = [
        "git",
        "-C",
        str(repository),
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@localhost",
        "-c",
        "init.defaultBranch=main",
    ]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], ["tag", "v1.25.0"]):
        subprocess.run([*git, *command], check=True)
    return repository


NO_DEBIAN = "debian_mirrors() { :; }; mpy_upstream=file://$UPSTREAM; "


def test_without_a_debian_mirror_the_release_tag_is_taken(checkout: Path, upstream: Path) -> None:
    done = shell(
        checkout, NO_DEBIAN + "plan_micropython; install_micropython; plan_micropython", UPSTREAM=str(upstream)
    )
    assert done.returncode == 0, done.stderr
    assert (checkout / "build/micropython/tools/mpy_ld.py").is_file()
    assert done.stdout.count("will download") == 1


def test_a_source_that_differs_is_not_taken(checkout: Path, upstream: Path) -> None:
    (upstream / "tools/mpy_ld.py").write_text("print('not the release')\n")
    git = ["git", "-C", str(upstream), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "commit", "-q", "-a", "-m", "y"], check=True)
    subprocess.run([*git, "tag", "-f", "v1.25.0"], check=True, capture_output=True)
    done = shell(checkout, NO_DEBIAN + "plan_micropython; install_micropython", UPSTREAM=str(upstream))
    assert done.returncode == 1
    assert "MPY_DIR=" in done.stderr
    assert not (checkout / "build/micropython").exists()


def test_a_given_source_is_used_and_stays(checkout: Path, upstream: Path) -> None:
    done = shell(
        checkout, NO_DEBIAN + "plan_micropython; install_micropython", UPSTREAM="/nowhere", MPY_DIR=str(upstream)
    )
    assert done.returncode == 0, done.stderr
    assert (checkout / "build/micropython").resolve() == upstream
    again = shell(checkout, NO_DEBIAN + "plan_micropython; install_micropython", UPSTREAM="/nowhere")
    assert (again.returncode, again.stdout) == (0, "")


def test_a_given_folder_that_is_no_source_is_refused(checkout: Path, tmp_path: Path) -> None:
    done = shell(checkout, "plan_micropython", MPY_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "is not a MicroPython source tree" in done.stderr
