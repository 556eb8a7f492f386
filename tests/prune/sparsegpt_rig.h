/* sparsegpt_rig.h - one linear and the Gram matrix of its inputs on the device of this run, for SparseGPT's own code. */
#ifndef LOP_TESTS_PRUNE_SPARSEGPT_RIG_H
#define LOP_TESTS_PRUNE_SPARSEGPT_RIG_H

#include "core/prune/sparsegpt_parts.h"
#include "tests/prune/prune_rig.h"

typedef struct solve_rig {
    int32_t rows, n;
    lop_type word;   /* that changed weights are rounded to; q is theirs only in f32 */
    float *w, *gram; /* (rows, n), (n, n): as uploaded */
    double *h;       /* (n, n): of `gram`'s lower triangle, with what damping adds and revives */
    float *q;        /* (rows, n): what comes out */
    bool *kept;      /* (rows, n): that stays */
    lop_target target;
    lop_sparsegpt_options options;
    double error; /* what the report says, summed again */
    lop_damped factor;
    lop_log *log;
} solve_rig;

typedef enum rig_inputs { RIG_USUAL, RIG_ORTHOGONAL, RIG_TWINS, RIG_FEW, RIG_DEAD, RIG_NOTHING } rig_inputs;

/* Weights and inputs by `seed`. USUAL: 2 n correlated tokens. ORTHOGONAL: H is diagonal. TWINS: each column stands there twice.
 * FEW: n / 2 tokens. DEAD: every second column is 0; NOTHING: all are. Options: damping 0.01, panels of 128, chosen. */
void solve_rig_open(solve_rig *r, int32_t rows, int32_t n, rig_inputs inputs, uint64_t seed);
void solve_rig_close(solve_rig *r);

/* What goes through the production code: q, kept, error, factor. */
lop_status solve_rig_run(solve_rig *r);

/* Sets h for the damping that the factor was found with. */
void solve_rig_damp(solve_rig *r);

/* How far q may be off in a row, to first order: |U^T U H - 1| <= 2 g k (docs/factor.md), k the condition of H, on the row's
 * length. */
double solve_rig_bound(const solve_rig *r, double condition, int32_t row);

#endif
