#!/usr/bin/env bash
# Puts dist/ together: packages for mip by architecture, the host's wheel, SHA256SUMS. The same sources give the same bytes.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/release.sh [--to DIR] [ARCH...]

  --to DIR   where it goes; default: dist, which must not exist
  ARCH       armv6m armv7emsp rv32imc xtensawin x64; default: all of them

Needs the compilers of these architectures: scripts/setup_boards.sh.
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
to=dist
archs=()
while (($#)); do
    case $1 in
    --to) to=${2:?--to needs a folder} && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) archs+=("$1") ;;
    esac
    shift
done

scripts/setup.sh --boards
exec .venv/bin/python - "$to" "${archs[@]}" <<'PY'
import sys
from pathlib import Path

from microseal_host.board import release
from microseal_host.failure import Failure

to, *archs = sys.argv[1:]
unknown = set(archs) - set(release.ARCHS)
if unknown:
    sys.exit(f"error: no such architecture: {', '.join(sorted(unknown))}; there are {', '.join(release.ARCHS)}")
try:
    release.build(Path(to), archs or release.ARCHS)
except Failure as failure:
    sys.exit(f"error: {failure}\n       {failure.hint}")
print(Path(to, "SHA256SUMS").read_text(), end="")
PY
