# shellcheck shell=bash
# Sourced by the other scripts: makes sure that what they need is there.
#
# need THING PACKAGE WHY: does nothing when THING, a program on the PATH or a file, is there. Otherwise, on Debian and
# Ubuntu, it says what it installs and installs PACKAGE, as root or through a sudo that asks no password; where it may
# not, it says what to do.

need() {
    local thing=$1 package=$2 why=$3 as_root=()
    if command -v "$thing" >/dev/null || [ -f "$thing" ]; then return; fi
    if ! command -v apt-get >/dev/null; then
        echo "$0: '$thing' is missing ($why); please install it and run this again" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo "$0: '$thing' is missing ($why); please run: sudo apt-get install $package" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
    echo "$0: installing the package $package ($why)" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "$package" >&2
}

need_rust() {
    if ! command -v cargo >/dev/null; then
        echo "$0: no Rust toolchain: install the one that rust-version in Cargo.toml names, for example with rustup" >&2
        exit 1
    fi
    need cc gcc "Rust links with it"
    need /usr/include/stdlib.h libc6-dev "the C library's start-up files, which every program is linked with"
}

# PostgreSQL's server is on no PATH on Debian and Ubuntu, but in a folder named after its version.
need_postgres() {
    local why="the tests start servers of their own" server
    for server in /usr/lib/postgresql/*/bin/postgres; do
        if [ -x "$server" ]; then break; fi
        server=postgres
    done
    need "$server" postgresql "$why"
    need /usr/sbin/pgbouncer pgbouncer "the tests put a pooler in front of them"
}

need_python() {
    need python3 python3 "some checks are Python programs"
    # Debian and Ubuntu ship this part of Python apart.
    python3 -c 'import ensurepip' 2>/dev/null || need ensurepip python3-venv "their packages go into environments of their own"
}

# environment NAME REQUIREMENTS: the folder of a Python environment with these packages, made on first use. Its name holds what
# it was made from, and it gets that name when it is complete, so that an interrupted installation is never used.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/quire
environment() {
    local sum folder new
    sum=$(cat - "$2" <<<"$(python3 --version)" | sha256sum)
    folder=$cache/$1-${sum:0:16}
    if [ ! -d "$folder" ]; then
        echo "$0: installing the packages of $2" >&2
        mkdir -p "$cache"
        new=$(mktemp -d "$folder.XXXXXX")
        python3 -m venv --copies "$new" >&2
        "$new/bin/python3" -m pip install --quiet --disable-pip-version-check --requirement "$2" >&2
        # Somebody else may have been faster.
        mv -T "$new" "$folder" 2>/dev/null || rm -rf "$new"
    fi
    echo "$folder"
}
