/* test_prune_policy.c - learning masks: first probabilities, masks by counters, problems whose answers are known, recorded losses
 * met again, and whole units at the end. */
#include "core/base/hash.h"
#include "core/device/device.h"
#include "core/prune/policy.h"
#include "core/prune/units.h"
#include "tests/prune/groups.h"
#include "tests/prune/policy_rig.h"
#include "tests/prune/prune_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- masks */

static void masks_of_counters(void **state)
{
    (void)state;
    static const struct {
        uint32_t step, sample;
        int at; /* of eight units the first four, or the last */
        const char *kept;
    } cases[] = {{0, 0, 0, "1111"}, {0, 0, 4, "0110"}, {0, 1, 0, "0101"}, {1, 0, 0, "0010"}};
    const lop_policy_chance plain = {.seed = 42}, pairs = {.seed = 42, .antithetic = true};
    int32_t s[8];
    uint8_t keep[8], other[8];
    for (int i = 0; i < 8; i++) s[i] = LOP_POLICY_ONE / 2;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        lop_policy_draw(&plain, cases[c].step, cases[c].sample, s, 8, keep);
        for (int i = 0; i < 4; i++) assert_int_equal(keep[cases[c].at + i], cases[c].kept[i] - '0');
    }
    lop_policy_draw(&pairs, 0, 0, s, 8, keep);
    lop_policy_draw(&pairs, 0, 1, s, 8, other);
    for (int i = 0; i < 8; i++) assert_int_equal(keep[i] + other[i], 1);
    for (int i = 0; i < 8; i++) s[i] = i < 4 ? 0 : LOP_POLICY_ONE;
    for (uint32_t step = 0; step < 1000; step++) { /* sure units are sure, and with a floor they are not */
        lop_policy_draw(&plain, step, 0, s, 7, keep);
        for (int i = 0; i < 7; i++) assert_int_equal(keep[i], i >= 4);
    }
    const lop_policy_chance floor = {.seed = 42, .floor = LOP_POLICY_ONE / 8};
    int returned = 0;
    for (uint32_t step = 0; step < 1000; step++) {
        lop_policy_draw(&floor, step, 0, s, 8, keep);
        returned += keep[0];
    }
    policy_near(returned, 125.0, 4.0 * sqrt(1000 * 0.125 * 0.875));
}

/* A device draws the same. */
static void masks_of_devices(void **state)
{
    (void)state;
    enum { N = 1003, MASKS_DRAWN = 3 };
    static int32_t s[N];
    static uint8_t want[N], have[MASKS_DRAWN][N];
    const lop_policy_chance host = {.seed = 77777777777u};
    const lop_chance chance = {.seed = host.seed, .tag = 0x4D41534Bu};
    const uint32_t step = 12345;
    lop_device device;
    lop_queue q;
    lop_arena *a = NULL;
    lop_mat p, at, keep;
    uint64_t seed = 8;
    for (int i = 0; i < N; i++) s[i] = i % 50 == 0 ? LOP_POLICY_ONE : policy_fixed(policy_draw(&seed));
    prune_ok(test_device_open(prune_backend, &device));
    prune_ok(lop_queue_open(&device, &q));
    prune_ok(lop_arena_open(&device, LOP_ON_DEVICE, 0, &a));
    prune_ok(lop_arena_mat(a, 1, N, LOP_U32, &p));
    prune_ok(lop_arena_mat(a, 1, 1, LOP_U32, &at));
    prune_ok(lop_arena_mat(a, MASKS_DRAWN, N, LOP_U8, &keep));
    prune_ok(lop_upload(&q, s, p));
    prune_ok(lop_upload(&q, &step, at));
    prune_ok(lop_bernoulli(&q, &chance, p, at, keep));
    prune_ok(lop_download(&q, keep, have));
    for (uint32_t j = 0; j < MASKS_DRAWN; j++) {
        lop_policy_draw(&host, step, j, s, N, want);
        assert_memory_equal(have[j], want, N);
    }
    lop_arena_close(a);
    lop_queue_close(&q);
    lop_device_close(&device);
}

/* ---- first probabilities */

