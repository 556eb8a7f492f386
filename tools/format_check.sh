#!/bin/sh
# Holds every C, kernel and header file of the tree against .clang-format. Exit 77 (a skip) without clang-format.
cd "$(dirname "$0")/.." || exit 1
if ! command -v clang-format >/dev/null; then
    echo "skipped: clang-format is not installed"
    exit 77
fi
sources() {
    find . \( -path ./.git -o -path './build*' -o -path ./out -o -type d -exec test -e {}/CMakeCache.txt \; \) -prune -o -type f "$@" -print
}
status=0
sources -name '*.[ch]' | xargs clang-format --dry-run -Werror || status=1
for kernel in $(sources -name '*.cl'); do
    clang-format --assume-filename=x.c <"$kernel" | cmp -s - "$kernel" && continue
    echo "$kernel: not formatted; run: clang-format --assume-filename=x.c <$kernel"
    status=1
done
exit $status
