/* bench_stages.h - the parts of one forward, each alone: where the time of a block goes. Internal to bench. */
#ifndef LOP_BENCH_STAGES_H
#define LOP_BENCH_STAGES_H

#include "bench/block_rig.h"

#include <jansson.h>

/* Least milliseconds of each part of a forward over one call of the rig: {"qkv": ..., ...}. The caller takes *out. */
LOP_CHECKED lop_status bench_stages(bench *b, const block_rig *r, json_t **out);

#endif