static void first_probabilities(void **state)
{
    (void)state;
    static const double metric[] = {1, 2, 3, 4, 10};
    static const double half[] = {.312365395, .374856675, .442380675, .512623689, .857773565};
    static const double more[] = {.512365395, .574856675, .642380675, .712623689, 1.0};
    int32_t s[5];
    lop_policy_scores(LOP_POLICY_SIGMA, metric, 5, 0.5, 0, s);
    for (int i = 0; i < 5; i++) policy_near(policy_real(s[i]), half[i], 2e-9);
    lop_policy_scores(LOP_POLICY_SIGMA, metric, 5, 0.7, 0, s);
    for (int i = 0; i < 5; i++) policy_near(policy_real(s[i]), more[i], 2e-9);
    lop_policy_scores(LOP_POLICY_NORM, metric, 5, 0.5, 0, s);
    for (int i = 0; i < 5; i++)
        policy_near(policy_real(s[i]), fmin(0.5 + (metric[i] - 4.0) / 9.0, 1.0), 2e-9);
    lop_policy_scores(LOP_POLICY_CONST, metric, 5, 0.5, 0.9, s); /* 3 of 5 stay */
    for (int i = 0; i < 5; i++) policy_near(policy_real(s[i]), i >= 2 ? 0.9 : 0.1, 2e-9);
}

/* ---- learning a table */

enum { TABLE = 200, STEPS = 4000, MASKS = 4 };

typedef struct learner {
    lop_policy_chance chance;
    lop_policy_baseline baseline;
    double rate;
    int32_t s[TABLE];
} learner;

/* L = 3 - sum a_i m_i, and what batches add to all masks alike. */
static double table_loss(const double *a, const uint8_t *keep, double batch)
{
    double loss = 3.0 + batch;
    for (int i = 0; i < TABLE; i++) loss -= a[i] * keep[i];
    return loss;
}

static void learn(learner *l, const double *a, double batches)
{
    const lop_policy_run run = {0, TABLE, 1};
    const lop_policy_budget budget = {0, 1, (int64_t)(TABLE / 2) * LOP_POLICY_ONE};
    lop_policy_memory memory = {.begun = false};
    uint64_t seed = 77;
    int64_t v = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        uint8_t keep[MASKS][TABLE];
        const uint8_t *rows[MASKS];
        double losses[MASKS], gradient[TABLE];
        lop_policy_weights weights;
        const double batch = batches * (policy_draw(&seed) - 0.5);
        for (uint32_t j = 0; j < MASKS; j++) {
            lop_policy_draw(&l->chance, step, j, l->s, TABLE, keep[j]);
            losses[j] = table_loss(a, keep[j], batch);
            rows[j] = keep[j];
        }
        assert_true(
            lop_policy_weigh(&memory, l->baseline, 0.2, l->chance.antithetic, losses, MASKS, &weights));
        const lop_policy_step at = {&l->chance, &weights, rows, MASKS};
        lop_policy_gradient(&at, l->s, 0, TABLE, gradient);
        lop_policy_move(l->s, gradient, 0, TABLE, lop_policy_rate(l->rate, step, STEPS));
        lop_policy_project(l->s, &run, &budget, false, &v);
    }
}

/* The best half are the last hundred. How many of the hundred likeliest are among them. */
static int recovered(const learner *l)
{
    int found = 0;
    for (int i = TABLE / 2; i < TABLE; i++) {
        int likelier = 0;
        for (int k = 0; k < TABLE; k++) likelier += l->s[k] > l->s[i] || (l->s[k] == l->s[i] && k < i);
        found += likelier < TABLE / 2;
    }
    return found;
}

/* A rate at which the gap of neighbours' worth adds up to a probability over all steps: the gradient is a_i sqrt(s (1 - s)). */
static void learns_a_table(void **state)
{
    (void)state;
    static double a[TABLE];
    static learner l;
    for (int i = 0; i < TABLE; i++) a[i] = (i < TABLE / 2 ? 0.01 : 0.03) + 1e-5 * i;
    for (int way = 0; way < 4; way++) {
        l = (learner){.chance = {.seed = 5, .antithetic = way == 2},
                      .baseline = way == 3 ? LOP_POLICY_MOVING : LOP_POLICY_MIXED,
                      .rate = 0.1};
        if (way == 1) l.chance.floor = LOP_POLICY_ONE / 1000;
        for (int i = 0; i < TABLE; i++) l.s[i] = LOP_POLICY_ONE / 2;
        learn(&l, a, 0.5);
        const int found = recovered(&l);
        print_message("way %d: %d of %d\n", way, found, TABLE / 2);
        if (way != 3) assert_true(found >= 95);
        if (way == 3) assert_true(found > TABLE / 4); /* better than chance: it goes the right way */
    }
}

