/* learner_rig.h - a block of a made model, or two, in the hands of BESA's learner, without a run around. */
#ifndef LOP_TESTS_PRUNE_LEARNER_RIG_H
#define LOP_TESTS_PRUNE_LEARNER_RIG_H

#include "core/model/walk.h"
#include "core/prune/besa_parts.h"
#include "core/prune/calibrate.h"
#include "core/prune/run.h"
#include "tests/model/made_model.h"
#include "tests/ref/ref_besa_block.h"

enum { LEARNER_WINDOWS = 2, LEARNER_TOKENS = 24, RATES_MOST = 256 };

typedef struct gradient_case {
    made_shape shape;
    lop_setting how[4];
    int buckets, each; /* as the settings have them; each 0: all rows */
    ref_map map;
    double target;
    double width; /* of the price; 0: the penalty */
} gradient_case;

typedef struct learner {
    const gradient_case *c;
    made_model model;
    lop_device device;
    lop_queue queue;
    lop_checkpoint *file;
    lop_net net;
    lop_arena *arena;
    lop_forward *forward;
    lop_reader *reader;
    lop_block placed[LOP_SPAN_MOST], spare[LOP_SPAN_MOST], *block[LOP_SPAN_MOST];
    lop_tape tape[LOP_SPAN_MOST];
    lop_statistics statistics[LOP_SPAN_MOST];
    int span;
    lop_stream input, want;
    lop_option_set set;
    lop_settings settings;
    lop_learning learning;
    lop_prune_block chosen;
    lop_besa besa;
    float *x, *y; /* (windows tokens, C) */
} learner;

/* count numbers in (-1, 1), the caller's to free. */
float *noise_of(int64_t count, uint64_t seed);

/* Opened: inputs and targets are noise, orders and first logits as before the first step. Uses the case until it is closed. */
void learner_open(learner *l, const gradient_case *c);
void learner_close(learner *l);

/* The gradient of all logits at the first step. Queued. */
void gradient_take(learner *l);

#endif
