#!/usr/bin/env python3
"""Links objects that llvm.py made into a program for qemu-xtensa: LLVM's linker does not know Xtensa, and Debian has no GNU one for its
windowed ABI.

    link.py -o PROGRAM OBJECT...

One segment that may be read, written and executed, the entry point is _start; the symbol table has the global ones. An
object's literals lie right before its code, as l32r only reaches 256 KB backwards. Symbols: defined once, or common; no weak
ones, no archives.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

BASE = 0x0040_0000
HEADERS = 52 + 32
PAGE = 4096
WRITE, ALLOCATED = 1, 2
R_XTENSA_NONE, R_XTENSA_32, R_XTENSA_ASM_EXPAND, R_XTENSA_SLOT0_OP = 0, 1, 11, 20


class LinkError(Exception):
    """Objects do not fit together, or have what nobody here has thought of."""


@dataclass
class Section:
    name: str
    data: bytearray
    size: int  # of data, or of zeros where there is none
    align: int
    address: int = 0


@dataclass
class Object:
    path: Path
    elf: ELFFile
    sections: dict[int, Section] = field(default_factory=dict)  # by number; only what is loaded

    def __post_init__(self) -> None:
        for number, section in enumerate(self.elf.iter_sections()):
            if section["sh_flags"] & ALLOCATED and section["sh_size"]:
                data = b"" if section["sh_type"] == "SHT_NOBITS" else section.data()
                # A relocation in words needs them aligned, whatever the object says.
                align = max(4, section["sh_addralign"])
                self.sections[number] = Section(section.name, bytearray(data), section["sh_size"], align)

    def rank(self, section: Section) -> int:
        for rank, start in enumerate((".literal", ".text")):
            if section.name.startswith(start):
                return rank
        return 3 if not section.data else 2

    def symbols(self) -> Iterator[tuple[str, str, int | str, int, int]]:
        """Name, binding, number of its section, value, size."""
        table = self.elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols():
            yield symbol.name, symbol["st_info"]["bind"], symbol["st_shndx"], symbol["st_value"], symbol["st_size"]


def place(objects: list[Object]) -> tuple[int, int]:
    """Gives every section its address: code object by object, then data, then zeros. The ends of data and of zeros."""
    at = BASE + HEADERS
    end_of_data = 0
    code = [(o, s) for o in objects for s in sorted(o.sections.values(), key=o.rank) if o.rank(s) < 2]
    data = [(o, s) for o in objects for s in o.sections.values() if o.rank(s) == 2]
    zeros = [(o, s) for o in objects for s in o.sections.values() if o.rank(s) == 3]
    for part in (code, data, zeros):
        if part is data:
            # qemu translates anew what lies in a page that is written to.
            at = (at + PAGE - 1) & -PAGE
        for _, section in part:
            at = (at + section.align - 1) & -section.align
            section.address = at
            at += section.size
        if part is not zeros:
            end_of_data = at
    return end_of_data, at


def resolve(objects: list[Object], end: int) -> tuple[dict[str, int], int]:
    """Addresses of the global symbols; common ones get theirs here. The end of these."""
    found: dict[str, int] = {}
    common: dict[str, int] = {}
    for it in objects:
        for name, binding, number, value, size in it.symbols():
            if binding == "STB_LOCAL" or number == "SHN_UNDEF":
                continue
            if number == "SHN_COMMON":
                common[name] = max(size, common.get(name, 0))
            elif name in found:
                raise LinkError(f"{it.path}: {name} is defined twice")
            elif number == "SHN_ABS":
                found[name] = value
            elif number in it.sections:
                found[name] = it.sections[number].address + value
    for name, size in common.items():
        if name not in found:
            end = (end + 7) & -8
            found[name] = end
            end += size
    found.setdefault("_end", end)
    return found, end


def relocate(it: Object, globals_: dict[str, int]) -> set[str]:
    """Writes addresses into the sections. The names of symbols that nobody defines."""
    missing = set()
    for table in it.elf.iter_sections():
        if not isinstance(table, RelocationSection) or table["sh_info"] not in it.sections:
            continue
        section = it.sections[table["sh_info"]]
        symbols = it.elf.get_section(table["sh_link"])
        for relocation in table.iter_relocations():
            symbol = symbols.get_symbol(relocation["r_info_sym"])
            number = symbol["st_shndx"]
            if symbol["st_info"]["bind"] != "STB_LOCAL":
                if symbol.name not in globals_:
                    missing.add(symbol.name)
                    continue
                value = globals_[symbol.name]
            else:
                if number not in it.sections:
                    raise LinkError(f"{it.path}: relocation against a section that is not loaded")
                value = it.sections[number].address + symbol["st_value"]
            apply(it, section, relocation, value + relocation["r_addend"])
    return missing


def apply(it: Object, section: Section, relocation: dict[str, int], value: int) -> None:
    at, kind = relocation["r_offset"], relocation["r_info_type"]
    pc = section.address + at
    if kind == R_XTENSA_32:
        (there,) = struct.unpack_from("<I", section.data, at)
        struct.pack_into("<I", section.data, at, (value + there) & 0xFFFF_FFFF)
    elif kind == R_XTENSA_SLOT0_OP:
        if section.data[at] & 0xF == 1:  # l32r
            distance = value - ((pc + 3) & ~3)
            if not -0x4_0000 <= distance < 0 or distance % 4:
                raise LinkError(f"{it.path}: l32r over {distance} bytes in {section.name}+{at:#x}")
            struct.pack_into("<H", section.data, at + 1, (distance >> 2) & 0xFFFF)
        else:
            raise LinkError(f"{it.path}: a relocated instruction that is no l32r in {section.name}+{at:#x}")
    elif kind not in (R_XTENSA_NONE, R_XTENSA_ASM_EXPAND):
        raise LinkError(f"{it.path}: relocation of type {kind} in {section.name}")


def program(objects: list[Object]) -> bytes:
    end_of_data, end = place(objects)
    globals_, end = resolve(objects, end)
    missing = set().union(*(relocate(it, globals_) for it in objects))
    if missing:
        raise LinkError("undefined: " + ", ".join(sorted(missing)))
    image = bytearray(end_of_data - BASE)
    for it in objects:
        for section in it.sections.values():
            if section.data:
                image[section.address - BASE : section.address - BASE + section.size] = section.data
    ident = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    parts, headers = symbol_table(objects, globals_, len(image))
    place_of_headers = len(image) + len(parts)
    rest = (globals_["_start"], 52, place_of_headers, 0, 52, 32, 1, 40, len(headers) // 40, len(headers) // 40 - 1)
    struct.pack_into("<16sHHIIIIIHHHHHH", image, 0, ident, 2, 94, 1, *rest)
    struct.pack_into("<8I", image, 52, 1, 0, BASE, BASE, len(image), end - BASE, 7, PAGE)
    return bytes(image + parts + headers)


def symbol_table(objects: list[Object], globals_: dict[str, int], at: int) -> tuple[bytes, bytes]:
    """The sections of the program that are not loaded, from that offset on, and the headers of all: .symtab, .strtab, .shstrtab."""
    sizes = {name: size for it in objects for name, _, number, _, size in it.symbols() if number != "SHN_UNDEF"}
    names, table = b"\0", bytearray(16)
    for name, address in globals_.items():
        table += struct.pack("<IIIBBH", len(names), address, sizes.get(name, 0), 0x10, 0, 0xFFF1)  # global, absolute
        names += name.encode() + b"\0"
    titles = b"\0.symtab\0.strtab\0.shstrtab\0"
    headers = bytearray(40)
    for title, kind, start, part, more in (
        (b".symtab", 2, at, table, (2, 1, 4, 16)),
        (b".strtab", 3, at + len(table), names, (0, 0, 1, 0)),
        (b".shstrtab", 3, at + len(table) + len(names), titles, (0, 0, 1, 0)),
    ):
        headers += struct.pack("<10I", titles.index(b"\0" + title) + 1, kind, 0, 0, start, len(part), *more)
    return bytes(table + names + titles), bytes(headers)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("-o", dest="out", type=Path, required=True)
    parser.add_argument("objects", type=Path, nargs="+")
    args = parser.parse_args()
    try:
        image = program([Object(path, ELFFile(path.open("rb"))) for path in args.objects])
    except LinkError as error:
        print(f"link.py: {error}", file=sys.stderr)
        return 1
    args.out.write_bytes(image)
    args.out.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main())
