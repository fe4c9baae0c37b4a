#!/usr/bin/env python3
"""Compiles one C or assembly file for Xtensa with the windowed ABI (ESP32, S2, S3) by LLVM.

    llvm.py -o OBJECT [--without FEATURE] [CLANG'S OPTIONS...] FILE.c

LLVM's Xtensa is new: clang makes no objects for it, llc writes some directives in an order that its own assembler does not
take for what was meant, and two kinds of relocations are not those of GNU's assembler, which MicroPython's mpy_ld expects.
So: clang to LLVM's IR, llc to assembly, the assembly corrected, llvm-mc to an object, the object corrected. Also, what GNU's
assembler does by itself: instructions that have a form of two bytes get it.

clang, llc and llvm-mc are those on PATH, or in XTENSA_LLVM, a folder.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

HERE = Path(__file__).resolve().parent
# What ESP32, S2 and S3 have in common: S2 has no zero-overhead loops, no booleans, no MAC16, no floating point.
FEATURES = ("density", "windowed", "sext", "nsa", "mul32", "mul32high", "div32", "minmax")
R_XTENSA_32, R_XTENSA_SLOT0_OP = 1, 20
# The size of a .mpy counts more than some cycles, as it lies in RAM; no frame pointer saves code in every function.
CLANG = ("--target=xtensa", "-ffreestanding", "-fomit-frame-pointer", "-fno-jump-tables", "-nostdlibinc")
# What is moved out of loops there are not the registers for.
LLC = ("-O2", "-march=xtensa", "-disable-machine-licm", "-disable-lsr")


class BuildError(Exception):
    """A tool failed, or an object has what nobody here has thought of."""


def tool(name: str) -> str:
    folder = os.environ.get("XTENSA_LLVM")
    return str(Path(folder) / name) if folder else name


def run(*command: str | Path) -> None:
    if subprocess.run([str(part) for part in command], check=False).returncode:
        raise BuildError(f"{Path(command[0]).name} failed")


def without_target(ir: str) -> str:
    """llc's -mattr is to hold, not the (empty) features that clang wrote down for each function."""
    return re.sub(r'"target-(?:cpu|features)"="[^"]*" ?', "", ir)


def signed(text: str) -> int:
    return int(text, 0)


def narrow(line: str) -> str:
    """The form of two bytes of an instruction, where there is one."""
    code = line.split("#")[0].split()
    if not code:
        return line
    name, arguments = code[0], "".join(code[1:]).split(",")
    try:
        if name == "or" and arguments[1] == arguments[2]:
            return f"\tmov.n\t{arguments[0]}, {arguments[1]}"
        if name == "addi" and signed(arguments[2]) == 0:
            return f"\tmov.n\t{arguments[0]}, {arguments[1]}"
        if name == "add":
            return f"\tadd.n\t{', '.join(arguments)}"
        if name == "movi" and -32 <= signed(arguments[1]) <= 95:
            return f"\tmovi.n\t{', '.join(arguments)}"
        if name == "addi" and (signed(arguments[2]) == -1 or 1 <= signed(arguments[2]) <= 15):
            return f"\taddi.n\t{', '.join(arguments)}"
        if name in ("l32i", "s32i") and 0 <= signed(arguments[2]) <= 60 and signed(arguments[2]) % 4 == 0:
            return f"\t{name}.n\t{', '.join(arguments)}"
    except (IndexError, ValueError):
        pass
    return line


# A second name of each function for the file itself: what is called by it leaves nothing to relocate.
LOCAL = ".Lhere_"


