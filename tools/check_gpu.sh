#!/usr/bin/env bash
# What gpucnn does on this machine's GPU: right or wrong, and how fast. See docs/gpu_checks.md.
#
#   tools/check_gpu.sh WHEELS DATA OUT              the check: needs Python 3.11 or newer, CuPy and an NVIDIA GPU; no network
#   tools/check_gpu.sh --wheels FOLDER              fetch the wheels for it, where there is a package index
#   tools/check_gpu.sh --rehearse WHEELS DATA OUT   the same steps on the emulated GPU: only this script is tested
#
# WHEELS: a folder of wheels; those of packages that are missing are installed into a temporary folder.
# DATA: a folder with mnist/ in it. OUT: a folder that gets at most eight files; check.md is the one to read.
# PYTHON names the interpreter (default python3); PYTHON_VERSION the one that wheels are fetched for (default 3.12).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

# What gpucnn and its tests import, beside NumPy, CuPy and PyTorch.
packages=(pyyaml pydantic tqdm 'safetensors!=0.8.0' pooch requests matplotlib pillow threadpoolctl pytest pytest-xdist)

fetch_wheels() { # FOLDER: the packages and what they need, for Linux on x86-64, but not NumPy, which CuPy has brought
    local options=(--dest "$1" --quiet --only-binary=:all: --implementation cp) tag
    options+=(--python-version "${PYTHON_VERSION:-3.12}")
    for tag in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do
        options+=(--platform "${tag}_x86_64")
    done
    "$python" -m pip download "${options[@]}" "${packages[@]}"
    rm -f "$1"/numpy-*.whl
    ls "$1"
}

check() { # "" or --rehearse, WHEELS, DATA, OUT
    local wheels=$2 data=$3 out=$4 site missing
    site=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$site'" EXIT
    mapfile -t missing < <("$python" "$here/check/missing_wheels.py" "$wheels")
    if [ "${#missing[@]}" -gt 0 ]; then
        "$python" -m pip install --quiet --no-index --no-deps --no-cache-dir --target "$site" "${missing[@]}"
    fi
    mkdir -p "$out"
    export PYTHONPATH="$site:$here/..:$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 GPUCNN_DATA_DIR="$data"
    "$python" "$here/check_gpu.py" "$out" ${1:+"$1"}
}

case ${1-} in
    --wheels) [ $# = 2 ] || usage; mkdir -p "$2"; fetch_wheels "$2" ;;
    --rehearse) [ $# = 4 ] || usage; check "$1" "$(realpath "$2")" "$(realpath "$3")" "$(realpath -m "$4")" ;;
    --*|"") usage ;;
    *) [ $# = 3 ] || usage; check "" "$(realpath "$1")" "$(realpath "$2")" "$(realpath -m "$3")" ;;
esac
