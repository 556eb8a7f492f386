/* block_rig.h - one block of a named shape with random weights, calibration windows of random tokens, and what a forward
 * and a method need. Internal to bench. */
#ifndef LOP_BENCH_BLOCK_RIG_H
#define LOP_BENCH_BLOCK_RIG_H

#include "bench/parts.h"
#include "core/model/walk.h"
#include "core/prune/calibrate.h"
#include "core/prune/method.h"
#include "core/prune/stream.h"

typedef struct block_rig {
    lop_queue *queue;
    lop_checkpoint *file;
    lop_net net;
    const lop_method *method; /* NULL: none, only the dense forward */
    lop_settings settings;    /* of the method, with its defaults */
    lop_target target;
    int32_t sequences, batch, tokens; /* windows in all, of one forward call, tokens of one */
    lop_arena *arena;
    lop_block block;
    lop_forward *forward;
    lop_stream input; /* of the block, as it is kept between blocks */
    lop_mat x, row_count, wrong;
    lop_statistics statistics;
    lop_mat keep[LOP_LINEAR_COUNT];
} block_rig;

/* Opens what the settings of the call name: shape, method, nsamples, seqlen, forward-batch (1 when it is left out),
 * sparsity-ratio (0.5). Zero-initialise; close after a failure too. */
LOP_CHECKED lop_status block_rig_open(bench *b, block_rig *out);
void block_rig_close(block_rig *r);

/* Sequences of batch `turn`, taken in a circle, and the residual stream that it fills. */
lop_mat block_rig_x(const block_rig *r, int turn);

/* Puts the inputs of batch `turn` into that residual stream. */
LOP_CHECKED lop_status block_rig_load(block_rig *r, int turn);

#endif
