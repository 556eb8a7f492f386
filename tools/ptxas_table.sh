#!/bin/sh
# What the CUDA kernels take on sm_80, by ptxas: a markdown table with a line a kernel, the most of its instances each.
# Fails if one spills registers or takes more shared memory by itself than a group may have (163 KB).
cd "$(dirname "$0")/.." || exit 1
command -v nvcc >/dev/null || { echo "skipped: nvcc is not here"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for source in backends/cuda/*.cu; do
    nvcc -std=c++17 -O3 -gencode arch=compute_80,code=sm_80 -Xptxas -v -I. -c -o "$work/object" "$source" 2>&1
done | c++filt | sed 's/_GLOBAL__N__[0-9a-f]*_[0-9]*_[a-z_]*_cu_[0-9a-f]*:://g; s/(anonymous namespace):://g; s/void \([a-z_]*<.*>\)([a-z_]*)/\1/' | awk -v q="'" '
    /Compiling entry function/ {
        name = $0
        sub(/.*entry function ./, "", name)
        sub(q ".*", "", name)
        sub(/_(f32|f16|bf16)_[18]$/, "", name)
        instances[name]++
    }
    /bytes spill stores/ { for (i = 2; i <= NF; i++) if ($i == "spill") spills[name] += $(i - 2) }
    /Used [0-9]+ registers/ {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^registers/ && $(i - 1) > registers[name]) registers[name] = $(i - 1)
            if ($i ~ /^smem/ && $(i - 2) > shared[name]) shared[name] = $(i - 2)
        }
    }
    END {
        print "| kernel | instances | registers | shared memory of its own (bytes) | spilled (bytes) |"
        print "|---|---|---|---|---|"
        for (n in instances) {
            printf "| `%s` | %d | %d | %d | %d |\n", n, instances[n], registers[n], shared[n], spills[n] | "LC_ALL=C sort"
            if (spills[n] > 0 || shared[n] > 163 * 1024) bad = 1
        }
        exit bad
    }'
