#!/bin/sh
# Builds examples/prune.c against the installed prefix and prunes a model with it.
# Usage: example_test.sh pkgconfig|package SOURCE_DIR PREFIX WORK_DIR, with CC, CMAKE and CFLAGS in the environment.
# Exit 77 (a skip) when the model is not there, unless LOP_REQUIRE names "shared".
way=$1 source=$2 prefix=$3 work=$4
cd "$source" && shared=$(cd "${LOP_SHARED:-../shared}" 2>/dev/null && pwd)
rm -rf "$work" && mkdir -p "$work" || exit 1

by_pkgconfig() {
    pc=$(find "$prefix" -name lop.pc) && PKG_CONFIG_PATH=$(dirname "$pc") && export PKG_CONFIG_PATH || return 1
    libraries=$(pkg-config --variable=libdir lop) || return 1
    # The flags are several words each.
    # shellcheck disable=SC2046,SC2086
    $CC -std=c11 -Wall -Wextra -Werror $CFLAGS "$source/examples/prune.c" $(pkg-config --cflags --libs lop) \
        -Wl,-rpath,"$libraries" -o "$work/prune"
}

by_package() {
    "$CMAKE" -S "$source/examples" -B "$work" -DCMAKE_C_COMPILER="$CC" -DCMAKE_C_FLAGS="$CFLAGS" \
        -DCMAKE_PREFIX_PATH="$prefix" >"$work.log" 2>&1 && "$CMAKE" --build "$work" >>"$work.log" 2>&1 && return 0
    cat "$work.log"
    return 1
}

"by_$way" || exit 1
"$work/prune" 2>"$work/usage"
[ $? -eq 2 ] && grep -q 'usage: .*liblop 0\.' "$work/usage" || { echo "without arguments: $(cat "$work/usage")"; exit 1; }
"$work/prune" "$work/nothing" "$work/nothing" "$work/out" 2>"$work/missing"
[ $? -eq 3 ] && grep -q nothing "$work/missing" || { echo "no model: $(cat "$work/missing")"; exit 1; }

model=$shared/data/models/TinyStories-656K
calibration=$shared/golden/calib_64x256.i32
if [ ! -d "$model" ] || [ ! -f "$calibration" ]; then
    echo "skipped: no model in $shared"
    case $LOP_REQUIRE in *shared*) exit 1 ;; esac
    exit 77
fi
# Four times over: 128 windows of the model's 512 tokens.
cat "$calibration" "$calibration" "$calibration" "$calibration" >"$work/ids.i32" || exit 1
"$work/prune" "$model" "$work/ids.i32" "$work/out" 0.5 >"$work/said" || exit 1
grep -q '^removed 0\.50' "$work/said" && [ -f "$work/out/model.safetensors" ] && [ -f "$work/out/prune_report.json" ] ||
    { echo "pruned, but said: $(cat "$work/said")"; exit 1; }
