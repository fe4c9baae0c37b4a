// Flash layout of MicroPython's RPI_PICO, so that files lie where they lie on a real one.
#define MICROPY_HW_BOARD_NAME "Emulated Pico"
#define MICROPY_HW_FLASH_STORAGE_BYTES (1408 * 1024)
