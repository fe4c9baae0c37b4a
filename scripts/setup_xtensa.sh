#!/usr/bin/env bash
# What builds the native module for ESP32, S2 and S3 where Espressif's GCC is not installed, and what runs it here: LLVM 22 from
# Debian 13 and qemu-xtensa from Debian 12, unpacked into a cache and run with the libraries they were made for. Nothing is
# installed into the system. Safe to run again: it does nothing when the cache has it all.
#
# Prints the folder that holds clang, llc, llvm-mc, llvm-objdump and qemu-xtensa; messages go to standard error.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/setup_xtensa.sh [--path]

  --path   only print the folder, and fail if it is not there yet

Environment:
  XDG_CACHE_HOME   where the cache is, ~/.cache by default (500 MB under microseal/)
  DEBIAN_MIRROR    a Debian archive to download from; by default those in this machine's apt sources
TEXT
}

# Suite, package, version, SHA-256. These are the versions that the build was tested with. Debian keeps only its newest: where one
# has gone, the suite's own newer one is taken, and said; apt's signatures vouch for that.
pinned='
bookworm libc6 2.36-9+deb12u14 ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf
bookworm libcapstone4 4.0.2-5 41277f0388184f6e3b9fc02eda3184afbc999314b25b77ed75e8049428bdfe5e
bookworm libffi8 3.4.4-1 6d9f6c25c30efccce6d4bceaa48ea86c329a3432abb360a141f76ac223a4c34a
bookworm libgcc-s1 12.2.0-14+deb12u1 3016e62cb4b7cd8038822870601f5ed131befe942774d0f745622cc77d8a88f7
bookworm libglib2.0-0 2.74.6-2+deb12u9 7ff85197685d89e150e342b29a59aab1beee400050ba7da73de81cd999ffee5a
bookworm libgmp10 2:6.2.1+dfsg1-1.1 187aedef2ed763f425c1e523753b9719677633c7eede660401739e9c893482bd
bookworm libgnutls30 3.7.9-2+deb12u7 30abec8c824feb1d2d7e9000a34083cccd19d139625e1b21547e3ac53b922f8e
bookworm libhogweed6 3.8.1-2 ed8185c28b2cb519744a5a462dcd720d3b332c9b88a1d0002eac06dc8550cb94
bookworm libidn2-0 2.3.3-1+b1 d50716d5824083d667427817d506b45d3f59dc77e1ca52de000f3f62d4918afa
bookworm libnettle8 3.8.1-2 45922e6e289ffd92f0f92d2bb9159e84236ff202d552a461bf10e5335b3f0261
bookworm libnuma1 2.0.16-1 639e1ab6bd66ead40db8a22c332d7199679fa22db261cac34444eb8eb4c17dda
bookworm libp11-kit0 0.24.1-2 251330faddbf013f060fcdb41f4b0c037c8a6e89ba7c09b04bfcc4e3f0807b22
bookworm libpcre2-8-0 10.42-1 030db54f4d76cdfe2bf0e8eb5f9efea0233ab3c7aa942d672c7b63b52dbaf935
bookworm libtasn1-6 4.19.0-2+deb12u1 2c27c613b69be248d09432839ea3d3382f6ee27fabaa65987aa2d884cd00afda
bookworm libunistring2 1.0-2 d466bbfe011d764d793c1d9d777cad9c7cf65b938e11598f27408171ad95a951
bookworm liburing2 2.3-3 c23077e3640e6cb4b819c134b3f41d5cf21b3edac099654b1b4142c3069a39a3
bookworm qemu-user 1:7.2+dfsg-7+deb12u18+b3 02a7d6a2675a12dd7fdd474924295552470c0c933e0b543975887f493a84219f
trixie clang-22 1:22.1.8-1~deb13u4 2aa81dff24cd1d45c41a72cbfb67e916775059946e4de662fb803a953d5cc17e
trixie libbsd0 0.12.2-2 e5a85986fa6bec3307ab1bc860736b478b331882bc45e17675a7bdf88eecb43a
trixie libc6 2.41-12+deb13u4 967aa62605721081c3eb2a17650611a792aa802d76a6511d1840242623d204c9
trixie libclang-common-22-dev 1:22.1.8-1~deb13u4 ada699c3eac7b6ddc8e6d5eb6d13806f9a76d24a787b998c0631be515a5938b5
trixie libclang-cpp22 1:22.1.8-1~deb13u4 0ec0a94691b277332478ced7fd99b4745b9ba0847c16d4e0b573b83717099f83
trixie libedit2 3.1-20250104-1 b002ea172b9c1e34a67bc497c523c67bb74c3f0a4e98113cb083990a1f1d3bfe
trixie libffi8 3.4.8-2 0ebdc340de33333639c3c63874cd4b15ac2e83dfa1ef3053b7eefaf4919f4f68
trixie libgcc-s1 14.2.0-19 3c71917b490d1a17aed43196a2787a256ecf060526cdb20216a74bedc061b150
trixie libllvm22 1:22.1.8-1~deb13u4 4efe6a50efdf239925e27941d53b13b9113f00af7eb2fbd6bfc53e5fec1eb954
trixie liblzma5 5.8.1-1+deb13u1 1cfcc6e0dc36f438a79b6e2189facdb9d150b08f57d190a60e01c98075c7f896
trixie libmd0 1.1.0-2+b1 7244ec3839b61fac0c1884fe08aaa040f26e8f1f35f1f5d3482eacefd30d1b44
trixie libstdc++6 14.2.0-19 ab1fa05837aa7a92aae748fd07a18a35f7d18bb4a71c4724fe2bbf0e32089de0
trixie libtinfo6 6.5+20250216-2 8b9f6a7983e9418564e48a627518de4c03917b56efe68d7f3e93bd8fffa1cc10
trixie libxml2 2.12.7+dfsg+really2.9.14-2.1+deb13u3 e0c6b63ce4602a036a526f60fe5e6c1586710688058d98fc1001b9b3147b7efd
trixie libz3-4 4.13.3-1 71383373523ef62d47eccf660cf6535c3febcbb3f88e54cb7a43124014b57359
trixie libzstd1 1.5.7+dfsg-1 2f6a2aeacfc925eba8b00ac9139bc4bfccf8cacb09eb93de067074b26948eef9
trixie llvm-22 1:22.1.8-1~deb13u4 1252964e03e57c39bb18b1021d98a8aae42ca6f621eed2937988e4e0c14208d4
trixie zlib1g 1:1.3.dfsg+really1.3.1-1+b1 015be740d6236ad114582dea500c1d907f29e16d6db00566ca32fb68d71ac90d
'
tools=(clang llc llvm-mc llvm-objdump)

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
source scripts/lib.sh
# shellcheck source=scripts/setup_micropython.sh
source scripts/setup_micropython.sh
# shellcheck source=scripts/setup_debian.sh
source scripts/setup_debian.sh
cache=${XDG_CACHE_HOME:-$HOME/.cache}/microseal
folder=$cache/xtensa-$(stamp_of "$pinned" "${tools[*]}" "layout 1" | cut -c1-16)

