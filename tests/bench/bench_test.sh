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
stage() { # LEAST MEDIAN P90
    printf '{"bench":"block","backend":"cpu","device":"d","shape":"llama-7b","seqlen":8,"method":"wanda",'
    printf '"ms_per_sample_min":{"forward":%s},"ms_per_sample":{"forward":%s},"ms_per_sample_p90":{"forward":%s}}\n' "$@"
}
stage 1 1.1 1.2 >"$folder/block_old"
stage 2 2.1 2.2 >"$folder/block_slow"
echo '{"bench":' >"$folder/broken"

ends 0 "equal results" diff "$folder/old" "$folder/old"
prints "equal results" '"ratio":1.0,"differs":false'
ends 0 "results whose intervals meet" diff "$folder/old" "$folder/near"
ends 1 "slower results" diff "$folder/old" "$folder/slow"
prints "slower results" '"bench":"b".*"differs":true'
ends 1 "faster results" diff "$folder/old" "$folder/fast"
ends 0 "equal blocks" diff "$folder/block_old" "$folder/block_old"
prints "equal blocks" '"bench":"block.wanda.forward"'
ends 1 "a slower block" diff "$folder/block_old" "$folder/block_slow"
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
ends 2 "a comparison of nothing" ops --compare cpu,
ends 2 "a comparison at an index that is none" ops --compare cpu:x
ends 2 "a comparison beside a device" ops --compare cpu --backend cpu
ends 2 "a comparison of what computes nothing" io --compare cpu
ends 5 "a comparison of devices that are not there" roof --compare cpu:999,nothing:0
ends 2 "rows that are too short" ops --cols 100
ends 2 "a word that there is none of" ops --word f8
ends 2 "more rows than products have, by half" ops --rows 3000
ends 2 "a page without a place" report "$folder/old"
ends 3 "a page of nothing" report "$folder/broken" --save "$folder/page.html"
ends 3 "a model that is not there" io --model "$folder/none"

ends 0 "a block" block --method wanda --shape smollm2-135m --seqlen 32 --nsamples 2 --reps 1 --stages
for key in '"ms_per_sample":{"forward":[0-9.]*,"calibrate":[0-9.]*,"propagate":[0-9.]*}' '"s_per_block":{"solve":' \
    '"peak_bytes":[0-9]' '"floor_ms":{"forward":' '"roofs":{"copy_gbps":' '"gemm_tflops":{"f32":' '"commit":"' \
    '"argv":\["'; do
    prints "a block" "$key"
done

ends 0 "a learner" block --method besa --shape smollm2-135m --seqlen 32 --nsamples 3 --step-windows 2 --forward-batch 2 \
    --epochs 2 --reps 2 --stages
for key in '"ms_per_sample":{"forward":[0-9.]*,"calibrate":[0-9.]*,"train_step":[0-9.]*,"propagate":[0-9.]*}' \
    '"s_per_block":{"solve":.*"init":[0-9.]*}' '"floor_ms":{.*"train_step":[0-9.]*' '"steps":4,"step_windows":2' \
    '"step_parts_ms":{.*"buckets":[0-9.]*' '"step_forwards":[0-9.]*'; do
    prints "a learner" "$key"
done
ends 0 "a learner that learns nothing" block --method besa --shape smollm2-135m --seqlen 32 --nsamples 1 --epochs 0 --reps 1
prints "a learner that learns nothing" '"steps":0'
ends 2 "steps that do not divide a forward" block --method besa --shape smollm2-135m --seqlen 32 --step-windows 2 \
    --forward-batch 3
ends 2 "a learner's option out of range" block --method besa --shape smollm2-135m --candidates 1

# page what FILE: a page that stands alone, well formed, and whose texts are escaped.
page() {
    [ -s "$2" ] || { echo "$1: no page"; bad=1; return; }
    for no in '<script' 'http' 'src=' 'href=' '@import' 'url(' 'nan' ; do
        ! grep -qiF "$no" "$2" || { echo "$1: $no in the page"; bad=1; }
    done
    ! command -v xmllint >/dev/null || xmllint --noout "$2" || { echo "$1: not well formed"; bad=1; }
}
# has what FILE PATTERN
has() {
    grep -q "$3" "$2" || { echo "$1: no $3 in $2"; bad=1; }
}

small="--shape smollm2-135m --seqlen 32 --nsamples 2 --reps 1"
ends 0 "a comparison" block --method wanda $small --compare cpu,nothing:3 --json --report "$folder/page.html"
prints "a comparison" '"event":"bench","bench":"block","backend":"cpu"'
prints "a comparison" '"asked":"nothing:3","missing":"there is no device 3 of backend'
prints "a comparison" '"event":"result","bench":"block","devices":\['
prints "a comparison" '"s_per_block":{.*"total":[0-9.]*,"total_floor":[0-9.]*}'
page "a comparison" "$folder/page.html"
has "a comparison" "$folder/page.html" 'nothing:3 was not measured'
ends 0 "a comparison for people" block $small --compare cpu,nothing
has "a comparison for people" "$folder/out" '^| cpu: .* | smollm2-135m | none '
has "a comparison for people" "$folder/out" '^nothing was not measured: '
if "$lop" devices | grep -q '^opencl:0 '; then
    ends 0 "a comparison of two" block --method wanda $small --compare cpu,opencl:0
    has "a comparison of two" "$folder/out" '^| opencl:0: '
fi
ends 0 "a whole model" eval --shape smollm2-135m --seqlen 32 --reps 1
for key in '"ms":{"min":[0-9.]*,' '"parts_ms":{"embedding":[0-9.]*,"blocks":[0-9.]*,"head":[0-9.]*}' '"floor_ms":[0-9.]*' \
    '"nll":1[0-9]\.'; do
    prints "a whole model" "$key"
done
ends 2 "a whole model over too many tokens" eval --shape smollm2-135m --seqlen 10000

ends 0 "operations" ops --cols 2048 --word bf16 --reps 1 --report "$folder/page.html"
prints "operations" '"bench":"roof".*"gemm_side":'
prints "operations" '"bench":"rmsnorm_f32".*"word":"bf16","shape":\[2048,2048\].*"roof_frac":'
prints "operations" '"bench":"buckets".*"word":"bf16","shape":\[2048,2048\]'
page "operations" "$folder/page.html"
cp "$folder/out" "$folder/ops.jsonl"
ends 0 "a table of kept lines" table "$folder/ops.jsonl"
has "a table of kept lines" "$folder/out" '^| rmsnorm_f32 *| bf16 | memory | [0-9.]* *|$'

# A device whose name would be markup, with operations that stand on one spot.
awk 'BEGIN {
    for (i = 0; i < 30; i++)
        printf "{\"bench\":\"<op&%d>\",\"backend\":\"x\",\"device\":\"</title><b>\\u0001 \\\"%s\",\"shape\":[2,2048],\"ns_min\":1," \
            "\"ns_med\":1,\"ns_p90\":1,\"bytes\":8,\"flops\":4,\"gbps\":8,\"gflops\":%s,\"roof\":\"memory\",\"roof_frac\":0.5}\n",
            i, "\047", 4 + i % 3 * 0.01
}' >"$folder/hostile"
ends 0 "a hostile name" report "$folder/hostile" --save "$folder/page.html"
page "a hostile name" "$folder/page.html"
has "a hostile name" "$folder/page.html" 'x: &lt;/title&gt;&lt;b&gt;  &quot;&#39;'
[ "$(grep -c '<text class="name".*&lt;op' "$folder/page.html")" -eq 30 ] || { echo "a hostile name: a label is missing"; bad=1; }
exit $bad
