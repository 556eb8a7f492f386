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
    const lop_method *method;     /* NULL: none, only the dense forward */
    const lop_settings *settings; /* of the call, the method's among them */
    lop_target target;
    lop_need need;
    lop_choice choice; /* of a method that decides on units: they compete within the block */
    lop_units units;
    int32_t sequences, batch, tokens; /* windows in all, of one forward call, tokens of one */
    lop_arena *arena;
    lop_block block;
    lop_forward *forward;
    lop_stream input;  /* of the block, as it is kept between blocks */
    lop_stream want;   /* of a learner: what the dense block makes of it */
    lop_stream middle; /* and what stands between its halves, where that is needed */
    lop_ffn ffn;       /* of a method that takes the feed-forward half apart */
    lop_block spare;   /* what it works in, or where changed weights come to lie */
    lop_tape tape;
    lop_learning learning;
    lop_mat x, row_count, wrong;
    lop_statistics statistics;
    lop_mat keep[LOP_LINEAR_COUNT];
} block_rig;

/* Opens what the settings of the call name: shape, method and its options, nsamples, seqlen, forward-batch (as many windows
 * as a step of a learner takes when it is left out, else 1), sparsity-ratio (0.5). Zero-initialise; close after a failure
 * too. */
LOP_CHECKED lop_status block_rig_open(bench *b, block_rig *out);
void block_rig_close(block_rig *r);

bool block_rig_learns(const block_rig *r);
bool block_rig_takes_ffn(const block_rig *r);

/* The block as the method is given it; what it learns from is that of the rig. */
void block_rig_prune_block(block_rig *r, lop_prune_block *out);

/* Sequences of batch `turn`, taken in a circle, and the residual stream that it fills. */
lop_mat block_rig_x(const block_rig *r, int turn);

/* Puts the inputs of batch `turn` into that residual stream. */
LOP_CHECKED lop_status block_rig_load(block_rig *r, int turn);

/* That stream through the block; and loaded, through the block with the method's statistics, and kept where a learner wants
 * it. All of it: the statistics are those of all windows. Queued. */
LOP_CHECKED lop_status block_rig_forward(block_rig *r, int turn, const lop_watch *watch);
LOP_CHECKED lop_status block_rig_calibrate(block_rig *r, int turn);
LOP_CHECKED lop_status block_rig_calibrate_all(block_rig *r);

#endif
