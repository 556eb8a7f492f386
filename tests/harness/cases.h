/* cases.h - the table of operations: what each works on, how it is called, what it must give and what it
 * costs. The loop of harness.h runs it over shapes, kinds of input, storage words and placements; a bench
 * takes bytes and flops from the same rows. The rows stand in tests/ops/cases_*.c. */
#ifndef LOP_TESTS_HARNESS_CASES_H
#define LOP_TESTS_HARNESS_CASES_H

#include "core/device/ops.h"
#include "tests/ref/ref_ops.h"

enum { CASE_MATS = 8, CASE_DIMS = 4 };

typedef enum case_kind {
    KIND_UNIFORM,   /* in (-1, 1) */
    KIND_HEAVY,     /* Cauchy, cut at 10,000 */
    KIND_EQUAL,     /* all 0.75 */
    KIND_FEW,       /* quarters in [-1, 1]: many ties */
    KIND_ZERO,      /* +0 and -0 */
    KIND_HUGE_TINY, /* uniform times a great or a small power of two; squares lie within f32 */
    KIND_NAN,       /* uniform with one NaN */
    KIND_COUNT
} case_kind;

#define KINDS_FINITE ((1u << KIND_NAN) - 1u)
#define KINDS_ALL    (KINDS_FINITE | 1u << KIND_NAN)

typedef enum case_role {
    CASE_ABSENT, /* an optional argument left out */
    CASE_IN,     /* unchanged by the call */
    CASE_OUT,    /* holds garbage before it */
    CASE_INOUT,
    CASE_SCRATCH /* holds garbage before and after */
} case_role;

typedef enum case_fill {
    FILL_KIND,     /* as the kind of input says, times `high` if that is not 0 */
    FILL_NONNEG,   /* the same without signs */
    FILL_PLAIN,    /* uniform in (-1, 1) whatever the kind */
    FILL_INT,      /* whole numbers in [low, high] */
    FILL_KEEP,     /* keep bits of `high` columns */
    FILL_RANK,     /* columns of the first matrix by rank, row by row */
    FILL_ANGLE,    /* cosines in the first half of a row, sines in the second */
    FILL_NAN,      /* NaN: what an output holds that is not to be read */
    FILL_POSITIVE, /* the lower triangle of a positive definite matrix, NaN above */
    FILL_UPPER /* an upper triangle, NaN below: 1/2 to 3/2 on the diagonal, beside it numbers in (-2, 2) by its columns */
} case_fill;

enum { LOOSE_ROWS = 1, LOOSE_COLS = 2 }; /* a matrix may have more rows or columns than the case gives it */

typedef struct case_mat {
    int32_t rows, cols;
    lop_type type;
    case_role role;
    case_fill fill;
    double low, high;
    int loose;
} case_mat;

/* One instance of a case. */
typedef struct case_at {
    int32_t d[CASE_DIMS];
    lop_type word;
    int variant;
    case_kind kind;
    uint64_t seed;
} case_at;

typedef struct case_shapes {
    const int32_t (*at)[CASE_DIMS];
    int count;
} case_shapes;

typedef enum case_trait {
    CASE_PRODUCT = 1, /* wants words among the device's product_types */
    CASE_STEPS = 2,   /* calls several operations: one may be refused when others are queued */
    CASE_LAUNCH = 4   /* a method's kernel, launched as it is: whoever launches it has checked */
} case_trait;

typedef struct op_case {
    const char *name;
    uint32_t words;  /* bit per lop_type that at.word takes */
    uint32_t kinds;  /* bit per case_kind */
    int variants;    /* at.variant takes 0 .. variants - 1 */
    uint32_t traits; /* of case_trait */
    const case_shapes *shapes;
    /* Describes the matrices of an instance; returns how many, 0 if the case has no such instance. */
    int (*mats)(const case_at *at, case_mat *m);
    lop_status (*call)(lop_queue *q, const case_at *at, const lop_mat *m);
    /* m holds the inputs; outputs receive values, magnitudes and terms. */
    void (*reference)(const case_at *at, ref_mat *m);
    double (*flops)(const case_at *at); /* NULL: it moves bytes and counts nothing */
} op_case;

/* Bytes that an instance reads and writes at least. */
double case_bytes(const op_case *c, const case_at *at);

/* The table of tests/ops. */
typedef struct case_list {
    const op_case *at;
    int count;
} case_list;
extern const case_list cases_product, cases_elementwise, cases_rows, cases_reduce, cases_select,
    cases_methods, cases_besa, cases_sparsellm, cases_quant, cases_chance, cases_learn, cases_symmetric,
    cases_factor;

/* Rows and columns that most cases run over: 1, 2, 127, 128, 129, 1000, a prime, 4097; tall, wide, empty. */
extern const case_shapes shapes_rows;
/* The same with fewer elements, for references that sort. */
extern const case_shapes shapes_small;

#define WORDS_ALL (1u << LOP_F32 | 1u << LOP_F16 | 1u << LOP_BF16)

/* The word of index 0, 1, 2: f32, f16, bf16, for variants that go over a second word. */
lop_type case_word(int index);

#endif
