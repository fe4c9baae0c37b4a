#!/usr/bin/env bash
# Sets this checkout up and runs everything that must pass: lint and format, the C core's own tests, pytest.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: ./test.sh [--long] [STAGE...] [-- PYTEST ARGUMENTS]

stages, all of them by default and in this order:
  setup    what the tests need (always)
  lint     ruff, clang-format, shellcheck
  native   the C core: tests under the sanitizers, fuzzing, constant time
  boards   the module of every architecture and the boards, in emulators: pytest tests/arch tests/board
  python   pytest, all other tests

  --long   fuzz and soak tests at full length

examples:
  ./test.sh
  ./test.sh lint
  ./test.sh python -- tests/test_sim_relay.py -k alter
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")"
long=0
stages=()
while (($#)); do
    case $1 in
    --long) long=1 ;;
    lint | native | boards | python) stages+=("$1") ;;
    setup) ;;
    --) shift && break ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
((${#stages[@]})) || stages=(lint native boards python)
pytest_arguments=("$@")
if ((long)); then
    export MICROSEAL_LONG=1
    pytest_arguments+=(--long)
fi

run_setup() {
    scripts/setup.sh --test
}

run_lint() {
    .venv/bin/ruff check --quiet .
    .venv/bin/ruff format --check --quiet . || {
        echo "not formatted as ruff would; to mend: .venv/bin/ruff format ." >&2
        return 1
    }
    local sources scripts
    mapfile -t sources < <(find firmware/native tests/c -name build -prune -o -name dist -prune -o -name '*.[ch]' -print)
    if ((${#sources[@]})); then
        .venv/bin/clang-format --dry-run -Werror "${sources[@]}" || {
            echo "not formatted as clang-format would; to mend: .venv/bin/clang-format -i ${sources[*]}" >&2
            return 1
        }
    fi
    mapfile -t scripts < <(grep -lE '^#!.*\bbash' ./*.sh scripts/*.sh .ci/run)
    shellcheck -x "${scripts[@]}"
}

run_native() {
    PATH="$PWD/.venv/bin:$PATH" make -j2 --output-sync=line --no-print-directory -C firmware/native check LONG=$long
}

run_boards() {
    local tests=(tests/arch)
    [[ ! -d tests/board ]] || tests+=(tests/board)
    scripts/setup_boards.sh
    PATH="$PWD/.venv/bin:$PATH" make --silent --no-print-directory -C firmware/native native
    .venv/bin/python -m pytest -n 2 --dist loadgroup --durations 8 "${tests[@]}" "${pytest_arguments[@]}"
}

run_python() {
    # More workers than cores: most of the end to end tests wait.
    .venv/bin/python -m pytest -n 4 --dist loadgroup --durations 8 --ignore tests/arch --ignore tests/board \
        "${pytest_arguments[@]}"
}

# stage NAME SECONDS: runs it; the seconds are what it may take on two cores before somebody should look at it
stage() {
    local name=$1 budget=$2 start=$SECONDS took note=
    printf '=== %s (budget %d s)\n' "$name" "$budget"
    # Not "run_$name || ...": in a condition bash would ignore failures inside the function.
    (
        trap '[[ $? == 0 ]] || printf "=== %s FAILED; by itself: ./test.sh %s\n" "$name" "$name" >&2' EXIT
        "run_$name"
    )
    took=$((SECONDS - start))
    ((took <= budget || long)) || note=", OVER ITS BUDGET"
    # pytest's own summary, which has the time, is to be the last line of the output.
    [[ $name == python ]] || printf '=== %s took %d s%s\n' "$name" "$took" "$note"
}

declare -A budget=([setup]=240 [lint]=30 [native]=180 [boards]=480 [python]=600)
for name in setup "${stages[@]}"; do
    stage "$name" "${budget[$name]}"
done
