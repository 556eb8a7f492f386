#!/bin/sh
# Holds every C, kernel and header file of the tree against .clang-format and names those that differ. Exit 77 (a skip)
# without clang-format.
cd "$(dirname "$0")/.." || exit 1
if ! command -v clang-format >/dev/null; then
    echo "skipped: clang-format is not installed"
    exit 77
fi
sources() {
    find . \( -path './.[!.]*' ! -path './.ci*' -o -path './build*' -o -path ./out -o \
        -type d -exec test -e {}/CMakeCache.txt \; \) -prune -o -type f "$@" -print
}
wrong=$(
    sources -name '*.[ch]' | xargs clang-format --dry-run -Werror 2>&1 | sed -n 's/^\([^:]*\):[0-9:]* error:.*/\1/p' |
        LC_ALL=C sort -u
    for kernel in $(sources -name '*.cl'); do
        clang-format --assume-filename=x.c <"$kernel" | cmp -s - "$kernel" || echo "$kernel"
    done
)
[ -z "$wrong" ] && exit 0
echo "not formatted; run clang-format -i on them (.cl: clang-format --assume-filename=x.c):"
echo "$wrong"
exit 1
