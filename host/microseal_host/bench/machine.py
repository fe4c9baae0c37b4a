"""A processor without hardware: runs functions of a bare-metal ELF in unicorn and counts their instructions and cycles.

The ELF has code and data anywhere in 0x10000000..0x10200000 or 0x20000000..0x20040000. Every basic block that runs is counted, and
weighted as the processor's model has it: see processors.py.

A watched machine, many times slower, also faults on a word or half-word that is not aligned, where the processor does and unicorn does
not, and takes a fingerprint of all addresses that were run, read or written.
"""

from __future__ import annotations

import bisect
import collections
import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

import unicorn
from elftools.elf.elffile import ELFFile

from .processors import CortexM0, Processor, Weight

FLASH, FLASH_SIZE = 0x10000000, 2 << 20
RAM, RAM_SIZE = 0x20000000, 256 << 10
STOP = FLASH + FLASH_SIZE - 0x1000
HEAP, STACK = RAM + 0x8000, RAM + RAM_SIZE - 0x100
PAINT = b"\xa5"


class Fault(Exception):
    """The code did what the processor or the procedure call standard does not allow."""


@dataclass
class Counts:
    """What one call took. stack: bytes below the caller's; trace: stands for all addresses in their order, in a watched machine."""

    result: int
    instructions: int
    cycles: int
    stack: int
    trace: bytes
    by_function: collections.Counter[str] = field(repr=False)


class Machine:
    """One ELF in a machine of its own. Memory that a caller fills and reads: put(), get(); call() runs a function."""

    def __init__(self, elf: Path, watched: bool = False, processor: Processor | None = None) -> None:
        self.processor = processor or CortexM0()
        self.uc = self.processor.emulator()
        self.uc.mem_map(FLASH, FLASH_SIZE)
        self.uc.mem_map(RAM, RAM_SIZE)
        self.symbols: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        functions: dict[int, str] = {}  # by their address
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self.uc.mem_write(segment["p_vaddr"], segment.data())
            for symbol in image.get_section_by_name(".symtab").iter_symbols():
                self.symbols[symbol.name] = symbol["st_value"]
                if symbol["st_info"]["type"] == "STT_FUNC":
                    functions.setdefault(symbol["st_value"] & ~1, symbol.name)
                if symbol["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT"):
                    self.sizes[symbol.name] = symbol["st_size"]
            self.sections = {section.name: section["sh_size"] for section in image.iter_sections()}
        self._starts = sorted(functions)
        self._functions = functions
        self._blocks: collections.Counter[tuple[int, int]] = collections.Counter()
        self._taken: collections.Counter[tuple[int, int]] = collections.Counter()
        self._last: tuple[int, int] | None = None
        self._weights: dict[tuple[int, int], Weight] = {}
        self._free = HEAP
        self._trace = hashlib.sha256()
        self._unaligned = 0
        self.watched = watched
        self.uc.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        if watched:
            self.uc.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, self._access)

    def put(self, content: bytes, odd: bool = False) -> int:
        """The address of a copy: of a word, or, if odd, one that is aligned to nothing."""
        address = (self._free + 3 & ~3) + odd
        self.uc.mem_write(address, bytes(content))
        self._free = address + len(content)
        if self._free > STACK - 0x8000:
            raise MemoryError("the machine's memory is full; forget() frees it")
        return address

    def get(self, address: int, length: int) -> bytes:
        return bytes(self.uc.mem_read(address, length))

    def forget(self) -> None:
        """Frees what put() took."""
        self._free = HEAP

    def _block(self, uc: unicorn.Uc, address: int, size: int, _: object) -> None:
        self._blocks[address, size] += 1
        if self._last and sum(self._last) != address:
            self._taken[self._last] += 1
        self._last = address, size
        if self.watched:
            self._trace.update(address.to_bytes(4, "little"))

    def _access(self, uc: unicorn.Uc, access: int, address: int, size: int, value: int, _: object) -> None:
        self._trace.update((address << 1 | (access == unicorn.UC_MEM_WRITE)).to_bytes(5, "little"))
        if address % size and self.processor.aligned and not self._unaligned:
            self._unaligned = self._last[0] if self._last else 1

    def _weigh(self, block: tuple[int, int]) -> Weight:
        if block not in self._weights:
            self._weights[block] = self.processor.weigh(self.get(*block), block[0])
        return self._weights[block]

    def call(self, name: str, *arguments: int) -> Counts:
        """Runs a function with whole numbers and addresses as arguments. Fault: see the class of that name."""
        self._blocks.clear()
        self._taken.clear()
        self._last = None
        self._trace = hashlib.sha256()
        stack, cpu = STACK, self.processor
        in_registers = len(cpu.arguments)
        if len(arguments) > in_registers:
            stack -= (len(arguments) - in_registers) * 4 + 15 & ~15
            self.uc.mem_write(stack, b"".join(struct.pack("<I", a & 0xFFFFFFFF) for a in arguments[in_registers:]))
        self.uc.mem_write(stack - 0x4000, PAINT * 0x4000)
        for register, value in zip(cpu.arguments, arguments, strict=False):
            self.uc.reg_write(register, value & 0xFFFFFFFF)
        for number, register in enumerate(cpu.kept):
            self.uc.reg_write(register, 0x5EED0000 + number)
        self.uc.reg_write(cpu.sp, stack)
        self.uc.reg_write(cpu.link, STOP | cpu.code)
        try:
            self.uc.emu_start(self.symbols[name] | cpu.code, STOP)
        except unicorn.UcError as error:
            raise Fault(f"{name}: {error} at {self.uc.reg_read(cpu.pc):#x}") from error
        if self._unaligned:
            raise Fault(f"{name}: unaligned access in the block at {self._unaligned:#x}")
        kept = [self.uc.reg_read(register) for register in (*cpu.kept, cpu.sp)]
        if kept != [*(0x5EED0000 + number for number in range(len(cpu.kept))), stack]:
            raise Fault(f"{name}: does not restore the registers that it must")
        below = self.get(stack - 0x4000, 0x4000)
        instructions = cycles = 0
        by_function: collections.Counter[str] = collections.Counter()
        for block, times in self._blocks.items():
            if block[0] == STOP:
                continue
            weight = self._weigh(block)
            cost = weight.cycles * times + (cpu.taken * self._taken[block] if weight.conditional else 0)
            instructions += weight.instructions * times
            cycles += cost
            at = bisect.bisect_right(self._starts, block[0]) - 1
            by_function[self._functions[self._starts[at]] if at >= 0 else "?"] += cost
        return Counts(
            self.uc.reg_read(cpu.arguments[0]),
            instructions,
            cycles,
            len(below.lstrip(PAINT)),
            self._trace.digest(),
            by_function,
        )