/* A unit that is at 0 is never seen again, and with a floor it is. */
static void sure_units_return(void **state)
{
    (void)state;
    static double a[TABLE];
    static learner l;
    for (int i = 0; i < TABLE; i++) a[i] = i < TABLE / 2 ? 0.01 : 0.03;
    for (int floor = 0; floor < 2; floor++) {
        l = (learner){.chance = {.seed = 5, .floor = floor ? LOP_POLICY_ONE / 100 : 0},
                      .baseline = LOP_POLICY_MIXED,
                      .rate = 0.1};
        for (int i = 0; i < TABLE; i++) l.s[i] = i == TABLE - 1 ? 0 : LOP_POLICY_ONE / 2;
        learn(&l, a, 0.1);
        assert_true(floor ? l.s[TABLE - 1] > 0 : l.s[TABLE - 1] == 0);
    }
}

/* ---- replay */

enum { REPLAY_UNITS = 4096 + 16, REPLAY_STEPS = 15000, REPLAY_MASKS = 2 };

/* Probabilities, after recorded losses were met again, and a digest of every mask on the way. The units go in parts. */
static void replay(const float *losses, int parts, char digest[LOP_SHA256_TEXT])
{
    static int32_t s[REPLAY_UNITS];
    static double gradient[REPLAY_UNITS];
    static uint8_t keep[REPLAY_MASKS][REPLAY_UNITS];
    const lop_policy_chance chance = {.seed = 1234567890123u};
    const lop_policy_run runs[] = {{0, 16, 1}, {16, 4096, 1}};
    const lop_policy_budget budgets[] = {{0, 1, (int64_t)8 * LOP_POLICY_ONE},
                                         {1, 1, (int64_t)2048 * LOP_POLICY_ONE}};
    const uint8_t *rows[] = {keep[0], keep[1]};
    lop_policy_memory memory = {.begun = false};
    lop_sha256 h;
    int64_t v[2] = {0, 0};
    uint64_t seed = 99;
    prune_ok(lop_sha256_open(&h));
    for (int i = 0; i < REPLAY_UNITS; i++) s[i] = policy_fixed(policy_draw(&seed));
    for (int32_t step = 0; step < REPLAY_STEPS; step++) {
        lop_policy_weights weights;
        const lop_policy_step at = {&chance, &weights, rows, REPLAY_MASKS};
        for (uint32_t j = 0; j < REPLAY_MASKS; j++)
            lop_policy_draw(&chance, (uint32_t)step, j, s, REPLAY_UNITS, keep[j]);
        const double here[] = {(double)losses[2 * step], (double)losses[2 * step + 1]};
        (void)lop_policy_weigh(&memory, LOP_POLICY_MIXED, 0.2, false, here, REPLAY_MASKS, &weights);
        for (int p = 0; p < parts; p++) {
            const int32_t first = REPLAY_UNITS / parts * p,
                          end = p + 1 < parts ? REPLAY_UNITS / parts * (p + 1) : REPLAY_UNITS;
            lop_policy_gradient(&at, s, first, end - first, gradient);
            lop_policy_move(s, gradient, first, end - first, lop_policy_rate(0.05, step, REPLAY_STEPS));
        }
        for (int k = 0; k < 2; k++) lop_policy_project(s, runs, &budgets[k], false, &v[k]);
        if (step % 500 == 0) prune_ok(lop_sha256_add(&h, keep, sizeof keep));
    }
    prune_ok(lop_sha256_add(&h, s, sizeof s));
    prune_ok(lop_sha256_text(&h, digest));
    lop_sha256_close(&h);
}

static void recorded_losses(void **state)
{
    (void)state;
    static float losses[REPLAY_STEPS * REPLAY_MASKS];
    char once[LOP_SHA256_TEXT], parts[LOP_SHA256_TEXT];
    uint64_t seed = 31;
    for (int i = 0; i < REPLAY_STEPS * REPLAY_MASKS; i++) losses[i] = (float)(2.5 + 0.3 * policy_draw(&seed));
    losses[777] = NAN;
    replay(losses, 1, once);
    replay(losses, 7, parts);
    assert_string_equal(once, parts);
    assert_string_equal(once, "6a4fd83cb4a27a1757dec81b0d2c7ea08b1cb1684078c09e780d62855d1916a6");
}

