#!/bin/sh
# bench_test.sh LOP: what `lop bench` prints and how it ends. Speeds are not judged here.
lop=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
bad=0

# ends CODE what args...: the exit code of lop bench args; standard output goes to $folder/out.
ends() {
    code=$1 what=$2
    shift 2
    "$lop" bench "$@" --quiet >"$folder/out" 2>"$folder/err"
    got=$?
    [ $got -eq "$code" ] || { echo "$what: ended with $got, not $code: $(cat "$folder/err")"; bad=1; }
}

# prints what: every line of the last output is an object, and the pattern stands in it.
prints() {
    grep -q "$2" "$folder/out" || { echo "$1: no $2 in: $(cat "$folder/out")"; bad=1; }
    ! grep -qv '^{.*}$' "$folder/out" || { echo "$1: a line is no object"; bad=1; }
}

line() { # NAME LEAST MEDIAN P90
    printf '{"bench":"%s","backend":"cpu","device":"d","shape":[2,3],"ns_min":%s,"ns_med":%s,"ns_p90":%s}\n' "$@"
}
{ line a 100 110 120; line b 100 110 120; } >"$folder/old"
{ line a 100 110 120; line b 119 130 140; } >"$folder/near" # slower, but the intervals meet
{ line a 100 110 120; line b 121 130 140; } >"$folder/slow"
{ line a 100 110 120; line b 99 99 99; } >"$folder/fast"
line c 1 1 1 >"$folder/other"
echo '{"bench":' >"$folder/broken"

ends 0 "equal results" diff "$folder/old" "$folder/old"
prints "equal results" '"ratio":1.0,"differs":false'
ends 0 "results whose intervals meet" diff "$folder/old" "$folder/near"
ends 1 "slower results" diff "$folder/old" "$folder/slow"
prints "slower results" '"bench":"b".*"differs":true'
ends 1 "faster results" diff "$folder/old" "$folder/fast"
ends 3 "nothing in common" diff "$folder/old" "$folder/other"
ends 3 "a broken line" diff "$folder/old" "$folder/broken"
ends 3 "no such file" diff "$folder/old" "$folder/none"
ends 2 "one file" diff "$folder/old"
ends 2 "no bench"
ends 2 "an unknown bench" speed
ends 2 "an option that is not read" ops --nsamples 3
ends 2 "an unknown shape" block --shape llama-0b
ends 2 "an unknown method" block --method guess
ends 2 "no model" io
ends 3 "a model that is not there" io --model "$folder/none"

ends 0 "a block" block --method wanda --shape smollm2-135m --seqlen 32 --nsamples 2 --reps 1 --stages
for key in '"ms_per_sample":{"forward":[0-9.]*,"calibrate":[0-9.]*,"propagate":[0-9.]*}' '"s_per_block":{"solve":' \
    '"peak_bytes":[0-9]' '"floor_ms":{"forward":' '"roofs":{"copy_gbps":' '"gemm_tflops":{"f32":' '"commit":"' \
    '"argv":\["'; do
    prints "a block" "$key"
done
exit $bad
