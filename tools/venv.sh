#!/bin/sh
# Make .venv (where it is missing) and install the given lock into it, every package checked against its hash.
# Usage: sh tools/venv.sh LOCK        PY names the Python to use; otherwise the newest of 3.11 … 3.14 is looked for.
set -eu
lock=$1
venv=${VENV:-.venv}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if [ ! -x "$venv/bin/python" ] || ! new_enough "$venv/bin/python"; then
    python=
    for candidate in ${PY:-python3.13 python3.12 python3.11 python3.14 python3 python}; do
        if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "No Python 3.11 or newer found. Install one, or name it: make PY=/path/to/python3" >&2
        exit 1
    fi
    rm -rf "$venv"
    # Debian and Ubuntu ship Python without ensurepip: there uv, installed beside the tree, makes the environment.
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        rm -rf "$venv"
        if ! command -v uv >/dev/null 2>&1 && [ ! -x .tools/bin/uv ]; then
            echo "This Python cannot make a virtual environment by itself: fetching uv into .tools"
            if ! "$python" -m pip install --quiet --target .tools uv; then
                echo "This Python has neither venv nor pip. Run once: sudo apt-get install python3-venv" >&2
                exit 1
            fi
        fi
        PATH="$PATH:$PWD/.tools/bin" uv venv --quiet --python "$(command -v "$python")" "$venv"
    fi
fi

if [ -x "$venv/bin/uv" ]; then
    uv=$venv/bin/uv
elif command -v uv >/dev/null 2>&1; then
    uv=uv
elif [ -x .tools/bin/uv ]; then
    uv=.tools/bin/uv
else
    uv=
fi
echo "Installing $lock into $venv"
if [ -n "$uv" ] && VIRTUAL_ENV=$venv "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"; then
    :
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
fi
