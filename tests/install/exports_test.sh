#!/bin/sh
# Holds the symbols that liblop shows against include/lop.h: all of LOP_API, and nothing else.
# Usage: exports_test.sh LIBRARY HEADER
header=$(mktemp) && library=$(mktemp) || exit 1
trap 'rm -f "$header" "$library"' EXIT
tr '\n' ' ' <"$2" | grep -o 'LOP_API [^;(]*(' | grep -o 'lop_[a-z0-9_]*($' | tr -d '(' | LC_ALL=C sort >"$header"
nm -D --defined-only "$1" | awk '{ print $3 }' | LC_ALL=C sort >"$library"
[ -s "$header" ] || { echo "no LOP_API function found in $2"; exit 1; }
diff "$header" "$library" && exit 0
echo "left (<): declared and not exported; right (>): exported and not declared"
exit 1
