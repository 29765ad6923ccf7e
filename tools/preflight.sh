#!/bin/sh
# Says what a machine lacks to build Portcullis and the one line that installs it; exit 1 if anything is missing.
python=${1:-python3}
missing=""
packages=""

lacks() { # what it is, the Debian package that brings it
    missing="$missing
  - $1"
    packages="$packages $2"
}

[ "$(uname -s)" = Linux ] || { echo "preflight: Portcullis runs on Linux; this is $(uname -s)." >&2; exit 1; }

if ! command -v "$python" >/dev/null 2>&1; then
    lacks "$python, 3.11 or newer, with venv and headers" "python3 python3-venv python3-dev"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    lacks "Python 3.11 or newer ($python is $("$python" -c 'import platform; print(platform.python_version())')); then PYTHON=python3.11 make build" \
        "python3.11 python3.11-venv python3.11-dev"
else
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import venv, ensurepip' 2>/dev/null || lacks "the venv module of $python" "python$version-venv"
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
        lacks "the C headers of $python (Python.h)" "python$version-dev"
fi
command -v make >/dev/null 2>&1 || lacks "make" "make"
if ! command -v "${CC:-cc}" >/dev/null 2>&1; then
    lacks "a C compiler (${CC:-cc})" "gcc libc6-dev"
elif ! echo '#include <stdio.h>' | "${CC:-cc}" -E -o /dev/null - 2>/dev/null; then
    lacks "the C library's headers (stdio.h)" "libc6-dev"
fi

[ -z "$missing" ] && exit 0
echo "preflight: this machine lacks:$missing" >&2
if command -v apt-get >/dev/null 2>&1; then
    echo "Install it with:  sudo apt-get install -y$packages" >&2
else
    echo "Install it with your package manager; the Debian names are:$packages" >&2
fi
exit 1
