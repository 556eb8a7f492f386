/* account.h - what a report tells, read and held against what a report can say, so that whoever draws it needs no look
 * twice. A report may come from anywhere: numbers are in ranges in which arithmetic is harmless, lists have the lengths
 * that they must have.
 *
 * Needed are method, sparsity, and of each linear name, shape, zeros and sparsity; the rest may be missing, as it is in
 * reports of methods that do not learn and of versions before. */
#ifndef LOP_CORE_PRUNE_ACCOUNT_H
#define LOP_CORE_PRUNE_ACCOUNT_H

#include "core/prune/report.h"

/* Texts belong to the report; NULL: not there. Numbers that are not there are -1, all others are 0 or more. */
typedef struct lop_account_linear {
    const char *name;  /* of the tensor, with .weight */
    const char *dense; /* why it was left dense; NULL: it was pruned */
    int32_t column;    /* of the account's columns */
    int64_t rows, cols, dropped, zeros, zeros_before;
    double sparsity, expected;          /* expected: what a learner aimed at before counting out */
    bool has_rows;                      /* row_sparsity is there */
    int64_t row_sparsity[LOP_ROW_BINS]; /* sums to rows */
} lop_account_linear;

typedef struct lop_account_step {
    double loss, sparsity; /* reconstruction loss; expected sparsity of the block */
} lop_account_step;

typedef struct lop_account_block {
    int64_t index;
    int64_t last; /* of the blocks that were learned together; its own index where it was learned alone */
    double seconds, loss_before, loss_after;
    lop_account_linear *linears;
    int32_t linear_count;
    lop_account_step *steps; /* of the learner, in order */
    int32_t step_count;
} lop_account_block;

/* Linears that have one name but for the number of their block. */
typedef struct lop_account_column {
    char *key;         /* "model.layers.*.self_attn.q_proj.weight" */
    const char *label; /* "q_proj"; in `key` or `short_key` */
    char *short_key;
} lop_account_column;

enum {
    LOP_ACCOUNT_BLOCKS = 4096, /* the most that a report may have */
    LOP_ACCOUNT_LINEARS = 64,  /* of a block */
    LOP_ACCOUNT_COLUMNS = 64,
    LOP_ACCOUNT_STEPS = 1 << 16 /* of a block */
};

typedef enum lop_seal {
    LOP_SEAL_WHOLE,  /* the report is what lop wrote, to the byte */
    LOP_SEAL_BROKEN, /* it was changed since */
    LOP_SEAL_NONE    /* it has no digest of itself */
} lop_seal;

typedef struct lop_account {
    json_t *report; /* the whole of it */
    lop_seal seal;
    const char *version, *model, *model_sha256, *method, *backend, *device;
    const char *calib_file, *calib_sha256, *pattern;
    int64_t seed, nsamples, seqlen, tokens;
    double target, prunable, all_parameters; /* fractions */
    int64_t dropped, zeros, zeros_before, prunable_weights, parameters;
    lop_report_seconds seconds;
    double device_bytes, host_bytes;
    lop_account_block *blocks;
    int32_t block_count;
    lop_account_column columns[LOP_ACCOUNT_COLUMNS];
    int32_t column_count;
} lop_account;

/* Reads folder/prune_report.json. LOP_E_FILE: it is not there; LOP_E_FORMAT: it is damaged, and where. */
LOP_CHECKED lop_status lop_account_open(const char *folder, lop_account *out);
void lop_account_close(lop_account *a);

/* "block 3", or "blocks 2 and 3" where those were learned together. */
enum { LOP_ACCOUNT_LABEL = 64 };
void lop_account_label(const lop_account_block *block, char out[LOP_ACCOUNT_LABEL]);

/* The linear of a block in a column; NULL when the block has none. */
const lop_account_linear *lop_account_at(const lop_account_block *block, int32_t column);

/* True if any block has it. */
bool lop_account_has_losses(const lop_account *a);
bool lop_account_has_steps(const lop_account *a);
bool lop_account_has_rows(const lop_account *a);
bool lop_account_has_expected(const lop_account *a);

/* Sparsity of all linears of a block that were pruned, weighted by weights; -1: of none. */
double lop_account_block_sparsity(const lop_account_block *block);

#endif
