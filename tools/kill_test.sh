#!/bin/sh
# kill_test.sh MODEL CALIB N [SEED]: N kills (SIGKILL) at random moments of a Wanda prune, each resumed by the next run
# until the folder is whole; a new folder is begun while there are kills left. Exit 0 if every folder is that of an
# undisturbed run but for figures of time and memory, and no block was computed whose line was in the journal.
# Environment: LOP, the program (build-release/bin/lop); KILL_OPTIONS, more of its options (32 windows of 512 tokens).
set -u
[ $# -ge 3 ] || { sed -n '2,5s/^# //p' "$0"; exit 2; }
model=$1 calib=$2 kills=$3 seed=${4:-1}
tools=$(cd "$(dirname "$0")" && pwd)
lop=${LOP:-$tools/../build-release/bin/lop}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
now() { date +%s.%N; }
fail() { echo "kill_test: $*" >&2; exit 1; }

prune() { # FOLDER LOG [--resume]
    folder=$1 log=$2
    shift 2
    exec "$lop" prune "$model" --method wanda --sparsity-ratio 0.5 --calib "$calib" --save-masks --json \
        ${KILL_OPTIONS:---nsamples 32 --seqlen 512} --save "$folder" "$@" >"$log" 2>&1
}
blocks() { # STATE LOG: the numbers of the blocks that a whole line tells of
    sed -n 's/^{"event":"block","index":\([0-9]*\),"of":[0-9]*,"state":"'"$1"'"}$/\1/p' "$2"
}
journaled() { # FILE: the numbers of the blocks that its whole lines hold; the last line may be cut off
    [ -s "$1" ] || return
    lines=$(wc -l <"$1")
    head -n "$lines" "$1" | grep -c '"done":' | awk '{for (i = 0; i < $1; i++) print i}'
}

start=$(now)
(prune "$work/whole" "$work/log") || fail "the undisturbed run failed: $(tail -n 1 "$work/log")"
seconds=$(echo "$(now) $start" | awk '{print $1 - $2}')
echo "seed $seed; undisturbed: $seconds s, $(blocks computed "$work/log" | wc -l) blocks"

killed=0 folders=0 attempts=0 computed=0 again=0
while [ "$killed" -lt "$kills" ]; do
    folder=$work/killed resume='' done=no
    rm -rf "$folder"
    : >"$work/published"
    while [ "$done" = no ]; do
        attempts=$((attempts + 1))
        wait_s=$(awk -v seed="$((seed * 100003 + attempts))" -v most="$seconds" \
            'BEGIN {srand(seed); rand(); print 1.05 * most * rand()}')
        (prune "$folder" "$work/log" $resume) &
        child=$!
        if [ "$killed" -lt "$kills" ]; then
            sleep "$wait_s"
            kill -KILL "$child" 2>/dev/null
        fi
        wait "$child" 2>/dev/null
        code=$?
        blocks computed "$work/log" >"$work/computed"
        grep -Fxq -f "$work/published" "$work/computed" && again=$((again + 1))
        computed=$((computed + $(wc -l <"$work/computed")))
        blocks written "$work/log" >>"$work/published"
        journaled "$folder/.lop/journal.jsonl" >>"$work/published"
        case $code in
            0) done=yes ;;
            137) killed=$((killed + 1)) resume=--resume ;;
            *) fail "attempt $attempts ended with $code: $(tail -n 1 "$work/log")" ;;
        esac
    done
    folders=$((folders + 1))
    python3 "$tools/same_run.py" "$work/whole" "$folder" || fail "a resumed run left another folder"
done
echo "$killed kills in $attempts runs, $folders folders equal to the undisturbed one, $computed blocks computed," \
    "$again runs computed a published block again; $(echo "$(now) $start" | awk '{print $1 - $2}') s in all"
[ "$again" -eq 0 ]
