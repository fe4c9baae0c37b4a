#!/usr/bin/env python3
"""Instructions that the native core executes on Xtensa (ESP32, S2, S3), counted in qemu; and whether they depend on secrets.

    .venv/bin/python scripts/count_xtensa.py [--json] [--keys N]

Counts are of LLVM's code, exact and the same in every run: what the program executes between two addresses, window
overflows left out, which are interrupts there. They are instructions, not cycles: an ESP32 takes 1 cycle for most, 2 for
MULL and MULUH, 3 for a branch that is taken, and waits for loads.

With --keys, operations run with so many secrets: all the addresses of instructions, and of what they read and write, must
be the same. Needs scripts/setup_xtensa.sh and gcc.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from microseal_host.backends import libcrypto
from microseal_host.bench.m0 import CONTEXT, LABEL, MESSAGE, material

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build/native/xtensa"
NAMES = {"ecdh": "X(k*P)", "base_mul": "k*G", "verify": "verify", "sign": "sign", "mul_add": "k*P + A"}
SECRET = ("ecdh", "base_mul", "mul_add", "sign")


@dataclass(frozen=True)
class Count:
    """instructions, and loads and stores among them; path and addresses: hashes of where they are and of what they access."""

    instructions: int
    accesses: int
    path: str
    addresses: str


@dataclass(frozen=True)
class Row:
    """same: whether path and addresses were those of all the other secrets; None where it was not asked."""

    name: str
    suite: int
    instructions: int
    accesses: int
    same: bool | None


class Failed(Exception):
    """The program could not be built or run, or gave what is not right."""


def tools() -> Path:
    found = subprocess.run([ROOT / "scripts/setup_xtensa.sh", "--path"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise Failed("qemu-xtensa is not there; run scripts/setup_xtensa.sh")
    return Path(found.stdout.strip())


def build() -> None:
    made = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT / "firmware/native/xtensa", "count"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Failed("the program did not build")


def symbols() -> dict[str, str]:
    with (OUT / "operation").open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        return {symbol.name: hex(symbol["st_value"]) for symbol in table.iter_symbols()}


class Machine:
    def __init__(self) -> None:
        self.qemu = tools() / "qemu-xtensa"
        at = symbols()
        places = {"begin": "count_begin", "end": "count_end", "skip": "muluh_stubs", "skipped": "muluh_stubs_end"}
        self.plugin = f"{OUT}/count_plugin.so," + ",".join(f"{name}={at[symbol]}" for name, symbol in places.items())

    def run(self, operation: str, suite: int, *arguments: bytes) -> tuple[bytes, Count]:
        """What it returned, and what that took. Failed if the core refused."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report"
            command = [self.qemu, "-cpu", "dc233c", "-plugin", f"{self.plugin},report={report}", OUT / "operation"]
            done = subprocess.run(
                [*command, operation, str(suite), *(it.hex() for it in arguments)],
                capture_output=True,
                text=True,
                check=False,
                env={},  # which would lie on the stack
            )
            if done.returncode:
                raise Failed(f"{operation}: exit status {done.returncode} {done.stderr}")
            instructions, accesses, path, addresses = report.read_text().split()
        return bytes.fromhex(done.stdout.strip()), Count(int(instructions), int(accesses), path, addresses)


def inputs(operation: str, suite: int, number: int) -> tuple[tuple[bytes, ...], bytes]:
    """Arguments, the secret with that number among them, and the result that is right. What is public stays the same."""
    k = material("scalar" if number == 0 else f"scalar {number}")
    P, A = (libcrypto.base_mul(suite, material(name)) for name in ("P", "A"))
    Q, rand = libcrypto.base_mul(suite, k), material("random")
    if operation == "base_mul":
        return (k,), libcrypto.base_mul(suite, k)
    if operation == "ecdh":
        return (k, P), libcrypto.ecdh(suite, k, P)
    if operation == "mul_add":
        return (k, P, A), libcrypto.mul_add(suite, k, P, A)
    signature = libcrypto.sign(suite, k, Q, LABEL, CONTEXT, MESSAGE, rand)
    return ((k, Q, rand), signature) if operation == "sign" else ((Q, signature), b"")


def measure(keys: int) -> list[Row]:
    machine = Machine()
    rows = []
    for suite in (1, 2):
        for operation, name in NAMES.items():
            counts = []
            for number in range(max(1, keys) if operation in SECRET else 1):
                arguments, expected = inputs(operation, suite, number)
                result, count = machine.run(operation, suite, *arguments)
                if result != expected:
                    raise Failed(f"{name}, suite {suite}: gave {result.hex()} where {expected.hex()} is right")
                counts.append(count)
            same = len(set(counts)) == 1 if len(counts) > 1 else None
            rows.append(Row(name, suite, counts[0].instructions, counts[0].accesses, same))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--keys", type=int, default=1, help="compare the runs of so many secrets")
    args = parser.parse_args()
    try:
        build()
        rows = measure(args.keys)
    except Failed as error:
        print(f"count_xtensa: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"rows": [asdict(row) for row in rows]}))
    else:
        print("Xtensa, LLVM             instructions    loads, stores")
        for row in rows:
            same = {None: "", True: "the same for all secrets", False: "DEPENDS ON SECRETS"}[row.same]
            print(f"suite {row.suite}  {row.name:<14} {row.instructions:>14,} {row.accesses:>16,}   {same}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
