# shellcheck shell=bash
# What the shell scripts share: messages, and commands whose output is shown only when they fail.

say() {
    printf '==> %s\n' "$*"
}

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    if (($#)); then
        printf '       %s\n' "$@" >&2
    fi
    exit 1
}

# logged COMMAND...: run with its output going to $log
logged() {
    printf '\n$ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null 9>&-
}

# show_log: the end of $log, for the line above an error
show_log() {
    printf -- '--- last lines of %s\n' "${log#"$PWD"/}" >&2
    tail -n 25 "$log" >&2
    printf -- '---\n' >&2
}

# stamp_of NAME... FILE...: one hash over words and the contents of files
stamp_of() {
    local item
    for item in "$@"; do
        if [[ -f $item ]]; then
            cat "$item"
        else
            printf '%s\n' "$item"
        fi
    done | sha256sum | cut -d' ' -f1
}

# stamped FILE STAMP: does FILE hold STAMP?
stamped() {
    [[ -f $1 && $(<"$1") == "$2" ]]
}

check_sha256() {
    printf '%s  %s\n' "$2" "$1" | sha256sum --check --status 2>/dev/null
}
