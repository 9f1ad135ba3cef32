#!/usr/bin/env bash
# The C kernels under AddressSanitizer and UndefinedBehaviorSanitizer, and the pool of threads under ThreadSanitizer too:
#
#     tools/sanitize.sh
#
# Fails where a test fails or a sanitizer reports something; without gcc and its sanitizers it says so and ends well.
set -euo pipefail
cd "$(dirname "$0")/.."

asan=$(gcc -print-file-name=libasan.so 2>/dev/null || true)
if [ ! -e "$asan" ]; then
    echo "tools/sanitize.sh: skipped, gcc or its AddressSanitizer is not installed"
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
memory="-fsanitize=address,undefined -fno-sanitize-recover=all"

# The flags come last, so that they overrule setup.py's: -O1 compiles in a third of the time, and -fwrapv would hide overflows.
printf '#!/bin/sh\nexec gcc "$@" -O1 -g1 -fno-wrapv %s\n' "$memory" >"$scratch/cc"
chmod +x "$scratch/cc"

source=gpucnn/kernels/c/source
stress() { # forks, flags: hammer the pool
    gcc -std=gnu11 -O1 -g -pthread "${@:2}" -I$source tests/kernels/threads_stress.c $source/threads.c -o "$scratch/stress"
    # ThreadSanitizer cannot always place its memory where the system shuffles addresses.
    $(command -v setarch >/dev/null && setarch -R true 2>/dev/null && echo setarch -R) "$scratch/stress" "$1"
}
stress 50 $memory
[ ! -e "$(gcc -print-file-name=libtsan.so)" ] || stress 0 -fsanitize=thread

cp -r gpucnn tests configs setup.py pyproject.toml README.md LICENSE "$scratch"
cd "$scratch"
find . -name '*.so' -delete
CC="$scratch/cc" python setup.py -q build_ext --inplace
for extension in gpucnn/kernels/c/_*.so; do
    grep -q __asan_report "$extension" || { echo "tools/sanitize.sh: $extension was not built for it"; exit 1; }
done

# libstdc++ because AddressSanitizer looks for C++'s exceptions when the process starts, and NumPy brings them later;
# -s because a sanitizer ends the process, and what pytest had captured of its report would be lost.
LD_PRELOAD="$asan $(gcc -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 GPUCNN_THREADS=2 \
    timeout 1800 python -m pytest -s -p tests.sanitized -k "not numpy and not cuda" \
    tests/kernels --ignore tests/kernels/test_threads_c.py \
    tests/functional/test_convolution.py tests/functional/test_pooling.py
