# shellcheck shell=bash
# MicroPython's source in build/micropython (py/dynruntime.h and tools/mpy_ld.py build the native module), and that build.
#
# From, in this order: MPY_DIR, Debian's source package (by the mirror that this machine already uses), the upstream
# repository by its tag. All three give the same 1.25.0.

mpy_version=1.25.0
mpy_orig_sha256=7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea
mpy_upstream=https://github.com/micropython/micropython.git
# What a download is recognised by, whichever way it came: the files that the native module is built with.
mpy_files_sha256='c4fcaff56b6c2cbb307a894ed523c66d8aa34f8834b51026aed25235207801ba  py/dynruntime.h
86557e889f0940e21526674dfdfd075a21a66014f40fd7db1aa0f8d84b79b814  py/dynruntime.mk
6f3087e826681b60d05e79fa6d247921808e92528c2c1fc3b180e1f16f938415  py/makeqstrdata.py
d31d75224f193d880b8b5e0f42178b4e43f3c2a5e340314d4d7fbc393ec27b45  py/nativeglue.h
cdd5345e0e0599229e011296f93648263bfeab4a74621fb4730654a1bfa879d1  tools/mpy_ld.py'

mpy_todo=0
mpy_stamp=

plan_micropython() {
    if [[ -n ${MPY_DIR:-} ]]; then
        [[ -f $MPY_DIR/py/dynruntime.h && -f $MPY_DIR/tools/mpy_ld.py ]] ||
            die "MPY_DIR=$MPY_DIR is not a MicroPython source tree (py/dynruntime.h and tools/mpy_ld.py are looked for)"
        mpy_stamp="given $(cd "$MPY_DIR" && pwd)"
    else
        mpy_stamp="release $mpy_version"
        # A tree given once by MPY_DIR stays until it is gone.
        if [[ $(cat build/setup/micropython.stamp 2>/dev/null) == given* && -f build/micropython/py/dynruntime.h ]]; then
            return
        fi
    fi
    if ! stamped build/setup/micropython.stamp "$mpy_stamp" || [[ ! -f build/micropython/py/dynruntime.h ]]; then
        mpy_todo=1
        [[ -n ${MPY_DIR:-} ]] || say "will download MicroPython's source, $mpy_version, into build/micropython"
    fi
}

install_micropython() {
    ((mpy_todo)) || return 0
    if [[ -n ${MPY_DIR:-} ]]; then
        rm -rf build/micropython
        ln -s "${mpy_stamp#given }" build/micropython
    else
        say "downloading MicroPython's source"
        local work
        work=$(mktemp -d "$root/build/setup/micropython.XXXXXX")
        if ! micropython_from_debian "$work" && ! micropython_from_upstream "$work"; then
            rm -rf "$work"
            show_log
            die "could not download MicroPython $mpy_version" \
                "if that was the network, run the same command again;" \
                "or unpack its source somewhere and say where:  MPY_DIR=/path/to/micropython $0"
        fi
        rm -rf build/micropython
        mv "$work/source" build/micropython
        rm -rf "$work"
    fi
    printf '%s\n' "$mpy_stamp" >build/setup/micropython.stamp
}

micropython_is_right() {
    (cd "$1" && sha256sum --check --status <<<"$mpy_files_sha256")
}

# The Debian archives in this machine's own apt sources, in whichever format they are written.
debian_mirrors() {
    # shellcheck disable=SC2016  # the dollars are apt's
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n -e 's/^Debian|Debian|main|//p' -e 's/^||main|//p' | awk '!seen[$0]++'
}

micropython_from_debian() {
    have apt-get || return 1
    local work=$1 mirror signed_by=
    [[ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ]] ||
        signed_by='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] '
    # Everything apt keeps goes into $work: the machine's own sources and lists are neither used nor touched.
    local options=(
        -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache"
        -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none -o Acquire::IndexTargets::deb-src::DEP-11::DefaultEnabled=0
    )
    # As root apt would drop to a user that may not enter this checkout.
    ((EUID != 0)) || options+=(-o APT::Sandbox::User=root)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    for mirror in $(debian_mirrors); do
        printf 'deb-src %s%s trixie main\n' "$signed_by" "$mirror" >"$work/sources.list"
        if logged apt-get "${options[@]}" update &&
            (cd "$work" && logged apt-get "${options[@]}" source --download-only micropython/trixie) &&
            check_sha256 "$work/micropython_$mpy_version+ds.orig.tar.xz" $mpy_orig_sha256; then
            mkdir -p "$work/source"
            logged tar -C "$work/source" --strip-components=1 -xf "$work/micropython_$mpy_version+ds.orig.tar.xz" &&
                micropython_is_right "$work/source" && return 0
        fi
        say "not to be had from $mirror"
    done
    return 1
}

micropython_from_upstream() {
    have git || return 1
    say "trying the upstream repository"
    rm -rf "$1/source"
    logged git -c advice.detachedHead=false clone --quiet --depth 1 --branch "v$mpy_version" "$mpy_upstream" "$1/source" &&
        micropython_is_right "$1/source"
}

native_is_built() {
    local stamp=build/setup/native.stamp
    [[ -f $stamp && -f build/native/libmicroseal_core.so ]] &&
        compgen -G 'firmware/native/dist/x64_*/microseal_core.mpy' >/dev/null &&
        [[ ! build/setup/micropython.stamp -nt $stamp && ! .venv/microseal.stamp -nt $stamp ]] &&
        [[ -z $(find firmware/native \( -name dist -o -name build \) -prune -o -type f -newer $stamp -print -quit) ]]
}

# make decides what is to be done; it is only not asked when nothing has changed, so that such a start says nothing.
build_native() {
    [[ -f firmware/native/Makefile ]] && ! native_is_built || return 0
    say "building the native code"
    local started=build/setup/native.started
    touch $started
    if ! logged env "PATH=$root/.venv/bin:$PATH" make --no-print-directory -C firmware/native host natmod ARCH=x64 \
        MPY_DIR="$root/build/micropython"; then
        show_log
        die "the native code did not build"
    fi
    mv $started build/setup/native.stamp
}
