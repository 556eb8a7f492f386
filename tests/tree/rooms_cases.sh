#!/bin/sh
# Holds tools/check_rooms.sh against small trees that break one law each. Usage: rooms_cases.sh SOURCE_DIR
source=$1
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
failed=0

# A tree that keeps every law.
fresh() {
    rm -rf "${tree:?}"/* "${tree:?}/.ci" "${tree:?}/.scratch"
    mkdir -p "$tree/made" "$tree/tools" "$tree/core/base" "$tree/core/device" "$tree/core/prune" "$tree/backends/cpu" \
        "$tree/backends/opencl" "$tree/include" "$tree/tests" "$tree/cli" "$tree/bench" "$tree/build-x" \
        "$tree/.ci" "$tree/.scratch"
    cp "$source/tools/check_rooms.sh" "$source/tools/rooms.txt" "$tree/tools/"
    echo 'int lop;' >"$tree/include/lop.h"
    echo '#include "include/lop.h"' >"$tree/core/base/status.h"
    echo '#include "core/base/status.h"' >"$tree/core/device/device.h"
    echo '#include "core/device/device.h"' >"$tree/core/lop.c"
    echo '#include <cblas.h>' >"$tree/backends/cpu/cpu_gemm.c"
    echo 'int bench;' >"$tree/bench/bench.h"
    printf '#include "include/lop.h"\n#include "bench/bench.h"\nvoid f(void) { printf("x"); }\n' >"$tree/cli/main.c"
    printf '#include <cblas.h>\n#include "nowhere.h"\n' >"$tree/tests/any.c"
    echo 'TO''DO' >"$tree/build-x/made.c"
    touch "$tree/made/CMakeCache.txt"
    cp "$tree/build-x/made.c" "$tree/made/"
    cp "$tree/build-x/made.c" "$tree/.scratch/"
}

# expect NAME FILE LINE WORDS: with LINE appended to FILE, exactly one violation is printed, and it says WORDS.
expect() {
    fresh
    printf '%s\n' "$3" >>"$tree/$2"
    said=$(sh "$tree/tools/check_rooms.sh") && { echo "$1: passed"; failed=1; }
    case $said in
    *"
"*) echo "$1: more than one line: $said" && failed=1 ;;
    *"$4"*) ;;
    *) echo "$1: said \"$said\", expected \"$4\"" && failed=1 ;;
    esac
}

fresh
said=$(sh "$tree/tools/check_rooms.sh") || { echo "lawful tree: $said"; failed=1; }

expect 'upward include' core/base/status.h '#include "core/device/device.h"' 'core/base may not include core/device/device.h'
expect 'another backend' backends/opencl/a.c '#include "backends/cpu/cpu_gemm.c"' 'may not include backends/cpu'
expect 'cli reaches in' cli/main.c '#include "core/base/status.h"' 'cli may not include'
expect 'not from the root' core/device/device.h '#include "device.h"' 'not a path from the root'
expect 'vendor header in core' core/prune/a.c '#include <nccl.h>' 'vendor header nccl.h'
expect 'vendor header elsewhere' backends/opencl/a.c '#include <lapacke.h>' 'vendor header lapacke.h'
expect 'backend named in core' core/prune/a.c '/* faster in CUDA */' 'core names a backend'
expect 'method named in a backend' backends/cpu/a.c 'int wanda;' 'a machine names a method'
expect 'family named in device' core/device/a.c '/* Llama */' 'a machine names a method or family'
expect 'printing' core/prune/a.c 'void f(void) { fprintf(stderr, "x"); }' 'ends or prints'
expect 'leaving' backends/cpu/a.c 'void f(void) { abort(); }' 'ends or prints'
expect 'equal names' core/prune/main.c 'int a;' 'has the name of cli/main.c'
expect 'unfinished' cli/main.c "/* TO""DO */" 'unfinished'
expect 'no room' core/stray.c 'int a;' 'is in no room'
expect 'long' core/prune/a.c "$(yes 'int a;' | head -n 501)" 'longer than 500'
expect 'hidden, yet ours' .ci/run.sh "# TO""DO" 'unfinished'
exit $failed
