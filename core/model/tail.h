/* tail.h - what is between the last block and the head: the final norm, where the model has one, and the projection to the
 * embedding's width, where that is another. Internal to core/model.
 *
 * Sizes: N rows, C hidden, E columns of the head, W the word of a block. */
#ifndef LOP_CORE_MODEL_TAIL_H
#define LOP_CORE_MODEL_TAIL_H

#include "core/model/norm.h"

typedef struct lop_tail {
    const lop_net *net;
    lop_norm norm;
    lop_mat project;        /* (E, C) W, or absent */
    lop_mat normed, narrow; /* (N, C), (N, E) W: scratch; narrow is absent with project */
} lop_tail;

/* Places it for up to `rows` rows in the arena (which may only measure). */
LOP_CHECKED lop_status lop_tail_place(lop_arena *a, const lop_net *net, lop_type word, int32_t rows,
                                      lop_tail *out);

/* Reads its tensors; waits. */
LOP_CHECKED lop_status lop_tail_load(lop_queue *q, const lop_tail *tail);

/* What the head takes of x (N, C) f32: *out (N, E) W, which the next call overwrites. */
LOP_CHECKED lop_status lop_tail_rows(lop_queue *q, const lop_tail *tail, lop_mat x, lop_mat *out);

#endif
