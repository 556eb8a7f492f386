#!/bin/sh
# The laws of the tree: who may include whom (tools/rooms.txt), which words and calls may stand where, how long a file
# may be, and that no two files have one name. Prints a line for each violation and fails if there was one.
cd "$(dirname "$0")/.." || exit 1

find . \( -path './.[!.]*' ! -path './.ci*' -o -path './build*' -o -path ./out -o \
    -type d -exec test -e {}/CMakeCache.txt \; \) -prune -o -type f \
    \( -name '*.[ch]' -o -name '*.cl' -o -name '*.cu' -o -name '*.sh' -o -name '*.cmake' \) -print |
    sed 's|^\./||' | LC_ALL=C sort |
    LC_ALL=C awk -v rooms=tools/rooms.txt '
function under(path, room) {
    return path == room || index(path, room "/") == 1 || index(path, room ".") == 1
}
function say(what) { print file ":" line ": " what; bad = 1 }
function room_of(path,    r, best) {
    for (r in may) if (under(path, r) && length(r) > length(best)) best = r
    return best
}
function allowed(target,    n, list, i) {
    n = split(may[room], list, " ")
    for (i = 1; i <= n; i++) if (under(target, list[i])) return 1
    return 0
}
function there(path,    ignored, found) {
    if (!(path in exists)) { found = (getline ignored < path); exists[path] = found >= 0; if (found >= 0) close(path) }
    return exists[path]
}
function check_include(target,    v) {
    for (v in vendor) if (target ~ v && file !~ vendor[v]) say("vendor header " target " outside " vendor[v])
    if (text !~ /include *"/) return
    if (!there(target)) say("\"" target "\" is not a path from the root of the tree")
    else if (!allowed(target)) say(room " may not include " target)
}
function check_line(lower) {
    if (text ~ /^[ \t]*#[ \t]*include[ \t]*["<]/ && !free) {
        split(text, piece, /["<>]/)
        check_include(piece[2])
    }
    if (text ~ /TO[D]O|FIX[M]E/) say("unfinished: " text)
    if (file ~ /^core\// && lower ~ /cuda|opencl|cublas|clblast|cblas/) say("core names a backend: " text)
    if (file ~ /^(backends|core\/device)\// && lower ~ /besa|wanda|sparsegpt|llama|qwen/)
        say("a machine names a method or family: " text)
    if (file ~ /^(core|backends)\// && text ~ /(^|[^A-Za-z0-9_])(_?exit|abort|v?f?printf|f?puts|f?putchar|perror)\(/)
        say("the library ends or prints: " text)
}
BEGIN {
    while ((getline text < rooms) > 0) {
        split(text, piece, " ")
        if (text !~ /^#/ && piece[1] != "") { may[piece[1]] = text; sub(/^[^ ]+ */, "", may[piece[1]]) }
    }
    vendor["^(cuda|cublas|cusolver|nvrtc|nvml|curand)"] = "^backends/(cuda|comm)/"
    vendor["^(CL/|clblast)"] = "^backends/opencl/"
    vendor["^(cblas|lapacke)[.]h$"] = "^backends/cpu/"
    vendor["^(nccl|mpi)[.]h$"] = "^backends/comm/"
}
{
    file = $0; line = 0; room = room_of(file); free = file ~ /^(tests|examples|tools|cmake|\.ci)\//
    name = file; sub(/.*\//, "", name)
    if (name in owner) say("has the name of " owner[name]); else owner[name] = file
    if (room == "" && !free) say("is in no room of " rooms)
    while ((getline text < file) > 0) { line++; check_line(tolower(text)) }
    close(file)
    if (line > 500) say("is longer than 500 lines")
}
END { exit bad }'
