#!/usr/bin/env bash
# Writes the files requirements*.txt anew from pyproject.toml: exact versions and hashes for every Python
# from 3.11 on. Needs the network; what it wrote is to be tested and committed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv

compile() {
    "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --allow-unsafe --upgrade --custom-compile-command scripts/lock.sh pyproject.toml "$@"
}
compile --extra sim --output-file requirements.txt
compile --extra sim --extra boards --output-file requirements-boards.txt
compile --extra sim --extra boards --extra test --output-file requirements-test.txt
