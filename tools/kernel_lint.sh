#!/bin/sh
# Compiles the kernels as OpenCL C 1.2 with clang and as CUDA C++ with nvcc, each word and pack; says what it skipped.
# Exit: 0 all that could be compiled did, 1 one did not, 77 neither compiler is here.
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
tried=0
failed=0

source_of() { # word packs -> a file that includes the kernels once
    printf '#define WORD %s\n#define PACKS %s\n#include "kernels/dialect.h"\n#include "kernels/instance.h"\n' "$1" "$2"
}

for word in f32 f16 bf16; do
    for packs in 1 8; do
        source_of $word $packs >"$work/kernels.cl"
        cp "$work/kernels.cl" "$work/kernels.cu"
        if command -v clang >/dev/null; then
            tried=$((tried + 1))
            clang -x cl -cl-std=CL1.2 -pedantic -Wall -Wextra -Werror -fsyntax-only -I. "$work/kernels.cl" ||
                { echo "OpenCL C 1.2: $word, packs of $packs"; failed=1; }
        fi
        if command -v nvcc >/dev/null; then
            tried=$((tried + 1))
            nvcc -x cu -arch=sm_80 -Werror all-warnings -I. -c -o "$work/kernels.o" "$work/kernels.cu" ||
                { echo "CUDA C++: $word, packs of $packs"; failed=1; }
        fi
    done
done
command -v clang >/dev/null || echo "clang is not here: OpenCL C was not checked"
command -v nvcc >/dev/null || echo "nvcc is not here: CUDA C++ was not checked"
[ $tried -gt 0 ] || { echo "skipped: no compiler of kernels is here"; exit 77; }
exit $failed
