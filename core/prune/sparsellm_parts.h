/* sparsellm_parts.h - one block in the hands of SparseLLM, as its parts see it. Internal to core/prune/sparsellm*.c. The
 * derivation is in docs/methods/sparsellm.md.
 *
 * Letters: T tokens of a batch, C hidden width, F feed-forward, W the word of weights; z what `up` gives, s what `gate` gives,
 * f the activation, p what it is to be, Y what `down` is to give, without its bias. */
#ifndef LOP_CORE_PRUNE_SPARSELLM_PARTS_H
#define LOP_CORE_PRUNE_SPARSELLM_PARTS_H

#include "core/prune/sparsegpt_parts.h"

typedef struct lop_sparsellm_options {
    int32_t epochs; /* of a block */
    double rho;     /* beta / alpha: what the activation's misfit counts beside the linears' */
    double rate;    /* of s down its gradient; 0: Gauss-Newton */
    double gain;    /* an epoch that lowers the loss by a lesser part is the last; 0: none is */
    bool pseudo;    /* targets without an anchor and almost without damping */
    bool last;      /* the last epoch stands, not the best */
    lop_sparsegpt_options solver;
} lop_sparsellm_options;

/* A linear of the feed-forward half. */
typedef struct lop_sparsellm_linear {
    int32_t index;           /* of the block's linears; -1: there is none */
    lop_mat sum;             /* (out, in) f32: what a pass adds up, then what is to be pruned */
    lop_mat best, best_bits; /* (out, in) W, (out, ceil(in/8)) u8: as the best epoch so far left it */
} lop_sparsellm_linear;
enum { LOP_SPARSELLM_UP, LOP_SPARSELLM_GATE, LOP_SPARSELLM_DOWN, LOP_SPARSELLM_LINEARS };

/* A factor that stays over the epochs, of the Gram matrix of the first linears' input. */
typedef struct lop_sparsellm_factor {
    lop_mat u, mean; /* (C, C), (1, 1) f32 */
    double damping;
} lop_sparsellm_factor;

typedef struct lop_sparsellm {
    lop_prune_block *block;
    lop_sparsellm_options options;
    lop_sparsegpt solver;
    lop_sparsellm_linear linears[LOP_SPARSELLM_LINEARS];
    lop_sparsellm_factor first, pseudo; /* as SparseGPT damps it; as pseudo-inverse targets do */
    lop_mat h;                          /* (F, F) f32, lower triangle: sum of p p^T */
    lop_mat diagonal;                   /* (1, the larger of C and F) f32 */
    lop_mat half;                       /* F C f32: where products of weights go by */
    lop_mat inverse;                    /* (C, C) f32: (down down^T + rho)^-1 */
    lop_mat tiles, scratch, bad;        /* of its factorisation */
    lop_mat back;                       /* (C, F) W: inverse down, which takes an error of Y to p */
    lop_mat error;                      /* (T, C) f32 */
    lop_mat error_word;                 /* (T, C) W; `error` itself where that is f32 */
    lop_mat active, p, up, gate;        /* (T, F) W; gate absent without one */
    lop_mat row;                        /* (T, 1) f32: sums of rows */
    lop_mat count;                      /* (the most rows of a linear, 1) u32: counts of them */
    lop_mat losses, misfits; /* (epochs + 1, 2) f32: pairs, lop_sum_value; losses[epochs]: of Y itself */
    lop_mat wrong;           /* (1, LOP_SPARSELLM_LINEARS + 1) i64: sums of a pass that are no numbers */
    int32_t epochs;          /* whose loss is known */
    int32_t best, current;   /* the epoch that stands in the end; that of the weights as they are */
    double loss[128], misfit[128]; /* by epoch, relative to Y; misfit -1: not known */
    const char *stopped;           /* why there are no more; NULL: they were all */
} lop_sparsellm;
enum { LOP_SPARSELLM_EPOCHS_MOST = 128 };

/* Everything in the block's arena; without more than one epoch no more than SparseGPT's. */
LOP_CHECKED lop_status lop_sparsellm_place(lop_prune_block *block, const lop_sparsellm_options *options,
                                           lop_sparsellm *out);

/* The first epoch: SparseGPT, which keeps the factor of the feed-forward's input on its way where there are more. */
LOP_CHECKED lop_status lop_sparsellm_first(lop_sparsellm *b);

/* Over all windows (sparsellm_pass.c), queued: z, s and Y from the dense weights; and with the weights of epoch `epoch` its
 * loss, and, unless it is the last, z and s moved and what the next targets need added up. */
LOP_CHECKED lop_status lop_sparsellm_dense(lop_sparsellm *b);
LOP_CHECKED lop_status lop_sparsellm_pass(lop_sparsellm *b, int32_t epoch, bool last);

/* The first linears' factors from what SparseGPT has just used; the linears' targets from what a pass has added up, pruned
 * (sparsellm_target.c). Waits. LOP_E_NUMERIC: a Gram matrix that no damping saves. */
LOP_CHECKED lop_status lop_sparsellm_factor_keep(lop_sparsellm *b);
LOP_CHECKED lop_status lop_sparsellm_prune(lop_sparsellm *b);

/* All epochs behind the first, and what the report tells (sparsellm_epochs.c). */
LOP_CHECKED lop_status lop_sparsellm_epochs(lop_sparsellm *b);

/* Changed weights of a linear as they stand; its view, target and bits. */
static inline lop_prune_linear *lop_sparsellm_at(const lop_sparsellm *b, int which)
{
    return &b->block->linears[b->linears[which].index];
}

#endif
