#!/usr/bin/env bash
# From a checkout and a board to verified messages. Sets up what is missing first.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# field FILE NAME: a top-level text of a board's file, read here because there may be no Python yet
field() {
    sed -n "s/^$2 *= *\"\(.*\)\".*/\1/p" "$1" | head -n 1
}

list_boards() {
    local file also
    echo "usage: ./flash.sh BOARD [OPTIONS]      (./flash.sh BOARD --help: the options of that board)"
    echo
    echo "boards:"
    for file in "$here"/boards/*.toml; do
        also=$(sed -n 's/^aliases *= *\[\(.*\)\].*/ (\1)/p' "$file" | tr -d '"')
        printf '  %-40s %s\n' "$(field "$file" name)$also" "$(field "$file" title)"
    done
}

# Only where set-up has been: a list is no reason to install anything.
list_seen() {
    [[ -x $here/.venv/bin/python ]] || return 0
    echo
    echo "plugged in:"
    "$here/.venv/bin/python" -P -m microseal_host.flash --seen || true
}

if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
    list_boards
    list_seen
    (($#)) || exit 2
    exit 0
fi

name=$1
shift
method=
if [[ $name =~ ^[a-z0-9_]+$ ]]; then
    file=$(grep -lE "^(name *= *|aliases *= *\[.*)\"$name\"" "$here"/boards/*.toml | head -n 1 || true)
    [[ -z $file ]] || method=$(field "$file" flash_method)
fi
if [[ -z $method ]]; then
    printf 'error: there is no board "%s"\n\n' "$name" >&2
    list_boards >&2
    exit 2
fi

# -P: a folder with a sketch in it may have a serial.py of its own, or somebody else's.
# exec: Ctrl-C and signals reach the one process that ends all others.
# What set-up says is not part of what the board's program prints.
if [[ $method == process ]]; then
    "$here/scripts/setup.sh" >&2
    exec "$here/.venv/bin/python" -P -m microseal_host.sim --board "$file" "$@"
fi
"$here/scripts/setup.sh" --boards >&2
if [[ $method == emulator ]]; then
    [[ " $* " == *" --help "* ]] || "$here/scripts/setup_pico.sh" >&2
    exec "$here/.venv/bin/python" -P -m microseal_host.board.emulation "$@"
fi
exec "$here/.venv/bin/python" -P -m microseal_host.flash "$name" "$@"
