# shellcheck shell=bash
# Sourced by the other scripts: makes sure that what they need is there.
#
# need THING PACKAGE WHY: notes PACKAGE when THING, a program on the PATH or a file, is missing.
# install_needed: installs what was noted. On Debian and Ubuntu, as root or through a sudo that asks no password; where it
# may not, it says in one sentence what to install.

missing=()
need() {
    local thing=$1 package=$2 why=$3
    if command -v "$thing" >/dev/null || [ -f "$thing" ] || [[ " ${missing[*]} " == *" $package "* ]]; then return; fi
    missing+=("$package")
    echo "$0: the package $package is missing ($why)" >&2
}

install_needed() {
    local as_root=()
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    if ! command -v apt-get >/dev/null; then
        echo "$0: please install and run this again; on Debian and Ubuntu the packages are: ${missing[*]}" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo "$0: please run this and start again: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
            exit 1
        fi
        as_root=(sudo -n)
    fi
    echo "$0: installing ${missing[*]}" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "${missing[@]}" >&2
    missing=()
}

need_rust() {
    if ! command -v cargo >/dev/null; then
        echo "$0: no Rust toolchain: install the one that rust-version in Cargo.toml names, for example with rustup" >&2
        exit 1
    fi
    need cc gcc "Rust links with it"
    need /usr/include/stdlib.h libc6-dev "the C library's start-up files, which every program is linked with"
}

need_rust_components() {
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        echo "$0: the Rust toolchain has no rustfmt or no clippy; please run: rustup component add rustfmt clippy" >&2
        exit 1
    fi
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

# A library, which Debian keeps in a folder named after the machine.
need_libfaketime() {
    local library
    for library in /usr/lib/*/faketime/libfaketimeMT.so.1; do
        if [ -f "$library" ]; then break; fi
        library=faketime
    done
    need "$library" libfaketime "tests give servers clocks that differ"
}

# Programs that scripts/test-api calls; scripts/test asks for it too, to name everything at once.
need_api_check() {
    need openssl openssl "it signs the token that the requests carry"
    need_python
}

need_python() {
    need python3 python3 "some checks are Python programs"
    # Debian and Ubuntu ship this part of Python apart. The module's name is no program, so the package is noted.
    python3 -c 'import ensurepip' 2>/dev/null || need ensurepip python3-venv "their packages go into environments of their own"
}

# environment NAME REQUIREMENTS [OPTION ...]: the folder of a Python environment with these packages, which pip installs with these
# options on first use. Its name holds what it was made from, and it gets that name when it is complete, so that an interrupted
# installation is never used.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/quire
environment_folder() {
    local sum
    sum=$(cat - "$2" <<<"$(python3 --version)" | sha256sum)
    echo "$cache/$1-${sum:0:16}"
}
environment() {
    local folder new
    folder=$(environment_folder "$1" "$2")
    if [ ! -d "$folder" ]; then
        echo "$0: installing the packages of $2" >&2
        mkdir -p "$cache"
        new=$(mktemp -d "$folder.XXXXXX")
        # Said here, because bash goes on after a failure in $(…).
        if ! { python3 -m venv --copies "$new" &&
            "$new/bin/python3" -m pip install --quiet --disable-pip-version-check --requirement "$2" "${@:3}"; } >&2; then
            rm -rf "$new"
            exit 1
        fi
        # Another process may have been faster.
        mv -T "$new" "$folder" 2>/dev/null || rm -rf "$new"
    fi
    echo "$folder"
}

# notebooks [PACKAGE ...]: the folder of the notebooks in these source packages of tests/jupyter/corpus.txt, or in all of them, fetched on
# first use. Like an environment, it has its name only when it is complete.
notebooks() {
    local list=tests/jupyter/corpus.txt build lines folder new
    lines=$(grep -E "^($(IFS='|' && echo "${*:-[^#]*}"))==" "$list")
    folder=$cache/jupyter-corpus-notebooks-$(sha256sum <<<"$lines" | cut -c 1-16)
    if [ ! -d "$folder" ]; then
        build=$(environment jupyter-corpus tests/jupyter/corpus-build.txt)
        echo "$0: fetching packages of $list: ${*:-all}" >&2
        mkdir -p "$cache"
        new=$(mktemp -d "$folder.XXXXXX")
        if ! fetch_notebooks "$build" "$lines" "$new" >&2; then
            rm -rf "$new"
            exit 1
        fi
        mv -T "$new" "$folder" 2>/dev/null || rm -rf "$new"
    fi
    echo "$folder"
}
fetch_notebooks() {
    local package
    "$1/bin/python3" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation \
        --require-hashes --requirement <(echo "$2") --dest "$3" || return 1
    for package in "$3"/*.tar.gz; do
        tar -xzf "$package" -C "$3" --wildcards '*.[iI][pP][yY][nN][bB]' || return 1
        rm "$package"
    done
}
