#!/usr/bin/env python3
"""What microseal takes on a device, beside TLS: bytes of flash, heap after import, what a connection adds, least heap, C stack.

Heap is measured in MicroPython's Unix port with the package as it goes onto a board, as bytecode. There a word has 64 bits: objects are
about half as large on a board, buffers and bytecode are not. TLS is MicroPython's own (mbedTLS), in the same interpreter, over the same
broker, which shows a certificate on P-256 that the device checks; the device shows none. What the Unix port's mbedTLS has from malloc
is counted as heap (on a board it is MicroPython's). Native modules are of every architecture whose compiler is installed. Example:

    .venv/bin/python scripts/measure_size.py

"least heap" is found by trying: the smallest in which a program connects and publishes, to 1 KiB. Needs what scripts/setup.sh
--boards installs, and gcc.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rich.console import Console
from rich.table import Table

from microseal import crypto
from microseal_host.backends import libcrypto
from microseal_host.bench import cores, m0, rig
from microseal_host.board import package
from microseal_host.sim.broker import find_mosquitto, free_port, start_broker
from microseal_host.sim.children import Children

GOALS = {"package": 24 * 1024, "module": 16 * 1024, "connect": 12 * 1024, "stack": 2 * 1024}

# Each line that it prints: the interpreter's heap, C's, and the most that C's was since the line before.
_HEAP = """
import gc, struct
def tell():
    with open("heap", "r+b") as file:
        used, most = struct.unpack("qq", file.read(16))
        file.seek(8)
        file.write(struct.pack("q", used))
    gc.collect()
    print(gc.mem_alloc(), used, most)
tell()
"""
_PUBLISH = """
tell()
for number in range(3):
    client.publish("{topic}", bytes(100), qos=1)
tell()
"""
PLAIN = (
    _HEAP
    + """
from umqtt.simple import MQTTClient
tell()
client = MQTTClient("bench", "127.0.0.1", {port})
client.connect()
"""
    + _PUBLISH
)
# umqtt.simple calls wrap_socket of a module that this interpreter has no more.
TLS = (
    _HEAP
    + """
import ssl, sys
class Tls:
    @staticmethod
    def wrap_socket(sock, context):
        return context.wrap_socket(sock, server_hostname="localhost")
sys.modules["ussl"] = Tls
from umqtt.simple import MQTTClient
tell()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_REQUIRED
with open("ca.der", "rb") as file:
    context.load_verify_locations(cadata=file.read())
client = MQTTClient("bench", "127.0.0.1", {tls_port}, ssl=True, ssl_params={{"context": context}})
client.connect()
"""
    + _PUBLISH
)
SEALED = (
    _HEAP
    + """
