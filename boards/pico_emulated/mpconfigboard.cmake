# The build that runs in the emulator: MicroPython's own board RPI_PICO, and this folder's manifest.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
