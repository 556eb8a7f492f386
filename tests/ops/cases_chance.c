/* cases_chance.c - what is drawn by counters: d = (samples, units). Every bit must be that of the plain loop. */
#include "tests/harness/cases.h"

static const struct {
    uint64_t seed;
    uint32_t tag;
    int32_t first_sample, first_unit;
} draws[] = {{42, 0x4D41534B, 0, 0}, {0x0123456789abcdef, 7, 3, 0}, {UINT64_MAX, 0xffffffff, 1000000, 5}};

static int bernoulli_mats(const case_at *at, case_mat *m)
{
    m[0] = (case_mat){1, at->d[1], LOP_U32, CASE_IN, FILL_INT, 0, 1 << 30, 0};
    m[1] = (case_mat){1, 1, LOP_U32, CASE_IN, FILL_INT, 0, 4294967295.0, 0};
    m[2] = (case_mat){at->d[0], at->d[1], LOP_U8, CASE_OUT, FILL_KIND, 0, 0, LOOSE_ROWS};
    return 3;
}

static lop_status bernoulli_call(lop_queue *q, const case_at *at, const lop_mat *m)
{
    const lop_chance chance = {.seed = draws[at->variant].seed,
                               .tag = draws[at->variant].tag,
                               .first_sample = draws[at->variant].first_sample,
                               .first_unit = draws[at->variant].first_unit};
    return lop_bernoulli(q, &chance, m[0], m[1], m[2]);
}

static void bernoulli_reference(const case_at *at, ref_mat *m)
{
    const ref_chance chance = {draws[at->variant].seed, draws[at->variant].tag,
                               (uint32_t)draws[at->variant].first_sample,
                               (uint32_t)draws[at->variant].first_unit};
    ref_bernoulli(&chance, &m[0], &m[1], &m[2]);
}

static const op_case table[] = {
    {"bernoulli", 1u << LOP_F32, 1u << KIND_UNIFORM, 3, 0, &shapes_rows, bernoulli_mats, bernoulli_call,
     bernoulli_reference, NULL},
};
const case_list cases_chance = {table, sizeof table / sizeof table[0]};
