#!/usr/bin/env bash
# Makes ready what runs the native module of every architecture here: cross compilers, qemu, and MicroPython built for qemu's
# boards and with the module built in. Safe to run again at any time; what was built once comes from the cache.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/setup_boards.sh

Makes in build/boards:
  armv6m.elf armv7emsp.elf rv32imc.elf   MicroPython for qemu-system-arm and qemu-system-riscv32
  xtensawin.elf                          MicroPython for qemu-xtensa, by LLVM from scripts/setup_xtensa.sh
  armv6m_usermod.elf unix_usermod        MicroPython with the module built in, for qemu and for this machine
  alignment.so                           a plugin of qemu that finds unaligned accesses

Then it runs scripts/setup_pico.sh, where it is.

Environment:
  XDG_CACHE_HOME   what was built is kept in its folder microseal (default: ~/.cache)
  apt is used as configured on this machine.
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
case ${1:-} in
'') ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac

# shellcheck source=scripts/lib.sh
source scripts/lib.sh
# shellcheck source=scripts/setup_debian.sh
source scripts/setup_debian.sh

[[ -f build/micropython/ports/qemu/Makefile && -x .venv/bin/python ]] || scripts/setup.sh
[[ -f build/micropython/ports/qemu/Makefile ]] ||
    die "build/micropython has no ports/qemu; give a whole source tree:  MPY_DIR=/path/to/micropython scripts/setup.sh"

export HOME=${HOME:-$(getent passwd "$EUID" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/microseal/boards
boards=(armv6m armv7emsp rv32imc)
compilers=(arm-none-eabi-gcc arm-none-eabi-gcc riscv64-unknown-elf-gcc)

mkdir -p build/setup build/boards "$cache"
log=$root/build/setup/boards.log
: >"$log"

plan_packages() {
    need gcc gcc
    need make make
    need cmake cmake
    need arm-none-eabi-gcc gcc-arm-none-eabi
    [[ -d /usr/include/newlib ]] || debian_missing+=(libnewlib-arm-none-eabi)
    need riscv64-unknown-elf-gcc gcc-riscv64-unknown-elf
    [[ -d /usr/lib/picolibc/riscv64-unknown-elf ]] || debian_missing+=(picolibc-riscv64-unknown-elf)
    need qemu-system-arm qemu-system-arm
    need qemu-system-riscv32 qemu-system-misc
    if ((${#debian_missing[@]})); then
        say "will install Debian packages: ${debian_missing[*]}"
    fi
}

# hash_of FILE_OR_FOLDER...: over the contents and names of all files
hash_of() {
    find "$@" \( -name __pycache__ -o -name 'build*' -type d \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# port_make PORT FOLDER ARGUMENT...: MicroPython's Makefile of a port, with FOLDER for what it makes
port_make() {
    local port=$1 folder=$2
    shift 2
    # Its version is that of the source, not of the repository around it; the frozen modules are of no use here.
    env MICROPY_GIT_TAG=v1.25.0 MICROPY_GIT_HASH=release PYTHONDONTWRITEBYTECODE=1 PATH="$root/.venv/bin:$PATH" \
        make --no-print-directory -C "build/micropython/ports/$port" "BUILD=$folder" FROZEN_MANIFEST= "$@"
}

# What goes into each entry of the cache, by its name: make_<kind> FOLDER ARCH, which leaves the file at FOLDER/made.
make_board() {
    port_make qemu "$1/build" "BOARD=$2" "BOARD_DIR=$root/tests/arch/boards/$2" && mv "$1/build/firmware.elf" "$1/made"
}

make_xtensa() {
    make --no-print-directory -C "tests/arch/boards/$2" "OUT=$1/build" && mv "$1/build/firmware.elf" "$1/made"
}

make_usermod() {
    if [[ $2 == unix ]]; then
        port_make unix "$1/build" MICROPY_PY_FFI=0 MICROPY_PY_BTREE=0 MICROPY_PY_SSL=0 "USER_C_MODULES=$root/firmware/native" &&
            mv "$1/build/micropython" "$1/made"
    else
        port_make qemu "$1/build" "BOARD=$2" "BOARD_DIR=$root/tests/arch/boards/$2" "USER_C_MODULES=$root/firmware/native" &&
            mv "$1/build/firmware.elf" "$1/made"
    fi
}

make_plugin() {
    gcc -std=c11 -Wall -Wextra -Werror -O2 -shared -fPIC -o "$1/made" tests/arch/alignment.c
}

# cached KIND ARCH KEY FILE: FILE in build/boards, as the cache has it or made anew. Two set-ups at once make it once.
cached() {
    local kind=$1 arch=$2 entry=$cache/$1_$2_$3 file=build/boards/$4 work
    if [[ ! -f $entry ]]; then
        exec 8>"$cache/$1_$2.lock"
        flock 8
        if [[ ! -f $entry ]]; then
            say "building ${file#build/}"
            work=$(mktemp -d "$cache/work.XXXXXX")
            if ! "make_$kind" "$work" "$arch" >"$work/log" 2>&1 </dev/null; then
                tail -n 25 "$work/log" >&2
                rm -rf "$work"
                die "$file did not build"
            fi
            mv "$work/made" "$entry"
            rm -rf "$work"
        fi
        exec 8>&-
    fi
    # The date is that of the last use.
    touch "$entry"
    if ! cmp --silent "$entry" "$file"; then
        cp "$entry" "$file.new.$$"
        mv "$file.new.$$" "$file"
    fi
}

build_all() {
    local source core i key jobs=()
    source=$(cd build/micropython && hash_of py extmod shared lib/libm lib/libm_dbl ports/qemu ports/unix tools)
    core=$(hash_of firmware/native/core firmware/native/usermod firmware/native/natmod/binding.h)
    for i in "${!boards[@]}"; do
        key=$(stamp_of "$source" scripts/setup_boards.sh "$("${compilers[i]}" --version)" "$(hash_of "tests/arch/boards/${boards[i]}")")
        jobs+=("board ${boards[i]} $key ${boards[i]}.elf")
        if [[ ${boards[i]} == armv6m ]]; then
            jobs+=("usermod armv6m $(stamp_of "$key" "$core") armv6m_usermod.elf")
        fi
    done
    key=$(stamp_of "$source" scripts/setup_boards.sh "$XTENSA_LLVM" "$(hash_of tests/arch/boards/xtensawin firmware/native/xtensa/{llvm,link}.py \
        firmware/native/xtensa/{include,runtime})")
    jobs+=("xtensa xtensawin $key xtensawin.elf")
    jobs+=("usermod unix $(stamp_of "$source" scripts/setup_boards.sh "$(gcc --version)" "$core") unix_usermod")
    jobs+=("plugin host $(stamp_of tests/arch/alignment.c "$(gcc --version)") alignment.so")
    # Two at a time: much of what such a build does is one process.
    export cache root
    export -f cached port_make make_board make_xtensa make_usermod make_plugin say die
    # shellcheck disable=SC2016  # expanded by the shells that xargs starts
    printf '%s\n' "${jobs[@]}" | xargs -P 2 -L 1 bash -c 'set -euo pipefail; cached "$@"' cached
    # What was not used for two months, and what an interrupted run left.
    find "$cache" -maxdepth 1 \( -type f -mtime +60 -o -type d -name 'work.*' -mmin +120 \) -exec rm -rf {} +
}

plan_packages
install_debian_packages
XTENSA_LLVM=$(scripts/setup_xtensa.sh)
export XTENSA_LLVM
build_all
[[ ! -x scripts/setup_pico.sh ]] || scripts/setup_pico.sh >/dev/null
