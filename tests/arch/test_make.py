"""`make native` where a compiler is missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_skipped_is_said(tmp_path: Path) -> None:
    """With a PATH that has the host's compiler and no other."""
    for name in ("bash", "sh", "make", "sed", "tr", "echo", "mkdir", "cp", "ls", "dirname", "cat", "uname"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (tmp_path / name).symlink_to(found)
    for tool in ("gcc", "as", "ld"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    environment = {**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{tmp_path}", "XTENSA_LLVM": ""}
    command = [
        "make",
        "--no-print-directory",
        "-C",
        ROOT / "firmware/native",
        "native",
        f"MPY_DIR={ROOT / 'build/micropython'}",
    ]
    made = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    for arch, compiler, package in (
        ("armv6m", "arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("armv7emsp", "arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("rv32imc", "riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"),
    ):
        line = next(line for line in made.stdout.splitlines() if line.startswith(f"{arch}: skipped"))
        assert compiler in line and f"apt-get install {package} " in line
    assert "x64: skipped" not in made.stdout
