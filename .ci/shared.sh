# What the scripts beside it have in common; they source it, and run with `set -eu`.

unreachable='E(NOTFOUND|AI_AGAIN|TIMEDOUT|CONNREFUSED|CONNRESET|NETUNREACH|HOSTUNREACH)'

# enter FOLDER VERSION: makes the folder and goes there. Exits where an installation of this version came to its end.
enter() {
    mkdir -p "$1"
    cd "$1"
    if [ "$(cat installed 2>/dev/null)" = "$2" ]; then exit 0; fi
    rm -f installed
}

# npm_install NAME@VERSION [OPTION...]: into the folder.
npm_install() {
    [ -f package.json ] || echo '{"private": true}' >package.json
    npm install --no-audit --no-fund --fetch-retries=1 "$@" >npm.log 2>&1 || failed npm.log
}

# failed LOG: shows the end of it and exits, with 3 where no registry was reached.
failed() {
    tail -5 "$1" >&2
    if grep -Eq "$unreachable" "$1"; then exit 3; fi
    exit 1
}

# The name of a Python that codexd runs with and that makes environments; fails where there is none.
python_here() {
    for name in python3.11 python3.12 python3.13 python3.14 python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
        then
            echo "$name"
            return 0
        fi
    done
    return 1
}
