/* ffn_rig.h - a feed-forward half with seeded weights, and inputs that have much in common, in the hands of SparseLLM: step by
 * step, or all of it. */
#ifndef LOP_TESTS_PRUNE_FFN_RIG_H
#define LOP_TESTS_PRUNE_FFN_RIG_H

#include "core/prune/sparsellm_parts.h"
#include "tests/prune/prune_rig.h"

typedef struct ffn_shape {
    int32_t hidden, ffn, tokens, windows, batch; /* tokens of a window, windows of a batch */
    lop_gate_kind kind;
    bool gated;
    uint64_t seed;
    double outlier; /* what every 50th token is times; 0: 1 */
    bool dead;      /* every fifth input is 0, and without a gate every seventh neuron too */
} ffn_shape;

/* 32 by 96, eight windows of 64 tokens in one batch: with silu and a gate, with ReLU alone. */
extern const ffn_shape ffn_gated, ffn_plain;

/* Matrices on the host are row-major doubles. */
typedef struct ffn_rig {
    ffn_shape shape;
    double *x;                            /* (T, hidden) */
    double *dense[LOP_SPARSELLM_LINEARS]; /* (out, in); gate NULL without one */
    double *bias;                         /* (ffn), without a gate; else NULL */
    double *y;                            /* (T, hidden): what the dense half gives */
    lop_target target;
    lop_sparsellm_options options;
    json_t *learned; /* what was told of the last run */

    lop_device device;
    lop_queue queue;
    lop_arena *arena;
    lop_ffn ffn;
    lop_linear_view views[LOP_SPARSELLM_LINEARS];
    lop_prune_block block;
    lop_sparsellm b; /* once it is placed */
} ffn_rig;

/* Half of all weights by default, four epochs, rho 1. */
void ffn_rig_open(ffn_rig *r, const char *backend, ffn_shape shape);
void ffn_rig_close(ffn_rig *r);

/* Places, and the first epoch: SparseGPT. */
void ffn_rig_begin(ffn_rig *r);

/* All epochs; the report's numbers are in r->learned. */
void ffn_rig_run(ffn_rig *r);
double ffn_rig_loss(const ffn_rig *r, int32_t epoch); /* that was told */

int32_t ffn_rig_tokens(const ffn_rig *r);

/* Changed weights as they stand; whether each is kept; what the streams hold: (T, ffn). The caller frees. */
double *ffn_rig_weights(ffn_rig *r, int which);
unsigned char *ffn_rig_kept(ffn_rig *r, int which);
double *ffn_rig_stream(ffn_rig *r, const lop_stream *s);
double *ffn_rig_matrix(ffn_rig *r, lop_mat m);

/* y = x w^T + bias in double: x (rows, in), w (out, in), bias NULL or (out). The caller frees. */
double *ffn_product(const double *x, const double *w, const double *bias, int32_t rows, int32_t out,
                    int32_t in);

/* f(s) z, or f(z) with s NULL. */
double *ffn_active(const ffn_rig *r, const double *z, const double *s);

/* The squared error of the half with the weights as they stand, by that of y itself. */
double ffn_rig_error(ffn_rig *r);

#endif