case ${1:-} in
'') ;;
--path)
    [[ -d $folder ]] || exit 1
    printf '%s\n' "$folder/bin"
    exit
    ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac

tell() {
    say "$@" >&2
}

# download WORK: every package into WORK/<suite>/
download() {
    local work=$1 mirror suite package version sum options wanted
    options=(
        -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o "Dir::State::lists=$work/lists" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache"
        -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none
    )
    # As root apt would drop to a user that may not enter the cache.
    ((EUID != 0)) || options+=(-o APT::Sandbox::User=root)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/trixie" "$work/bookworm"
    : >"$work/status"
    local signed_by=
    [[ ! -f /usr/share/keyrings/debian-archive-keyring.gpg ]] ||
        signed_by='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] '
    for mirror in ${DEBIAN_MIRROR:-$(debian_mirrors)}; do
        for suite in bookworm trixie; do
            printf 'deb %s%s %s main\n' "$signed_by" "$mirror" "$suite"
        done >"$work/sources.list"
        logged apt-get "${options[@]}" update || continue
        # A mirror of something else (security, backports) has neither suite.
        apt-cache "${options[@]}" show clang-22 >/dev/null 2>&1 || continue
        for suite in bookworm trixie; do
            # All at once takes seconds, one by one minutes.
            mapfile -t wanted < <(awk -v suite=$suite '$1 == suite { print $2 "=" $3 }' <<<"$pinned")
            (cd "$work/$suite" && logged apt-get "${options[@]}" download "${wanted[@]}") || true
        done
        while read -r suite package version sum; do
            [[ -n $package ]] || continue
            if compgen -G "$work/$suite/${package}_*.deb" >/dev/null ||
                (cd "$work/$suite" && logged apt-get "${options[@]}" download "$package=$version"); then
                check_sha256 "$work/$suite/${package}_"*.deb "$sum" ||
                    die "$package $version from $mirror is not what it was when it was pinned" "see scripts/setup_xtensa.sh"
            elif (cd "$work/$suite" && logged apt-get "${options[@]}" download "$package/$suite"); then
                tell "note: $package $version is not there any more; took $(basename "$work/$suite/${package}_"*.deb)"
            else
                return 1
            fi
        done <<<"$pinned"
        return 0
    done
    return 1
}

