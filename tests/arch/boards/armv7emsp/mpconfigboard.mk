# A Cortex-M4 with its FPU switched on: armv7emsp as on an RP2350, which is a Cortex-M33.
QEMU_ARCH = arm
QEMU_MACHINE = mps2-an386

CFLAGS += -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard
CFLAGS += -DQEMU_SOC_MPS2 -DMICROPY_HW_MCU_NAME='"Cortex-M4"'
MICROPY_HEAP_SIZE = 204800

# switch_on.c runs before main().
vpath %.c $(BOARD_DIR)
SRC_C += switch_on.c
LDFLAGS += -Wl,--wrap=main

LDSCRIPT = mcu/arm/mps2.ld
SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o