def direct_calls(lines: list[str]) -> list[str]:
    """
    Calls of functions of the same file as such, in place of the two instructions and the literal by which llc calls everything: the
    address, loaded from a literal, is called by the register. Only where nothing but the call reads the register.
    """
    here = {line.split(":")[0] for line in lines if re.match(r"[A-Za-z_]\w*:", line)}
    literals = {}
    for line in lines:
        if found := re.match(r"\s*\.literal (\S+), (\S+)$", line):
            literals[found[1]] = found[2]
    kept: list[str] = []
    # By register, of those that a call takes away: where it was loaded, with what.
    loads: dict[str, tuple[int, str]] = {}
    for line in lines:
        code = line.split("#")[0].strip()
        if found := re.fullmatch(r"l32r\s+(a8|a9|a1[0-5]), (\S+)", code):
            target = literals.get(found[2], "")
            loads.pop(found[1], None)
            if target in here:
                loads[found[1]] = len(kept), target
        elif (found := re.fullmatch(r"callx8\s+(a\d+)", code)) and found[1] in loads:
            place, target = loads[found[1]]
            kept[place] = ""
            line = f"\tcall8\t{LOCAL}{target}"
            loads = {}
        elif code.endswith(":") or re.match(r"(b|j|call|ret|loop)", code):
            loads = {}  # of what comes from elsewhere, or goes elsewhere, nothing is known
        else:
            for register in re.findall(r"\ba\d+\b", code):
                loads.pop(register, None)
        kept.append(line)
    kept = [f"{line}\n{LOCAL}{line}" if re.match(r"[A-Za-z_]\w*:", line) else line for line in kept]
    used = set(re.findall(r"\.LCPI\w+", "\n".join(line for line in kept if ".literal " not in line)))
    return [line for line in kept if not (found := re.match(r"\s*\.literal (\.LCPI\w+),", line)) or found[1] in used]


def corrected_assembly(text: str) -> str:
    """
    Literals are placed by a directive of the section .text, which llc leaves out; constants get the one name under which
    mpy_ld takes addresses in them; instructions become short.
    """
    lines = []
    for line in direct_calls(text.splitlines()):
        line = re.sub(r"\.section(\s+)\.rodata", r".section\1.data.rel.ro", line)
        if line.strip() == ".literal_position":
            lines.append("\t.text")
        lines.append(narrow(line))
    return "\n".join(lines) + "\n"


def correct_object(path: Path) -> None:
    """
    The immediate of an l32r under a relocation becomes 0, as mpy_ld adds to it; the addend of a relocation against a section
    moves from the relocation into the word, where mpy_ld looks for it.
    """
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if not isinstance(section, RelocationSection):
                continue
            target = elf.get_section(section["sh_info"])
            symbols = elf.get_section(section["sh_link"])
            for number, relocation in enumerate(section.iter_relocations()):
                where = target["sh_offset"] + relocation["r_offset"]
                kind, addend = relocation["r_info_type"], relocation["r_addend"]
                symbol = symbols.get_symbol(relocation["r_info_sym"])
                if kind == R_XTENSA_SLOT0_OP:
                    if data[where] & 0xF == 1:
                        data[where + 1 : where + 3] = bytes(2)
                elif kind == R_XTENSA_32:
                    if addend and symbol["st_info"]["type"] == "STT_SECTION":
                        struct.pack_into("<i", data, where, addend)
                        struct.pack_into("<i", data, section["sh_offset"] + 12 * number + 8, 0)
                elif target["sh_flags"] & 2:  # of what is loaded; debugging information is of no interest
                    raise BuildError(f"{path.name}: relocation of type {kind} in {target.name}")
    path.write_bytes(data)


def compile_file(source: Path, out: Path, options: list[str], without: str) -> None:
    attributes = "-mattr=" + ",".join("+" + name for name in FEATURES if name != without)
    with tempfile.TemporaryDirectory() as folder:
        ir, assembly = Path(folder) / "unit.ll", Path(folder) / "unit.s"
        if source.suffix == ".S":
            attributes += ",+exception"  # syscall
            run(tool("clang"), "--target=xtensa", "-E", *options, "-o", assembly, source)
        else:
            run(tool("clang"), *CLANG, "-isystem", HERE / "include", *options, "-S", "-emit-llvm", "-o", ir, source)
            ir.write_text(without_target(ir.read_text()))
            run(tool("llc"), *LLC, attributes, "-o", assembly, ir)
            assembly.write_text(corrected_assembly(assembly.read_text()))
        run(tool("llvm-mc"), "-triple=xtensa", attributes, "-filetype=obj", "-o", out, assembly)
    correct_object(out)


def main() -> int:
    arguments = sys.argv[1:]
    if len(arguments) < 3 or arguments[0] != "-o" or arguments[-1].startswith("-"):
        print((__doc__ or "").split("\n\n")[1].strip(), file=sys.stderr)
        return 2
    source, out, options, without = Path(arguments[-1]), Path(arguments[1]), arguments[2:-1], ""
    if options[:1] == ["--without"]:
        without, options = options[1], options[2:]
    try:
        compile_file(source, out, options, without)
    except BuildError as error:
        out.unlink(missing_ok=True)
        print(f"{source}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