# wrapper FILE ROOT PROGRAM [ARGUMENT...]: a script that runs a program of ROOT with ROOT's own libraries
wrapper() {
    local file=$1 root=$2 program=$3 loader=$2/usr/lib64/ld-linux-x86-64.so.2
    shift 3
    [[ $root != "$folder/bookworm" ]] || loader=$root/lib64/ld-linux-x86-64.so.2
    local libraries=$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu:$root/usr/lib/llvm-22/lib
    printf '#!/bin/sh\nexec %q --library-path %q %q' "$loader" "$libraries" "$root/$program" >"$file"
    if (($#)); then
        printf ' %q' "$@" >>"$file"
    fi
    # shellcheck disable=SC2016  # the wrapper's own arguments
    printf ' "$@"\n' >>"$file"
    chmod +x "$file"
}

build_folder() {
    local work=$1 suite file tool
    for suite in trixie bookworm; do
        mkdir -p "$work/tree/$suite"
        for file in "$work/$suite"/*.deb; do
            logged dpkg-deb -x "$file" "$work/tree/$suite"
        done
        rm -rf "$work/tree/$suite/usr/share" "$work/tree/$suite/usr/lib/debug"
    done
    # Of 150 programs, those that are used.
    find "$work/tree/bookworm/usr/bin" -type f ! -name qemu-xtensa -delete
    mkdir "$work/kept"
    for tool in "${tools[@]}"; do
        cp -L "$work/tree/trixie/usr/lib/llvm-22/bin/$tool" "$work/kept/$tool"
    done
    rm -rf "$work/tree/trixie/usr/lib/llvm-22/bin"
    mv "$work/kept" "$work/tree/trixie/usr/lib/llvm-22/bin"
    mkdir "$work/tree/bin"
    for tool in "${tools[@]}"; do
        wrapper "$work/tree/bin/$tool" "$folder/trixie" "usr/lib/llvm-22/bin/$tool"
    done
    # It would look for its headers beside the loader.
    wrapper "$work/tree/bin/clang" "$folder/trixie" usr/lib/llvm-22/bin/clang \
        -resource-dir "$folder/trixie/usr/lib/llvm-22/lib/clang/22"
    wrapper "$work/tree/bin/qemu-xtensa" "$folder/bookworm" usr/bin/qemu-xtensa
    (cd "$work" && basename -a trixie/*.deb bookworm/*.deb >tree/packages)
}

mkdir -p "$cache"
exec 9>"$cache/xtensa.lock"
flock 9
if [[ ! -d $folder ]]; then
    if ! have apt-get || ! have apt-cache || ! have dpkg-deb || [[ $(uname -m) != x86_64 ]]; then
        die "LLVM and qemu for Xtensa are unpacked from Debian's packages for x86-64, and this is not a Debian (or a relative of it)" \
            "with Espressif's xtensa-esp32-elf-gcc on PATH the module builds without them"
    fi
    work=$(mktemp -d "$cache/xtensa.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    log=$cache/xtensa.log
    : >"$log"
    tell "downloading LLVM 22 and qemu-xtensa (100 MB), once"
    if ! download "$work"; then
        show_log
        die "could not download LLVM 22 and qemu for Xtensa" "if that was the network, run the same command again;" \
            "if apt here has no Debian archive:  DEBIAN_MIRROR=<URL of one> $0"
    fi
    build_folder "$work"
    mv "$work/tree" "$folder"
fi
printf '%s\n' "$folder/bin"
