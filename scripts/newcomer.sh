#!/usr/bin/env bash
# Runs the README's two commands on a machine that has nothing: a fresh minimal Debian 12 with python3, git and make, in a
# folder (debootstrap and chroot). By hand and before a release; needs root, debootstrap, the network and about 3 GB.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/newcomer.sh [--root] [--keep] [--sim-only] [FOLDER]

  --root       as root without sudo (default: as a user who has sudo)
  --keep       leave the folder for a look inside
  --sim-only   only ./flash.sh sim, not ./test.sh
  FOLDER       where to put it; it must not exist (default: a new one in TMPDIR or /var/tmp)

What is committed is what is tested: the folder gets a clone of this repository. apt's mirror and pip's configuration are
those of this machine.
TEXT
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
as=newcomer
keep=0
sim_only=0
folder=
for arg in "$@"; do
    case $arg in
    --root) as=root ;;
    --keep) keep=1 ;;
    --sim-only) sim_only=1 ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) folder=$arg ;;
    esac
done

# shellcheck source=scripts/lib.sh
source scripts/lib.sh
# shellcheck source=scripts/setup_debian.sh
source scripts/setup_debian.sh
# shellcheck source=scripts/setup_micropython.sh
source scripts/setup_micropython.sh

((EUID == 0)) || die "chroot needs root: sudo $0 $*"
have debootstrap || die "debootstrap is not installed:  apt-get install debootstrap"
mirror=$(debian_mirrors | head -n 1)
[[ -n $mirror ]] || die "no Debian mirror in this machine's apt sources"
own_parent=
if [[ -z $folder ]]; then
    own_parent=$(mktemp -d "${TMPDIR:-/var/tmp}/newcomer.XXXXXX")
    folder=$own_parent/debian
fi
[[ ! -e $folder ]] || die "$folder exists already"

make_debian() {
    say "making a minimal Debian 12 in $folder"
    mkdir -p "$(dirname "$folder")"
    logged debootstrap --variant=minbase --include=python3,git,make,ca-certificates,sudo bookworm "$folder" "$mirror" ||
        { show_log && die "debootstrap failed"; }
    mount --bind "$folder" "$folder"
    mount -t proc proc "$folder/proc"
    mount --rbind /dev "$folder/dev"
    mount -t sysfs -o ro sysfs "$folder/sys" || true
    chroot "$folder" useradd --create-home --shell /bin/bash newcomer
    echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >"$folder/etc/sudoers.d/newcomer"
}

# What reaches the package indexes from this machine: names, proxies, certificates.
pass_configuration() {
    local file
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
        [[ ! -f $file ]] || cp "$file" "$folder$file"
    done
    apt-config dump | grep -E '^Acquire::(http|https|ftp|Check-|Retries|ForceIPv)' >"$folder/etc/apt/apt.conf.d/99machine" || true
    cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
    # shellcheck disable=SC2016  # the dollars are apt's
    apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)' 'Created-By: Packages' |
        sed -n 's/^Debian|\(.*\)|\(bookworm.*\)$/deb \1 \2 main/p' | sort -u >"$folder/etc/apt/sources.list"
    grep -q 'bookworm main' "$folder/etc/apt/sources.list" || echo "deb $mirror bookworm main" >>"$folder/etc/apt/sources.list"
}

clone_checkout() {
    home=/root
    [[ $as == root ]] || home=/home/$as
    checkout=$home/my-first-look
    git clone --quiet --no-hardlinks "$root" "$folder$checkout"
    chroot "$folder" chown -R "$as:" "$checkout"
}

# run_as COMMAND: in the checkout, with an environment as bare as a first login's; of root's not even HOME
run_as() {
    local variables=(TERM=dumb) name
    if [[ $as == root ]]; then
        variables+=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    else
        variables+=(PATH=/usr/local/bin:/usr/bin:/bin "HOME=$home")
    fi
    for name in "${!PIP_@}" http_proxy https_proxy no_proxy SSL_CERT_FILE; do
        [[ -z ${!name:-} ]] || variables+=("$name=${!name}")
    done
    chroot --userspec="$as:" "$folder" /usr/bin/env -i "${variables[@]}" bash -c "cd $checkout && $1" </dev/null 9>&-
}

timed() {
    local what=$1 start=$SECONDS
    shift
    say "$what"
    "$@" || die "failed: $what"
    say "$what: $((SECONDS - start)) s"
}

no_leftovers() {
    local left
    # A mosquitto of /etc is the service that Debian's package starts.
    left=$({ pgrep -ax mosquitto; pgrep -ax micropython; } | grep -v /etc/mosquitto/ || true)
    [[ -z $left ]] || die "still running:" "$left"
}

# Mounts and processes in name spaces of their own: they are gone when this script is, whatever happened.
if [[ -z ${NEWCOMER_INSIDE:-} ]]; then
    # shellcheck disable=SC2317  # called by the trap
    clean_up() {
        ((keep)) || rm -rf "$folder" "$folder.log" ${own_parent:+"$own_parent"}
    }
    trap clean_up EXIT
    status=0
    NEWCOMER_INSIDE=1 unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@" "$folder" || status=$?
    ((status)) || say "passes for a newcomer"
    exit $status
fi

log=$folder.log
make_debian
pass_configuration
clone_checkout

# shellcheck disable=SC2016  # expanded over there
run_as 'echo "python3 $(python3 --version), $(python3 -c "import venv, ensurepip" 2>&1 || true)"; ! command -v gcc mosquitto'
timed "first ./flash.sh sim, set-up included" run_as './flash.sh sim --messages 12'
timed "second ./flash.sh sim" run_as './flash.sh sim --messages 1'
((sim_only)) || timed "./test.sh" run_as ./test.sh
no_leftovers
