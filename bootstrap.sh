#!/usr/bin/env bash
# Install carvoice into .venv, saying what it does; called by the Makefile.
#
#   ./bootstrap.sh demo    what `carvoice demo` needs
#   ./bootstrap.sh dev     and what the tests need
#   ./bootstrap.sh llm     and the local language model runtime
#
# Parts that cannot be had are named with the command that would install them; they never stop it.
set -euo pipefail
cd "$(dirname "$0")"
what=${1:-demo}
python=${PYTHON:-python3}
missing=()

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
warn() { printf '\033[33m    %s\033[0m\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo "$@"
    else return 1; fi
}

# apt_need PACKAGE WHY: install a Debian package, or say how to.
apt_refreshed=no
apt_need() {
    dpkg -s "$1" >/dev/null 2>&1 && return 0
    if command -v apt-get >/dev/null; then
        say "installing $1 ($2)"
        if [ $apt_refreshed = no ]; then as_root apt-get update -qq >/dev/null 2>&1 || true; apt_refreshed=yes; fi
        if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null 2>&1; then return 0; fi
    fi
    warn "$1 is missing ($2). Install it with: sudo apt-get install $1"
    return 1
}

"$python" - <<'PY' || { echo "carvoice needs Python 3.10 or newer; point PYTHON at one, e.g. PYTHON=python3.12 make demo" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 10))
PY
command -v gcc >/dev/null || command -v cc >/dev/null || apt_need gcc "C compiler" || exit 1
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    apt_need python3-venv "Python virtual environments" || exit 1
fi
if ! "$python" -c 'import sysconfig, pathlib, sys; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())'; then
    apt_need python3-dev "Python headers, to build the audio core" || exit 1
fi

if [ ! -x .venv/bin/python ]; then
    say "making .venv"
    "$python" -m venv .venv
fi
pip=(.venv/bin/python -m pip install --disable-pip-version-check --progress-bar "$([ -t 1 ] && echo on || echo off)")
"${pip[@]}" -q -U pip "setuptools>=77" wheel "cython>=3.1" numpy

extras="[serve]"
[ "$what" = dev ] && extras="[dev,kuksa,report,serve,telemetry]"
say "installing carvoice and its dependencies, building the C core"
"${pip[@]}" --no-build-isolation -e ".$extras" | sed -u '/^Requirement already/d'
.venv/bin/python -c 'import carvoice.audio' || { echo "the C core did not build; run: .venv/bin/python setup.py build_ext --inplace" >&2; exit 1; }

# The microphone: optional, needs portaudio's headers to build.
if ! .venv/bin/python -c 'import pyaudio' 2>/dev/null; then
    if apt_need portaudio19-dev "microphone and loudspeaker" && "${pip[@]}" -q "pyaudio>=0.2.14"; then :
    else missing+=("microphone: sudo apt-get install portaudio19-dev && .venv/bin/pip install pyaudio"); fi
fi

# The local language model: minutes of compiling, so only when asked for or when testing.
if [ "$what" = llm ] || [ "$what" = dev ]; then
    if ! .venv/bin/python -c 'import llama_cpp' 2>/dev/null; then
        say "compiling llama-cpp-python: about five minutes on two cores (log: .venv/llama.log)"
        "${pip[@]}" -q cmake ninja || true
        CMAKE_BUILD_PARALLEL_LEVEL=$(nproc) "${pip[@]}" -v "llama-cpp-python>=0.3" >.venv/llama.log 2>&1 &
        build=$!
        while kill -0 $build 2>/dev/null; do
            for _ in 1 2 3 4 5 6; do kill -0 $build 2>/dev/null && sleep 5; done
            step=$(grep -oE '^\s*\[[0-9]+/[0-9]+\]' .venv/llama.log | tail -1 || true)
            echo "    still compiling ${step:-}"
        done
        wait $build || missing+=("local language model: make llm   (see .venv/llama.log)")
    fi
elif ! .venv/bin/python -c 'import llama_cpp' 2>/dev/null; then
    missing+=("local language model: make llm   (compiles for about five minutes)")
fi

# The training recipe has tests too; torch is large, so only where asked for (CI names the version it wants).
if [ "$what" = dev ] && [ -n "${CARVOICE_TORCH:-}" ]; then
    say "installing $CARVOICE_TORCH for the tests of the training recipe"
    apt_need espeak-ng "voices of the training recipe" || true
    "${pip[@]}" -q "$CARVOICE_TORCH" && "${pip[@]}" -q -e ".[train]" --no-build-isolation ||
        missing+=("training recipe: .venv/bin/pip install -e '.[train]'")
fi

touch ".venv/.demo"
if [ "$what" = dev ]; then touch .venv/.dev; fi
if [ ${#missing[@]} -gt 0 ]; then
    say "carvoice works without these; to add them:"
    for part in "${missing[@]}"; do warn "$part"; done
fi
say "ready"