from microseal import MQTTClient
tell()
client = MQTTClient("bench")
client.connect()
"""
    + _PUBLISH
)
# What is told of a program. Heap of the interpreter and of C, in which mbedTLS has its buffers, together.
COLUMNS = {
    "import": "after import",
    "connect": "+ connected",
    "most": "(most meanwhile)",
    "publish": "+ published",
    "sum": "in sum",
    "least": "least heap",
}
OURS = "microseal, mode 2"
PROGRAMS = {"umqtt.simple": PLAIN, "umqtt.simple, TLS": TLS, OURS: SEALED}


def _make(*targets: str) -> None:
    command = ["make", "-j2", "--silent", "--no-print-directory", "-C", package.ROOT / "firmware/native", *targets]
    environment = {**os.environ, "PATH": f"{package.ROOT / '.venv/bin'}:{os.environ.get('PATH', os.defpath)}"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def _make_xtensa() -> None:
    """By LLVM, which has a Makefile of its own; nothing where it is not installed."""
    root = package.ROOT
    if subprocess.run([root / "scripts/setup_xtensa.sh", "--path"], capture_output=True, check=False).returncode:
        return
    for suites, name in (("1", "1"), ("1 2", "12")):
        target = root / f"build/native/sizes_xtensawin_{name}"
        _make("-C", "xtensa", "mpy", f"SUITES={suites}", f"DIST={target}")


def flash() -> list[tuple[str, str, int, int | None]]:
    """(what, of what kind, bytes, goal)."""
    modules = package.package(package.ROOT)
    rows = [("package, bytecode", f"{len(modules)} files", sum(map(len, modules.values())), GOALS["package"])]
    beside = [package.compile_file(source, source.name) for source in package.programs()]
    rows.append(("what runs it (board_*, readings)", f"{len(beside)} files", sum(map(len, beside)), None))
    native = package.ROOT / "build/native"
    for folder in sorted(native.glob("sizes_*_1")):
        arch = folder.name.split("_")[1]
        for suites, name in (("1", "suite 1"), ("12", "both suites")):
            (module,) = (native / f"sizes_{arch}_{suites}").rglob(package.MODULE)
            goal = GOALS["module"] if suites == "1" else None
            rows.append((f"native module, {arch}", name, module.stat().st_size, goal))
    return rows


def stack() -> list[tuple[str, str, int, int]]:
    """(processor, operation, bytes, goal): the operation of the core that takes most of it, in either suite."""
    chips = {"Cortex-M0+": m0.Core(m0.ELVES / "core.elf")}
    chips |= {processor.name: cores.load(name) for name, processor in cores.PROCESSORS.items()}
    rows = []
    for name, core in chips.items():
        found = []
        for suite in (1, 2):
            for operation, run in m0.points(core, suite).items():
                m0.checked(*run())
                found.append((core.counts.stack, operation))
        most, operation = max(found)
        rows.append((name, operation, most, GOALS["stack"]))
    return rows


def memory(precision: int) -> dict[str, dict[str, int]]:
    """Program -> bytes: see COLUMNS."""
    crypto.use(libcrypto)
    with tempfile.TemporaryDirectory() as name, Children() as children:
        folder = Path(name)
        plain = start_broker(children, folder)
        tls_port = _start_tls(children, folder)
        environment = _count_c_heap(folder)
        for path, content in package.package().items():
            target = folder / "lib" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        found = {}
        with rig.authority(folder, plain) as database:
            rig.add_group(database, 2)
            for program, text in {"enrolment": SEALED, **PROGRAMS}.items():
                script = text.format(port=plain.port, tls_port=tls_port, topic="bench/2")
                lines = rig.run(folder, script, package=folder / "lib", environment=environment)
                found[program] = _differences([[int(word) for word in line.split()] for line in lines])
                if program in PROGRAMS and precision:
                    found[program]["least"] += _least(folder, script, precision)
            del found["enrolment"]  # once in a device's life
    return found


def _differences(told: list[list[int]]) -> dict[str, int]:
    (start, c_start, _), (imported, c_imported, _), (connected, c_connected, most), (published, c_published, _) = told
    return {
        "import": imported - start + c_imported - c_start,
        "connect": connected - imported + c_connected - c_imported,
        "most": connected - imported + most - c_imported,
        "publish": published - connected + c_published - c_connected,
        "sum": connected - start + c_connected - c_start,
        "least": max(c_imported, most) - c_start,
    }


def _count_c_heap(folder: Path) -> dict[str, str]:
    """The environment in which a process counts what it has from malloc, in the file "heap"."""
    source, library = package.ROOT / "host/microseal_host/bench/c_heap.c", folder / "c_heap.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-fno-builtin", "-o", library, source], check=True)
    (folder / "heap").write_bytes(bytes(16))
    return {"LD_PRELOAD": str(library), "C_HEAP": str(folder / "heap")}


def _least(folder: Path, script: str, precision: int) -> int:
    low, high = 16, 1024  # KiB; low is too small, high is enough
    while high - low > precision:
        middle = (low + high) // 2
        try:
            rig.run(folder, script, heap=f"{middle}K", package=folder / "lib")
            high = middle
        except rig.OutOfMemory:
            low = middle
    return high * 1024


def _start_tls(children: Children, folder: Path) -> int:
    """A second mosquitto, with a certificate of its own making; the port."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding
    (folder / "ca.der").write_bytes(cert.public_bytes(encoding.DER))
    (folder / "cert.pem").write_bytes(cert.public_bytes(encoding.PEM))
    private = key.private_bytes(
        encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # of a broker that ends with this program
    (folder / "key.pem").write_bytes(private)
    port = free_port()
    (folder / "tls.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\ncertfile {folder}/cert.pem\nkeyfile {folder}/key.pem\nuser root\n"
    )
    child = children.start("mosquitto with TLS", [find_mosquitto(), "-c", folder / "tls.conf"], folder / "tls.log")
    child.check()
    return port


def show(result: dict[str, Any]) -> None:
    console = Console(width=150)
    for title, rows in (("flash", result["flash"]), ("C stack of the core", result["stack"])):
        table = Table(title, "", "bytes", "goal", "", box=None, pad_edge=False)
        table.columns[2].justify = table.columns[3].justify = "right"
        for what, kind, size, goal in rows:
            table.add_row(what, kind, f"{size:,}", *(_verdict(size, goal)))
        console.print(table)
        console.print()
    table = Table("heap, bytes (words of 64 bits)", *COLUMNS.values(), "goal of a connection", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for program, row in result["heap"].items():
        goal = " ".join(_verdict(row["connect"], GOALS["connect"])) if program == OURS else ""
        table.add_row(program, *(f"{row[name]:,}" for name in COLUMNS), goal)
    console.print(table)


def _verdict(size: int, goal: int | None) -> tuple[str, str]:
    if goal is None:
        return "", ""
    return f"{goal:,}", f"{'met' if size <= goal else 'missed'}: {100 * size / goal:.0f} %"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="Example: measure_size.py --json"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--precision", type=int, default=1, help="KiB, of the least heap; 0: do not look (default 1)")
    arguments = parser.parse_args()
    _make("sizes", "m0", "cores")
    _make_xtensa()
    result = {"flash": flash(), "stack": stack(), "heap": memory(arguments.precision)}
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
