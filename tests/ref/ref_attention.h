/* ref_attention.h - causal attention and its gradients in double precision, and how far from them a correct implementation
 * may lie. docs/attention.md derives the bounds; the names are its own. */
#ifndef LOP_TESTS_REF_ATTENTION_H
#define LOP_TESTS_REF_ATTENTION_H

#include "tests/ref/ref_ops.h"

/* S sequences of T queries over P = first + T positions, H heads over KV key heads of D numbers each. */
typedef struct ref_attention_sizes {
    int32_t sequences, tokens, first, heads, kv_heads, head_dim, window;
} ref_attention_sizes;

/* A packed matrix and the bounds of its elements. */
typedef struct ref_bounded {
    double *at, *bound;
} ref_bounded;

typedef struct ref_attention {
    ref_attention_sizes sizes;
    const ref_word *word; /* of operands, results and what is rounded between them */
    bool tiles;           /* scores and their gradients are rounded to words too; else shares and ds alone */
    const double *q, *k, *v;     /* (S T, H D), (S P, KV D) */
    const double *d_out;         /* (S T, H D) */
    ref_bounded out, dq, dk, dv; /* written: like q, q, k, k */
    ref_bounded log_sum;         /* written: (S H, T) */
} ref_attention;

/* Everything above that is written; the arrays are the caller's. */
void ref_attention_run(ref_attention *a);

#endif
