# ruff: noqa: F821 (names of MicroPython's manifests)
# RPI_PICO's manifest without its drivers, which come from micropython-lib, and Debian's source package has none of that.
freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
