#!/usr/bin/env bash
# From a checkout and a board to verified messages. Sets up what is missing first.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# field FILE NAME: a top-level text of a board's file, read here because there may be no Python yet
field() {
    sed -n "s/^$2 *= *\"\(.*\)\".*/\1/p" "$1" | head -n 1
}

list_boards() {
    local file
    echo "usage: ./flash.sh BOARD [OPTIONS]      (./flash.sh BOARD --help: the options of that board)"
    echo
    echo "boards:"
    for file in "$here"/boards/*.toml; do
        printf '  %-14s %s\n' "$(field "$file" name)" "$(field "$file" title)"
    done
}

if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
    list_boards
    (($#)) || exit 2
    exit 0
fi

name=$1
shift
method=
for file in "$here"/boards/*.toml; do
    if [[ $(field "$file" name) == "$name" ]]; then
        method=$(field "$file" flash_method)
        break
    fi
done
if [[ -z $method ]]; then
    printf 'error: there is no board "%s"\n\n' "$name" >&2
    list_boards >&2
    exit 2
fi

# Its messages are not part of what the board's program prints.
"$here/scripts/setup.sh" >&2

case $method in
process)
    # exec: Ctrl-C and signals reach the one process that ends all others.
    exec "$here/.venv/bin/python" -m microseal_host.sim --board "$file" "$@"
    ;;
*)
    printf 'error: %s names the flash_method "%s", which is not known here\n' "$file" "$method" >&2
    exit 1
    ;;
esac
