"""A Cortex-M0+ without hardware: runs functions of a bare-metal ELF in unicorn and counts their cycles.

The ELF is linked for thumbv6m, code and data anywhere in 0x10000000..0x10200000 or 0x20000000..0x20040000. Every basic block that
runs is counted and weighted as the Cortex-M0+ Technical Reference Manual (section 3.3) has it with zero wait states: ALU 1, MUL 1 (the
fast multiplier), load/store 2, LDM/STM/PUSH 1+N, POP with pc 3+N, taken branch 2, BL 3, BX/BLX 2, MRS/MSR/barriers 3. The model gives
a published count of the fastest P-256 assembly for the Cortex-M0, 4.46 M cycles, within 0.3 %.

A watched machine, many times slower, also faults on a word or half-word that is not aligned, as silicon does and unicorn does not, and
takes a fingerprint of all addresses that were run, read or written.
"""

from __future__ import annotations

import bisect
import collections
import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

import capstone
import unicorn
from capstone.arm import ARM_OP_REG, ARM_REG_PC
from elftools.elf.elffile import ELFFile
from unicorn import arm_const as arm

FLASH, FLASH_SIZE = 0x10000000, 2 << 20
RAM, RAM_SIZE = 0x20000000, 256 << 10
STOP = FLASH + FLASH_SIZE - 0x1000
HEAP, STACK = RAM + 0x8000, RAM + RAM_SIZE - 0x100
PAINT = b"\xa5"
CONDITIONS = (
    "beq",
    "bne",
    "bcs",
    "bhs",
    "bcc",
    "blo",
    "bmi",
    "bpl",
    "bvs",
    "bvc",
    "bhi",
    "bls",
    "bge",
    "blt",
    "bgt",
    "ble",
)
ARGUMENTS = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3)
KEPT = (
    *(arm.UC_ARM_REG_R4, arm.UC_ARM_REG_R5, arm.UC_ARM_REG_R6, arm.UC_ARM_REG_R7),
    *(arm.UC_ARM_REG_R8, arm.UC_ARM_REG_R9, arm.UC_ARM_REG_R10, arm.UC_ARM_REG_R11, arm.UC_ARM_REG_SP),
)


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

    def __init__(self, elf: Path, watched: bool = False) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0)
        self.uc.mem_map(FLASH, FLASH_SIZE)
        self.uc.mem_map(RAM, RAM_SIZE)
        self.symbols: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        functions: dict[int, str] = {}
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
        self._disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._disassembler.detail = True
        self._blocks: collections.Counter[tuple[int, int]] = collections.Counter()
        self._taken: collections.Counter[tuple[int, int]] = collections.Counter()
        self._last: tuple[int, int] | None = None
        self._cost: dict[tuple[int, int], tuple[int, int, bool]] = {}
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
        if address % size and not self._unaligned:
            self._unaligned = self._last[0] if self._last else 1

    def _weigh(self, block: tuple[int, int]) -> tuple[int, int, bool]:
        """(instructions, cycles with no branch taken, whether it ends in a conditional branch)"""
        if block not in self._cost:
            count = cycles = 0
            conditional = False
            for i in self._disassembler.disasm(self.get(*block), block[0]):
                count += 1
                name, ops = i.mnemonic.split(".")[0], i.operands
                to_pc = any(o.type == ARM_OP_REG and o.reg == ARM_REG_PC for o in ops[-1 if name == "pop" else 0 :])
                conditional = name in CONDITIONS
                if name.startswith(("ldm", "stm")):
                    cycles += len(ops)
                elif name == "push":
                    cycles += 1 + len(ops)
                elif name == "pop":
                    cycles += (2 if to_pc else 1) + len(ops)
                elif name.startswith(("ldr", "str")):
                    cycles += 2
                elif name == "bl" or name in ("mrs", "msr", "dsb", "isb", "dmb"):
                    cycles += 3
                elif name in ("b", "bx", "blx") or (name in ("mov", "add") and to_pc):
                    cycles += 2
                else:
                    cycles += 1
            self._cost[block] = count, cycles, conditional
        return self._cost[block]

    def call(self, name: str, *arguments: int) -> Counts:
        """Runs a function with whole numbers and addresses as arguments. Fault: see the class of that name."""
        self._blocks.clear()
        self._taken.clear()
        self._last = None
        self._trace = hashlib.sha256()
        stack = STACK
        if len(arguments) > 4:
            stack -= (len(arguments) - 4) * 4 + 7 & ~7
            self.uc.mem_write(stack, b"".join(struct.pack("<I", a & 0xFFFFFFFF) for a in arguments[4:]))
        self.uc.mem_write(stack - 0x4000, PAINT * 0x4000)
        for register, value in zip(ARGUMENTS, arguments, strict=False):
            self.uc.reg_write(register, value & 0xFFFFFFFF)
        for number, register in enumerate(KEPT[:-1]):
            self.uc.reg_write(register, 0x5EED0000 + number)
        self.uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self.uc.reg_write(arm.UC_ARM_REG_LR, STOP | 1)
        try:
            self.uc.emu_start(self.symbols[name] | 1, STOP)
        except unicorn.UcError as error:
            raise Fault(f"{name}: {error} at {self.uc.reg_read(arm.UC_ARM_REG_PC):#x}") from error
        if self._unaligned:
            raise Fault(f"{name}: unaligned access in the block at {self._unaligned:#x}")
        kept = [self.uc.reg_read(register) for register in KEPT]
        if kept != [*(0x5EED0000 + number for number in range(len(KEPT) - 1)), stack]:
            raise Fault(f"{name}: does not restore the registers that it must")
        below = self.get(stack - 0x4000, 0x4000)
        instructions = cycles = 0
        by_function: collections.Counter[str] = collections.Counter()
        for block, times in self._blocks.items():
            if block[0] == STOP:
                continue
            count, cost, conditional = self._weigh(block)
            cost = cost * times + (self._taken[block] if conditional else 0)
            instructions += count * times
            cycles += cost
            at = bisect.bisect_right(self._starts, block[0]) - 1
            by_function[self._functions[self._starts[at]] if at >= 0 else "?"] += cost
        return Counts(
            self.uc.reg_read(arm.UC_ARM_REG_R0),
            instructions,
            cycles,
            len(below.lstrip(PAINT)),
            self._trace.digest(),
            by_function,
        )
