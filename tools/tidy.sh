#!/bin/sh
# Runs clang-tidy with .clang-tidy over what a build folder compiles. Usage: tools/tidy.sh [BUILD_FOLDER [FILE_PATTERN]]
cd "$(dirname "$0")/.." || exit 1
build=${1:-build-dev}
pattern=${2:-.}
if [ ! -f "$build/compile_commands.json" ]; then
    echo "$build/compile_commands.json is missing; run: cmake --preset dev" >&2
    exit 2
fi
sed -n 's/^ *"file": "\(.*\.c\)".*/\1/p' "$build/compile_commands.json" | LC_ALL=C sort -u | grep -e "$pattern" |
    xargs -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet
