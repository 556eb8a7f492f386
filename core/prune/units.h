/* units.h - what structured methods remove: units, of which every weight goes or none does.
 *
 * A channel is one of a feed-forward's inner width: a row of gate and of up and a column of down. A head is a key and value
 * head with all query heads that read it: rows of q, k and v and columns of o. Biases of these rows go with them. A budget
 * counts weights of linears.
 *
 * Letters: U units of a kind in a block, C columns of the half's last linear (o, down), which are those of its units, in
 * order, the same number each. */
#ifndef LOP_CORE_PRUNE_UNITS_H
#define LOP_CORE_PRUNE_UNITS_H

#include "core/base/log.h"
#include "core/base/option.h"
#include "core/io/json.h"
#include "core/model/family.h"
#include "core/prune/choose.h"
#include "core/prune/sparsity.h"

typedef struct lop_prune_block lop_prune_block;

typedef enum lop_unit_kind { LOP_UNIT_HEADS, LOP_UNIT_CHANNELS, LOP_UNIT_KINDS } lop_unit_kind;

/* What a method that decides on units is, beside the rest of its row. */
typedef struct lop_units_method {
    bool by_block, by_kind; /* where units compete, and within what budgets, when no option says so */
    bool makes_up;          /* biases of o and down make up for the mean of what is gone */
    /* Puts the scores of every kind that the block has units of (lop_units_put), and means where it makes up. */
    lop_status (*score)(lop_prune_block *block);
} lop_units_method;

/* The options of every such method. */
enum { LOP_UNITS_OPTIONS = 7 };
extern const lop_option lop_units_options[LOP_UNITS_OPTIONS];

typedef struct lop_units_rule {
    bool kinds[LOP_UNIT_KINDS];    /* that may go */
    int32_t least[LOP_UNIT_KINDS]; /* that every block keeps */
    bool by_block;                 /* each block loses its part by itself, else all blocks compete */
    bool by_kind;                  /* each kind has a budget of its own, else one is for both */
    bool standardize;              /* scores are held against those of their kind in their block */
} lop_units_rule;

/* Reads units, scope, budget, standardize, min-channels and min-heads. LOP_E_ARGUMENT: no kind, or one that is none. */
LOP_CHECKED lop_status lop_units_read(const lop_settings *settings, const lop_units_method *method,
                                      lop_units_rule *out);

typedef struct lop_unit_shape {
    int32_t count;   /* U */
    int32_t cols;    /* of the half's last linear, that a unit has */
    int32_t sharing; /* query heads of a head; 1 for a channel */
    int64_t weights; /* of all linears, that go with one */
} lop_unit_shape;

/* The units of a model, their scores, and which stay. Zero-initialise; lop_units_close frees. */
typedef struct lop_units {
    const lop_net *net;
    const lop_choice *choice;
    const lop_units_method *method;
    lop_units_rule rule;
    lop_target target;
    lop_unit_shape shape[LOP_UNIT_KINDS];
    int32_t blocks, each;          /* of the model; units of a block */
    bool (*there)[LOP_UNIT_KINDS]; /* whether a block's units of a kind may go */
    int64_t *chosen;               /* weights of a block that the ratio is of */
    double *score;                 /* (blocks, each), heads first; what has less goes first */
    const double *second; /* (blocks, each): of equal scores what is less here goes first; NULL: nothing */
    unsigned char *keep;  /* (blocks, each) 1 or 0 */
    float *mean;          /* (blocks, columns of o and of down); NULL: nothing makes up */
    bool *settled;        /* of each block: `keep` is decided */
} lop_units;

/* Finds the units of the linears that are chosen. Linears of which no unit may go are left out of the choice, with the
 * reason. LOP_E_ARGUMENT: a pattern, a ratio beyond what units give (the sentence has the largest), no unit at all. */
typedef struct lop_units_plan {
    const lop_net *net;
    lop_choice *choice;
    const lop_units_method *method;
    const lop_units_rule *rule;
    const lop_target *target;
} lop_units_plan;
LOP_CHECKED lop_status lop_units_open(const lop_units_plan *plan, lop_units *out);
void lop_units_close(lop_units *u);

/* Where a kind's units of a block begin in what the model's units have each. */
int64_t lop_units_at(const lop_units *u, int32_t block, lop_unit_kind kind);

/* Which half a linear belongs to; whether units are its rows, else its columns; and the last linear of a half. */
lop_unit_kind lop_unit_kind_of(lop_linear_id id);
bool lop_unit_by_rows(lop_linear_id id);
lop_linear_id lop_unit_last(lop_unit_kind kind);
const char *lop_unit_name(lop_unit_kind kind); /* "heads" */

/* Scores of the units of a kind in a block from those of their columns, column[C]. Standardized, if that is asked for, are
 * columns (`by_column`), whose mean a unit then has, or units, which have the sum of their columns over query heads. */
LOP_CHECKED lop_status lop_units_put(lop_units *u, int32_t block, lop_unit_kind kind, const double *column,
                                     bool by_column);

/* Where the means of a kind's columns in a block lie, [C]. */
float *lop_units_mean(const lop_units *u, int32_t block, lop_unit_kind kind);

/* Decides on blocks [first, end), whose scores are there. Least scores go first, of equal ones the last in the model, each
 * that still fits into what its budget has left; of two budgets, what the heads' steps leave goes to channels. */
LOP_CHECKED lop_status lop_units_settle(lop_units *u, int32_t first, int32_t end);

/* Weights that blocks [first, end) are to lose at most, and can. */
int64_t lop_units_budget(const lop_units *u, int32_t first, int32_t end);
int64_t lop_units_most(const lop_units *u, int32_t first, int32_t end);

/* Whether a linear's bias is written anew; and whether that is because it makes up for what is gone. */
bool lop_units_takes_bias(const lop_units *u, int32_t block, lop_linear_id id);
bool lop_units_makes_up(const lop_units *u, int32_t block, lop_linear_id id);

/* Rows of a linear that are gone: 0 where units are columns. */
int32_t lop_units_rows_gone(const lop_units *u, int32_t block, lop_linear_id id);

/* What every such method does with a block: scores and decides unless that is done, then fills keep bits and biases. And
 * what that takes beside its scores. */
lop_status lop_units_block(lop_prune_block *block);
lop_status lop_units_measure(lop_prune_block *block);

/* {"heads": {"kept", "of"}, "channels": ...} of a block that is settled. New reference. */
LOP_CHECKED lop_status lop_units_tell(const lop_units *u, int32_t block, json_t **out);

#endif