/* ---- whole units at the end */

typedef struct made_units {
    lop_units u;
    bool there[1][LOP_UNIT_KINDS];
    int64_t chosen[1];
    bool settled[1];
} made_units;

static const lop_units_method made_method = {.by_kind = true};

/* One block of as many heads and channels as all of a model's; a head is worth `head` channels. */
static void made_open(made_units *m, int32_t heads, int32_t channels, int64_t head, double removed,
                      bool exact)
{
    const int64_t n = heads + channels;
    *m = (made_units){.there = {{heads > 0, channels > 0}}, .chosen = {heads * head + channels}};
    m->u = (lop_units){.method = &made_method,
                       .rule = {.kinds = {true, true}, .by_kind = true},
                       .target = {.ratio = removed, .exact = exact},
                       .shape = {{heads, 1, 1, head}, {channels, 1, 1, 1}},
                       .blocks = 1,
                       .each = (int32_t)n,
                       .there = m->there,
                       .chosen = m->chosen,
                       .settled = m->settled,
                       .score = calloc((size_t)n, sizeof(double)),
                       .keep = malloc((size_t)n)};
    assert_true(m->u.score != NULL && m->u.keep != NULL);
    memset(m->u.keep, 1, (size_t)n);
}

static int made_kept(const made_units *m, int32_t first, int32_t count)
{
    int kept = 0;
    for (int32_t i = first; i < first + count; i++) kept += m->u.keep[i];
    return kept;
}

static void made_close(made_units *m)
{
    free(m->u.keep);
    free(m->u.score);
}

static void top_of_ties(void **state)
{
    (void)state;
    made_units m;
    static double second[100];
    made_open(&m, 0, 100, 1, 0.5, true);
    for (int i = 0; i < 49; i++) m.u.score[i] = 1.0;
    prune_ok(lop_units_settle(&m.u, 0, 1));
    assert_int_equal(made_kept(&m, 0, 100), 50);
    assert_int_equal(made_kept(&m, 0, 50), 50); /* of equal ones the first */
    memset(m.u.keep, 1, 100);
    for (int i = 0; i < 100; i++) second[i] = i;
    m.u.second = second;
    prune_ok(lop_units_settle(&m.u, 0, 1));
    assert_int_equal(made_kept(&m, 0, 49), 49);
    assert_int_equal(m.u.keep[99], 1); /* of equal ones the one whose first metric was larger */
    made_close(&m);
}

static void counts_of_models(void **state)
{
    (void)state;
    static const struct {
        int32_t units;
        double removed;
        int kept;
    } cases[] = {{1024, .3, 717},      {1024, .4, 615},      {1024, .5, 512}, {352256, .3, 246580},
                 {352256, .4, 211354}, {352256, .5, 176128}, {256, .3, 180},  {458752, .3, 321127}};
    uint64_t seed = 2;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        made_units m;
        made_open(&m, 0, cases[c].units, 1, cases[c].removed, true);
        for (int32_t i = 0; i < cases[c].units; i++) m.u.score[i] = policy_draw(&seed);
        prune_ok(lop_units_settle(&m.u, 0, 1));
        assert_int_equal(made_kept(&m, 0, cases[c].units), cases[c].kept);
        made_close(&m);
    }
    made_units m; /* LLaMA-7B: what heads are too large for goes to channels, or to nobody */
    for (int exact = 0; exact < 2; exact++) {
        made_open(&m, 1024, 352256, 170, .3, exact != 0);
        for (int32_t i = 0; i < m.u.each; i++) m.u.score[i] = policy_draw(&seed);
        prune_ok(lop_units_settle(&m.u, 0, 1));
        assert_int_equal(made_kept(&m, 0, 1024), 717);
        const int gone = 352256 - made_kept(&m, 1024, 352256);
        assert_int_equal(gone, exact ? (int)(.3 * (1024 * 170 + 352256)) - 307 * 170 : 105676);
        made_close(&m);
    }
}

int test_prune_policy(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_of_counters),   cmocka_unit_test(masks_of_devices),
        cmocka_unit_test(first_probabilities), cmocka_unit_test(learns_a_table),
        cmocka_unit_test(sure_units_return),   cmocka_unit_test(recorded_losses),
        cmocka_unit_test(top_of_ties),         cmocka_unit_test(counts_of_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
