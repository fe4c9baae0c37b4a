#!/usr/bin/env bash
# Makes this checkout ready: Debian packages, .venv, MicroPython's source, umqtt.simple, and the native code.
# Safe to run again at any time; when nothing is missing it takes a fraction of a second.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/setup.sh [--boards] [--test] [--no-build]

  --boards     also what writes firmware to boards (esptool, ...)
  --test       also what ./test.sh needs (clang, valgrind, shellcheck; pytest, ruff, ...)
  --no-build   stop before compiling the native code

Environment:
  MPY_DIR      a MicroPython source tree to use instead of downloading one
  PYTHON       the Python (3.11 or later) to make .venv with
  pip and apt are used as configured on this machine.
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
with_boards=0
with_test=0
build=1
for arg in "$@"; do
    case $arg in
    --boards) with_boards=1 ;;
    --test) with_test=1 ;;
    --no-build) build=0 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

# shellcheck source=scripts/lib.sh
source scripts/lib.sh

[[ $root != *[[:space:]]* ]] ||
    die "the path of this checkout has a space in it, which make cannot cope with: $root" "move it and run this again"

mkdir -p build/setup
log=$root/build/setup/log
# Two set-ups at once (a test run beside a demo) would fight over pip and over the unpacked sources.
exec 9>build/setup/lock
if ! flock --nonblock 9; then
    say "another set-up is running in this checkout; waiting for it"
    flock 9
fi
: >"$log"

source scripts/setup_debian.sh
source scripts/setup_python.sh
source scripts/setup_micropython.sh

plan_python_packages
((!venv_todo)) || find_python
plan_debian_packages
tell_python_packages
plan_micropython

install_debian_packages
install_python_packages
install_micropython
if ((build)); then
    build_native
fi
