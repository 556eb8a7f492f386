/* method.h - what a method is: a row of a table. It is given a block whose dense weights lie on the device, what its
 * `needs` asked for, and a target for each linear; it leaves keep bits. It loads no file, names no family, changes no
 * weight and knows no processor. */
#ifndef LOP_CORE_PRUNE_METHOD_H
#define LOP_CORE_PRUNE_METHOD_H

#include "core/base/log.h"
#include "core/base/option.h"
#include "core/device/arena.h"
#include "core/model/weights.h"
#include "core/prune/sparsity.h"

/* What the driver prepares before `block` is called. */
enum {
    LOP_NEED_COLSUM_SQ = 1 << 0 /* sums of squares of each linear's inputs, over every calibration token */
};

/* One linear that is to be pruned, with what the driver prepared for it. */
typedef struct lop_prune_linear {
    const lop_linear_view *view; /* weights (out, in), dense; read only */
    lop_target target;
    lop_mat colsum_sq; /* (1, in) f32; absent unless needed */
    lop_mat keep;      /* (out, ceil(in/8)) u8: the method fills it */
} lop_prune_linear;

/* A block in the hands of a method. What the method places in `arena` is gone when it returns. */
typedef struct lop_prune_block {
    int32_t index;
    lop_prune_linear linears[LOP_LINEAR_COUNT]; /* those chosen, in module order */
    int32_t count;
    lop_queue *queue;
    lop_arena *arena;
    const lop_settings *settings;
    lop_log *log;
} lop_prune_block;

typedef struct lop_method {
    const char *name, *alias; /* alias NULL: none */
    const char *summary;
    const char *source;        /* paper, equation, reference file and function */
    uint32_t needs;            /* LOP_NEED_... */
    const lop_option *options; /* the command line, the documents and the tests read the same table */
    int option_count;
    lop_status (*block)(lop_prune_block *block); /* in depth order; NULL: known, not in this version */
    /* Places what `block` takes for a linear under these settings (NULL: the defaults). NULL: nothing. */
    lop_status (*measure)(lop_arena *arena, const lop_settings *settings, lop_mat weight);
} lop_method;

/* By name or alias; NULL when unknown. */
const lop_method *lop_method_find(const char *name);

/* The table, 0 <= index < lop_method_rows(). */
int lop_method_rows(void);
const lop_method *lop_method_row(int index);

/* Finds a method that this version can run. LOP_E_ARGUMENT: unknown (the known are listed); LOP_E_UNSUPPORTED. */
LOP_CHECKED lop_status lop_method_need(const char *name, const lop_method **out);

extern const lop_method lop_method_magnitude, lop_method_wanda;

#endif
