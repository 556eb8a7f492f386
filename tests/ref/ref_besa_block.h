/* ref_besa_block.h - BESA's learner over one block, or neighbouring ones together, in double precision: windows in order, one
 * minibatch a step. */
#ifndef LOP_TESTS_REF_BESA_BLOCK_H
#define LOP_TESTS_REF_BESA_BLOCK_H

#include "tests/ref/ref_besa.h"
#include "tests/ref/ref_model.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum ref_mask {
    REF_MASK_COUNT,     /* the floor(alpha C + 1e-3) least important weights of a row go */
    REF_MASK_THRESHOLD, /* all with P >= alpha, as printed in the paper */
    REF_MASK_SOFT       /* weights times 1 - P: the gradient of the others is this one's */
} ref_mask;

typedef enum ref_loss {
    REF_LOSS_SEQUENCE, /* channels divided by the target's square over the minibatch */
    REF_LOSS_ALL,      /* over all windows */
    REF_LOSS_FROBENIUS /* the plain sum of squares */
} ref_loss;

typedef enum ref_optimizer { REF_PRODIGY, REF_ADAMW } ref_optimizer;

typedef struct ref_besa_options {
    int buckets, group_rows; /* rows that share logits, a last group may be smaller; 0: all of a linear */
    ref_map map;             /* tilted: by the line whose softmax is at the target */
    ref_mask mask;
    ref_loss loss;
    bool magnitude;          /* order by |w| instead of Wanda's score */
    bool at_target;          /* logits start at the target (REF_SOFTMAX), not at 0 */
    bool exact;              /* the block loses round(target N) weights in the end */
    double target, penalty;  /* s*, sparsity_beta; l2_alpha is 1 */
    double width;            /* of the price that stands for the penalty; 0: the penalty */
    bool float_sparsity;     /* penalty, price and tilt see s rounded to a float, as the authors' code does */
    ref_optimizer optimizer; /* Prodigy: lr 1 as published, d_coef; AdamW: lr, decay */
    double lr, d_coef, decay;
    bool cosine;       /* lr (1 + cos(pi step / steps)) / 2 */
    int epochs, batch; /* windows of a minibatch; the last of an epoch may be smaller */
    int stop;          /* after so many steps, as if killed; 0: none */
    int span;          /* blocks that are learned together; 0: one */
} ref_besa_options;

/* Windows x (windows, T, hidden) of the pruned stream and what the span is to make of them; y NULL: what the dense blocks
 * do. Statistics are always those of the dense blocks over x. */
typedef struct ref_besa_data {
    int windows, T;
    const double *x, *y;
} ref_besa_data;

typedef struct ref_besa_linear {
    int rows, cols, group_rows, groups;
    double *theta, *dtheta; /* (groups, buckets + 1): of the block's */
    double *alpha;          /* (groups) */
    int *count;             /* (rows): weights that go */
    int32_t *order;         /* (rows, cols) */
    double *g;              /* (rows, cols): gradient by the mask, of the last ref_besa_gradient */
} ref_besa_linear;

enum { REF_SPAN_MOST = 2 };

typedef struct ref_besa {
    ref_besa_options options;
    ref_besa_data data;                                  /* y is set */
    const ref_block *dense;                              /* the first of the span */
    ref_model student;                                   /* the span alone, its linears pruned */
    ref_besa_linear linear[REF_SPAN_MOST * REF_LINEARS]; /* block by block */
    int span, linears;                                   /* that are there */
    int64_t logits, weights;
    double *theta, *dtheta; /* (logits), linears in order */
    double *
        line; /* (buckets + 1): the tilted map's, at the target where theta is 0; with a price it follows theta */
    double *square; /* (hidden), of the targets over all windows */
    double *target; /* y where the caller gave none */
    double pull;    /* by the block's sparsity, of the last gradient: the penalty's slope, or the price */
    double price,
        reach; /* that price as it were at the target, and the slope of sparsities that it is made of */
} ref_besa;

/* What a step sees before it moves: the error alone, and the expected sparsity of the block. */
typedef struct ref_besa_step {
    double error, sparsity;
} ref_besa_step;

/* Everything given is used until close. */
void ref_besa_open(ref_besa *b, const ref_besa_options *options, const ref_model *m, int block,
                   const ref_besa_data *data);
void ref_besa_close(ref_besa *b);

/* Alphas, counts and the student's weights from theta. Returns the expected sparsity. */
double ref_besa_mask(ref_besa *b);

/* The loss over windows [first, first + windows), penalty included (a price is none), and into dtheta (unless false) its
 * gradient: the straight-through one, or the true one of the soft mask. */
double ref_besa_gradient(ref_besa *b, int first, int windows, bool back, ref_besa_step *seen);

int ref_besa_steps(const ref_besa *b);

/* Learns: log (steps) receives what was seen. At the end alphas are those of the last theta; counts and the student's
 * weights are of the hard mask, with its exact budget if asked for. */
void ref_besa_learn(ref_besa *b, ref_besa_step *log);

/* The alpha of a row. */
double ref_besa_row_alpha(const ref_besa_linear *l, int row);

#endif
