"""What a machine needs to know of a processor: its registers, and how many cycles a basic block takes.

Models, all with no wait states:

Cortex-M0+  Technical Reference Manual, section 3.3: ALU 1, MUL 1 (the fast multiplier), load/store 2, LDM/STM/PUSH 1+N, POP with pc
            3+N, taken branch 2, BL 3, BX/BLX 2, MRS/MSR/barriers 3. The model gives a published count of the fastest P-256 assembly
            for the Cortex-M0, 4.46 M cycles, within 0.3 %.
Cortex-M4   Technical Reference Manual, section 3.3: ALU and all 32-bit and 64-bit products 1, a load 2 or, right after another single
            load, 1; a store 1; LDM/STM/PUSH/POP/LDRD/STRD 1+N; a branch that is taken 1+P with a refill P of 2. A Cortex-M33 takes
            about as many.
RV32IMC     one cycle an instruction: cores differ, so that instructions are what is counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import capstone
import unicorn
from capstone.arm import ARM_OP_REG, ARM_REG_PC
from unicorn import arm_const as arm
from unicorn import riscv_const as riscv

CONDITIONS = (
    *("beq", "bne", "bcs", "bhs", "bcc", "blo", "bmi", "bpl", "bvs", "bvc"),
    *("bhi", "bls", "bge", "blt", "bgt", "ble", "cbz", "cbnz"),
)


@dataclass(frozen=True)
class Weight:
    """Of a basic block: cycles with no branch taken; conditional: whether it ends in a conditional branch."""

    instructions: int
    cycles: int
    conditional: bool


class Processor(ABC):
    """arguments, kept: registers that a call passes and must restore; code: what is added to the address of a function; taken: cycles
    that a conditional branch costs more when it is taken; aligned: words and half-words have to be."""

    name: str
    arguments: tuple[int, ...]
    kept: tuple[int, ...]
    sp: int
    link: int
    pc: int
    code: int
    taken: int
    aligned = True

    @abstractmethod
    def emulator(self) -> unicorn.Uc: ...

    @abstractmethod
    def weigh(self, code: bytes, address: int) -> Weight: ...


class Arm(Processor):
    arguments = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3)
    kept = (
        *(arm.UC_ARM_REG_R4, arm.UC_ARM_REG_R5, arm.UC_ARM_REG_R6, arm.UC_ARM_REG_R7),
        *(arm.UC_ARM_REG_R8, arm.UC_ARM_REG_R9, arm.UC_ARM_REG_R10, arm.UC_ARM_REG_R11),
    )
    sp, link, pc = arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC
    code = 1
    model: int

    def __init__(self) -> None:
        self.disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self.disassembler.detail = True

    def emulator(self) -> unicorn.Uc:
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(self.model)
        return uc

    @staticmethod
    def writes_pc(instruction: capstone.CsInsn) -> bool:
        """Of POP, LDM, MOV and ADD: whether the program counter is among the registers that are written."""
        operands = instruction.operands
        first = -1 if instruction.mnemonic.startswith(("pop", "ldm")) else 0
        return any(o.type == ARM_OP_REG and o.reg == ARM_REG_PC for o in operands[first:])


class CortexM0(Arm):
    name, model, taken = "Cortex-M0+", arm.UC_CPU_ARM_CORTEX_M0, 1

    def weigh(self, code: bytes, address: int) -> Weight:
        count = cycles = 0
        conditional = False
        for i in self.disassembler.disasm(code, address):
            count += 1
            name, ops = i.mnemonic.split(".")[0], i.operands
            to_pc = self.writes_pc(i)
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
        return Weight(count, cycles, conditional)


class CortexM4(Arm):
    name, model, taken = "Cortex-M4", arm.UC_CPU_ARM_CORTEX_M4, 2
    aligned = False  # single loads and stores need not be, and GCC knows

    def weigh(self, code: bytes, address: int) -> Weight:
        count = cycles = 0
        conditional = loaded = False
        for i in self.disassembler.disasm(code, address):
            count += 1
            name, ops = i.mnemonic.split(".")[0], i.operands
            to_pc = self.writes_pc(i)
            conditional = name in CONDITIONS
            single = name.startswith("ldr") and not name.startswith("ldrd")
            if name.startswith(("push", "pop")):
                cycles += 1 + len(ops) + 2 * to_pc
            elif name.startswith(("ldm", "stm")):
                cycles += len(ops) + 2 * to_pc
            elif name.startswith(("ldrd", "strd")):
                cycles += 3
            elif single:
                cycles += 1 if loaded else 2
            elif name in ("b", "bl", "bx", "blx") or (name in ("mov", "add") and to_pc):
                cycles += 3
            elif name in ("tbb", "tbh"):
                cycles += 4
            elif name in ("udiv", "sdiv"):
                cycles += 12
            else:
                cycles += 1
            loaded = single
        return Weight(count, cycles, conditional)


class RiscV32(Processor):
    name = "RV32IMC"
    arguments = tuple(getattr(riscv, f"UC_RISCV_REG_A{i}") for i in range(8))
    kept = tuple(getattr(riscv, f"UC_RISCV_REG_S{i}") for i in range(12))
    sp, link, pc = riscv.UC_RISCV_REG_SP, riscv.UC_RISCV_REG_RA, riscv.UC_RISCV_REG_PC
    code = taken = 0

    def emulator(self) -> unicorn.Uc:
        return unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)

    def weigh(self, code: bytes, address: int) -> Weight:
        count = at = 0
        while at < len(code):
            at += 4 if code[at] & 3 == 3 else 2
            count += 1
        return Weight(count, count, False)
