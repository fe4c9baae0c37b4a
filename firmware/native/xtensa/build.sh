#!/usr/bin/env bash
# Builds the module for ESP32, S2 and S3, firmware/native/dist/xtensawin_<abi>/microseal_core.mpy: by Espressif's GCC if that is
# on PATH, otherwise by LLVM (scripts/setup_xtensa.sh downloads it; this script does not).
#
#   build.sh [MAKE'S VARIABLES...]      e.g. build.sh SUITES=1 MPY_DIR=/path/to/micropython
#
# Exit status 3: there is no compiler; what to install is said.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ESP32-S2 has no zero-overhead loops, which GCC makes of counted loops for ESP32.
for compiler in xtensa-esp32-elf- xtensa-esp-elf-; do
    if [[ -z ${XTENSA_LLVM:-} ]] && command -v "${compiler}gcc" >/dev/null; then
        flags=-fno-branch-count-reg
        [[ $compiler == xtensa-esp32-elf- ]] || flags+=" -mdynconfig=xtensa_esp32.so"
        CFLAGS_EXTRA=$flags exec make --no-print-directory -C "$here/../natmod" ARCH=xtensawin CROSS=$compiler "$@"
    fi
done
if [[ -z ${XTENSA_LLVM:-} ]] && ! XTENSA_LLVM=$("$here/../../../scripts/setup_xtensa.sh" --path); then
    echo "xtensawin: no compiler; install Espressif's xtensa-esp32-elf-gcc, or run scripts/setup_xtensa.sh" >&2
    exit 3
fi
export XTENSA_LLVM
exec make --no-print-directory -C "$here" mpy "$@"
