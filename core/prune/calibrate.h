/* calibrate.h - the calibration windows of a run, and the statistics of a block's inputs over them. */
#ifndef LOP_CORE_PRUNE_CALIBRATE_H
#define LOP_CORE_PRUNE_CALIBRATE_H

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/option.h"
#include "core/comm/comm.h"
#include "core/device/arena.h"
#include "core/model/block.h"
#include "core/prune/moments.h"

/* Token ids to calibrate on. Zero-initialise; lop_calibration_close frees. */
typedef struct lop_calibration {
    int32_t *ids; /* windows * seqlen; NULL: the run has none */
    int32_t windows, seqlen;
    char *file;
    char sha256[LOP_SHA256_TEXT]; /* of the file */
} lop_calibration;

/* Reads calib and what goes with it (text-field, nsamples, seqlen, seed, sampler). Without calib: no windows. */
LOP_CHECKED lop_status lop_calibration_open(const lop_net *net, const lop_settings *settings, lop_log *log,
                                            lop_calibration *out);
void lop_calibration_close(lop_calibration *c);

/* Sums over tokens, of each distinct input of a block's linears: squares, and products of all pairs. */
typedef struct lop_statistics {
    lop_mat colsum_sq[LOP_INPUT_COUNT]; /* (1, in) f32, from lop_statistics_end on */
    lop_mat parts[LOP_INPUT_COUNT];     /* (P, in) f32: what forward calls add up in */
    lop_mat gram[LOP_INPUT_COUNT];      /* (in, in) f32, the lower triangle; absent: not wanted */
    /* Of the inputs of o and down, and of this process alone; sum absent: not wanted. */
    lop_moments moments[LOP_INPUT_COUNT];
} lop_statistics;

/* What is wanted beside the squares. */
typedef struct lop_statistics_wish {
    bool gram, moments;
} lop_statistics_wish;

/* Places them for forward calls of at most `rows` tokens. */
LOP_CHECKED lop_status lop_statistics_place(lop_arena *arena, const lop_net *net, int32_t rows,
                                            lop_statistics_wish wish, lop_statistics *out);
LOP_CHECKED lop_status lop_statistics_reset(lop_queue *q, lop_statistics *s);

/* A lop_watch_fn over a lop_statistics. */
lop_status lop_statistics_watch(void *statistics, lop_queue *q, lop_input_id input, lop_mat x);

/* Adds up what the calls since the reset have left; once, behind the last of them. */
LOP_CHECKED lop_status lop_statistics_end(lop_queue *q, const lop_statistics *s);

/* Over all ranks. */
LOP_CHECKED lop_status lop_statistics_sum(lop_comm *c, lop_queue *q, const lop_statistics *s);

#endif
