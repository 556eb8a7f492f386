/* method.h - what a method is: a row of a table. It is given a block whose dense weights lie on the device, what its
 * `needs` asked for, and a target for each linear; it leaves keep bits, and if it changes weights others in their place. It
 * loads no file, names no family and knows no processor. */
#ifndef LOP_CORE_PRUNE_METHOD_H
#define LOP_CORE_PRUNE_METHOD_H

#include "core/base/log.h"
#include "core/base/option.h"
#include "core/device/arena.h"
#include "core/io/json.h"
#include "core/model/block.h"
#include "core/prune/ffn.h"
#include "core/prune/moments.h"
#include "core/prune/quant.h"
#include "core/prune/sparsity.h"
#include "core/prune/stream.h"
#include "core/prune/units.h"

/* What the driver prepares before `block` is called. */
enum {
    LOP_NEED_COLSUM_SQ = 1 << 0, /* sums of squares of each linear's inputs, over every calibration token */
    LOP_NEED_GRAM = 1 << 1,      /* sums of products of all pairs of them */
    LOP_NEED_LEARNING = 1 << 2,  /* lop_learning */
    /* It wants what the dense model has there, not what the dense block makes of this input. */
    LOP_NEED_DENSE_STREAM = 1 << 3,
    LOP_NEED_MIDDLE = 1 << 4, /* it wants that between the halves of the block too */
    LOP_NEED_SPARE = 1 << 5,  /* room for changed weights */
    LOP_NEED_FFN = 1 << 6,    /* lop_ffn, of a block alone: span 1 */
    LOP_NEED_MOMENTS = 1 << 7 /* means and variances of the inputs of o and down */
};
typedef struct lop_need {
    uint32_t what;   /* LOP_NEED_... */
    int32_t windows; /* of one step of learning */
    int32_t epochs;  /* times that it learns from all windows */
    int32_t span;    /* neighbouring blocks that it is given at once, where there are so many */
    int32_t again;   /* times that it has a block run once more (lop_again_fn) */
    /* Every block is scored before the first is pruned (lop_units_method), with these LOP_NEED_... of what the dense model
     * has there. */
    bool surveys;
    uint32_t survey;
} lop_need;

enum { LOP_SPAN_MOST = 2 };

/* Told behind each part of a learner's work, once that is queued: whoever measures marks the place in the queue.
 * LOP_PART_BEGIN: what comes before the first step; LOP_PART_STEP: the end of a step; others, within a step, are as the
 * method names them. Names stay. */
typedef lop_status lop_part_fn(void *user, lop_queue *q, const char *part);
#define LOP_PART_BEGIN "begin"
#define LOP_PART_STEP  "step"

/* One linear that is to be pruned, with what the driver prepared for it. */
typedef struct lop_prune_linear {
    const lop_linear_view *view; /* weights (out, in), dense; read only */
    int32_t block;               /* of the span, that it belongs to */
    lop_target target;
    lop_mat colsum_sq; /* (1, in) f32; absent unless needed */
    /* (in, in) f32, lower triangle, one matrix for linears of one input; read only, absent unless needed */
    lop_mat gram;
    const lop_moments *moments; /* of its input; NULL unless needed */
    lop_mat spare;              /* (out, in) W: room that `changed` may be, absent unless needed */
    lop_mat keep;               /* (out, ceil(in/8)) u8: the method fills it */
    /* (out, in) W: absent, or what the method sets for weights to stand in the dense ones' place, dropped ones as they like;
     * it outlives the method's own arena. On the points of `grid` if that is there */
    lop_mat changed;
    /* (1, out) f32: the method's to fill with what is to stand in the bias's place; absent where the bias stays */
    lop_mat bias;
    /* What weights are to be rounded to; the method's to fill only if it sets `changed`. */
    lop_quant_grid grid;
} lop_prune_linear;

/* A block that is learned, and what its trial works in. */
typedef struct lop_learning_block {
    const lop_block *dense; /* read only */
    lop_block *spare;       /* as large, for the linears of a trial; the method's to fill */
    lop_tape *tape;         /* of a step's windows; with the block's input where another comes before it */
} lop_learning_block;

