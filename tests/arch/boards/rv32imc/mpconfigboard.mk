# RV32IMAC; the atomic instructions are MicroPython's own matter, an .mpy of rv32imc has none.
QEMU_ARCH = riscv32
QEMU_MACHINE = virt
# GCC 12 of Debian has the control and status registers in the base set only so.
RV32_ARCH = rv32imac
AFLAGS = -misa-spec=2.2

CFLAGS += -DQEMU_SOC_VIRT -DMICROPY_HW_MCU_NAME='"RV32"'
MICROPY_HEAP_SIZE = 204800

LDSCRIPT = mcu/rv32/virt.ld
SRC_BOARD_O += shared/runtime/gchelper_native.o shared/runtime/gchelper_rv32i.o
