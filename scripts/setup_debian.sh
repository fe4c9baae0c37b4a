# shellcheck shell=bash
# Debian packages. A need that is met in another way (a mosquitto of one's own in /usr/local) is left alone.

debian_missing=()
debian_python=/usr/bin/python3
python_candidates=(python3 "$debian_python" python3.14 python3.13 python3.12 python3.11)

# sbin is where mosquitto lives, and not on the PATH of an ordinary Debian user.
have() {
    PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null
}

need() {
    have "$1" || debian_missing+=("$2")
}

# find_python: sets $python to a Python that can make the .venv, or asks for Debian's python3-venv
find_python() {
    local candidate
    python=
    for candidate in ${PYTHON:+"$PYTHON"} "${python_candidates[@]}"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
                python=$candidate
                return
            fi
            [[ $candidate != "$debian_python" ]] || python=$candidate
        fi
    done
    if [[ -n $python ]]; then
        # Debian ships venv and ensurepip apart from python3.
        debian_missing+=(python3-venv)
    elif ! have python3 && have apt-get; then
        debian_missing+=(python3 python3-venv)
        python=$debian_python
    else
        die "microseal needs Python 3.11 or later; found $(python3 --version 2>&1 || true)" \
            "install one and name it:  PYTHON=/path/to/python3.12 $0"
    fi
}

clang_runtime() {
    # The sanitizers' runtime is a package of its own, named after the version that "clang" stands for.
    local version
    version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
    printf 'libclang-rt-%s-dev\n' "${version:-14}"
}

plan_debian_packages() {
    need gcc gcc
    [[ -e /usr/include/stdio.h ]] || debian_missing+=(libc6-dev)
    need make make
    need mosquitto mosquitto
    need xz xz-utils
    if ((with_test)); then
        need clang clang
        compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a' >/dev/null ||
            debian_missing+=("clang-runtime")
        need valgrind valgrind
        [[ -d /usr/lib/debug/.build-id ]] || debian_missing+=(libc6-dbg)
        need shellcheck shellcheck
        need arm-none-eabi-gcc gcc-arm-none-eabi
    fi
    if ((${#debian_missing[@]})); then
        say "will install Debian packages: ${debian_missing[*]}"
        if [[ " ${debian_missing[*]} " == *" mosquitto "* && -d /run/systemd/system ]]; then
            say "note: Debian's mosquitto also starts a service of its own on localhost:1883, which microseal does not use;"
            say "      'sudo systemctl disable --now mosquitto' stops it"
        fi
    fi
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo "$@"
    fi
}

apt_install() {
    # "su" leaves a user's PATH, in which dpkg misses its tools. Another apt that is at work is waited for.
    as_root env PATH="$PATH:/usr/sbin:/sbin" DEBIAN_FRONTEND=noninteractive apt-get \
        -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
}

install_debian_packages() {
    ((${#debian_missing[@]})) || return 0
    local packages=("${debian_missing[@]/clang-runtime/}")
    have apt-get || die "this system has no apt-get, so please install these by hand: ${debian_missing[*]}" \
        "(names are Debian's), then run the same command again"
    if ((EUID != 0)); then
        have sudo || die "packages are missing and there is no sudo; as root, run:" \
            "apt-get update && apt-get install --no-install-recommends ${debian_missing[*]/clang-runtime/$(clang_runtime)}"
        # Asked for here, on the terminal, because the output of what follows goes to the log.
        sudo -v || die "sudo was refused; as root, run:" \
            "apt-get install --no-install-recommends ${debian_missing[*]/clang-runtime/$(clang_runtime)}"
    fi
    local fresh=0
    if ! apt-cache show gcc >/dev/null 2>&1; then
        logged as_root apt-get update || { show_log && die "apt-get update failed; is the network up? Then run this again"; }
        fresh=1
    fi
    if [[ " ${debian_missing[*]} " == *" clang-runtime "* ]]; then
        packages+=("$(clang_runtime)")
    fi
    local wanted=() package
    for package in "${packages[@]}"; do
        [[ -z $package ]] || wanted+=("$package")
    done
    say "installing them: apt-get install --no-install-recommends ${wanted[*]}"
    if ! logged apt_install "${wanted[@]}"; then
        # An old package list names versions that the mirror no longer has.
        if ((fresh)) || ! logged as_root apt-get update || ! logged apt_install "${wanted[@]}"; then
            show_log
            die "apt-get could not install: ${wanted[*]}" "mend what it says above and run the same command again"
        fi
    fi
}