/* What a method has that learns from the error of what a span of blocks gives. T tokens a window, C hidden width. */
typedef struct lop_learning {
    lop_learning_block blocks[LOP_SPAN_MOST];
    int32_t span;         /* of them there are */
    lop_forward *forward; /* with room to go back over a step's windows */
    /* What enters the first block; what shall come out of the last, f32 or with the input as its base. */
    const lop_stream *input, *want;
    const lop_stream *middle; /* the same of between the halves; only with LOP_NEED_MIDDLE */
    lop_mat x;                /* (windows T, C) f32: scratch, the residual stream of a step */
    int32_t windows, tokens;  /* of a step at most; of a window */
} lop_learning;

/* The block runs with what was decided for its first `count` linears, and the statistics of `input` are gathered anew. */
typedef lop_status lop_again_fn(const lop_prune_block *block, int32_t count, lop_input_id input);

/* A block, or a span of them, in the hands of a method. What the method places in `arena` is gone when it returns. */
struct lop_prune_block {
    int32_t index; /* of the first */
    /* Those chosen, block by block in module order. */
    lop_prune_linear linears[LOP_SPAN_MOST * LOP_LINEAR_COUNT];
    int32_t count;
    const lop_learning *learning; /* NULL unless needed */
    const lop_ffn *ffn;           /* NULL unless needed */
    lop_units *units;             /* NULL unless the method decides on units */
    lop_queue *queue;
    lop_arena *arena;
    const lop_settings *settings; /* NULL: the defaults */
    lop_log *log;
    /* Objects: what the method tells the report of each block; of the span, the first. */
    json_t *learned[LOP_SPAN_MOST];
    int64_t tokens;      /* that statistics are of */
    lop_again_fn *again; /* NULL: nobody can, or there is a span of several blocks */
    void *again_user;
    lop_part_fn *part; /* NULL: nobody measures */
    void *part_user;
};

/* Whether no linear before number `index` has its input: linears of one input stand next to one another. */
bool lop_method_begins_input(const lop_prune_block *block, int32_t index);

typedef struct lop_method {
    const char *name, *alias; /* alias NULL: none */
    const char *summary;
    const char *source;        /* paper, equation, reference file and function */
    uint32_t needs;            /* LOP_NEED_... */
    const lop_option *options; /* the command line, the documents and the tests read the same table */
    int option_count;
    const lop_units_method *units; /* NULL: it decides on weights */
    /* Whether the settings make sense for the target, and what they need beyond `needs`. NULL: all do, nothing.
     * LOP_E_ARGUMENT says what does not. */
    lop_status (*ask)(const lop_settings *settings, const lop_target *target, lop_log *log, lop_need *need);
    lop_status (*block)(lop_prune_block *block);   /* in depth order; NULL: known, not in this version */
    lop_status (*measure)(lop_prune_block *block); /* places what `block` takes; its arena only measures */
    /* Of deciding on a linear, the first of its input or not; NULL: one a weight. */
    double (*flops)(int32_t out, int32_t in, bool first);
    /* Of what it does with a feed-forward half beside: by block, of so many tokens and epochs. NULL: nothing. */
    double (*flops_ffn)(const lop_net *net, int64_t tokens, int32_t epochs);
} lop_method;

/* What may follow a method on each block: keep bits stay, and kept weights make up for what is gone. It sees the block as the
 * method did and sets `changed`. */
typedef struct lop_update {
    const char *name;
    uint32_t needs; /* LOP_NEED_... */
    lop_status (*block)(lop_prune_block *block);
    lop_status (*measure)(lop_prune_block *block);
    double (*flops)(int32_t out, int32_t in, bool first);
} lop_update;

/* By name; NULL when unknown. */
const lop_update *lop_update_find(const char *name);

/* By name or alias; NULL when unknown. */
const lop_method *lop_method_find(const char *name);

/* The table, 0 <= index < lop_method_rows(). */
int lop_method_rows(void);
const lop_method *lop_method_row(int index);

/* Tells whoever measures that this part is queued. */
LOP_CHECKED lop_status lop_method_tell(const lop_prune_block *block, const char *part);

/* Finds a method that this version can run. LOP_E_ARGUMENT: unknown (the known are listed); LOP_E_UNSUPPORTED. */
LOP_CHECKED lop_status lop_method_need(const char *name, const lop_method **out);

extern const lop_method lop_method_magnitude, lop_method_wanda, lop_method_besa, lop_method_sparsegpt,
    lop_method_sparsellm;
extern const lop_method lop_method_magnitude_sp, lop_method_wanda_sp, lop_method_flap;
extern const lop_update lop_update_sparsegpt;

#endif
