"""What a release is made of: packages for mpremote's mip by architecture, the host's wheel, and their checksums.

    DIST/mip/<arch>_<abi>/package.json     mpremote mip install DIST/mip/<arch>_<abi>/package.json, or the same by URL
    DIST/mip/<arch>_<abi>/…                what it names
    DIST/microseal-<version>-<arch>_<abi>.tar.gz   the same folder as one file
    DIST/microseal-<version>-py3-none-any.whl
    DIST/SHA256SUMS

The same sources give the same bytes, wherever and whenever it is made.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import microseal

from ..failure import NOT_READY, Failure
from . import package
from .package import ROOT, Files

ABI = "6.3"
ARCHS = ("armv6m", "armv7emsp", "rv32imc", "xtensawin", "x64")
_UMQTT = """umqtt/simple.mpy is umqtt.simple of micropython-lib, under the same licence as microseal:
Copyright (c) 2013, 2014 micropython-lib contributors

"""
_WHEEL_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "firmware/microseal", "host/microseal_host")


def build(dist: Path, archs: Sequence[str] = ARCHS, root: Path = ROOT) -> None:
    """Makes all of it in `dist`, which must not exist: it is there whole, or not at all."""
    if dist.exists():
        raise Failure(f"{dist} exists already", "remove it, or give another folder")
    dist.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{dist.name}.", dir=dist.parent) as temporary:
        part = Path(temporary) / dist.name
        part.mkdir()
        _fill(part, archs, root)
        part.rename(dist)


def _fill(dist: Path, archs: Sequence[str], root: Path) -> None:
    # umqtt.simple too, since mip's index has whatever is the latest today: every board gets the one that was tested.
    bytecode = package.package(root) | package.umqtt(root)
    notice = (root / "LICENSE").read_bytes() + b"\n" + _UMQTT.encode()
    for arch in archs:
        files = bytecode | {package.MODULE: package.native_module(arch, ABI, root).read_bytes()}
        files |= {"package.json": _describe(files), "LICENSE": notice}
        name = f"{arch}_{ABI}"
        for path, content in files.items():
            target = dist / "mip" / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (dist / f"microseal-{microseal.__version__}-{name}.tar.gz").write_bytes(_pack(files, name))
    _build_wheel(dist, root)
    _write_checksums(dist)


def _describe(files: Files) -> bytes:
    """package.json of mip: names on the board, and where they are beside it."""
    document = {
        "urls": [[path, path] for path in sorted(files)],
        "deps": [],
        "version": microseal.__version__,
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _pack(files: Files, name: str) -> bytes:
    """A .tar.gz without anything of the machine or the moment in it."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size = len(files[path])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(files[path]))
    return gzip.compress(plain.getvalue(), mtime=0)


def _build_wheel(dist: Path, root: Path) -> None:
    """From a copy of the sources alone: setuptools takes in what lies in a build/lib, and so does this checkout."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "source"
        for name in _WHEEL_SOURCES:
            source, target = root / name, copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                shutil.copy(source, target)
        for path in copy.rglob("*"):
            # Part of what a zip file records.
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--no-build-isolation", "--wheel-dir", str(dist), str(copy)],
            # The earliest moment that a zip file can name.
            env={**os.environ, "SOURCE_DATE_EPOCH": "315532800"},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode:
        raise Failure(f"the wheel did not build:\n{done.stderr.strip()}", "run scripts/setup.sh --boards", NOT_READY)


def _write_checksums(dist: Path) -> None:
    """In the form of sha256sum."""
    paths = sorted(str(path.relative_to(dist)) for path in dist.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256((dist / path).read_bytes()).hexdigest()}  {path}\n" for path in paths]
    (dist / "SHA256SUMS").write_text("".join(lines))
