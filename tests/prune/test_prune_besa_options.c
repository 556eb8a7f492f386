/* test_prune_besa_options.c - BESA's options: what is refused, and that each does what it says, by the errors and sparsities of
 * the steps of a trained block, held against the learner in double precision. */
#include "core/base/file.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/ref/ref_besa_block.h"
#include "tests/ref/ref_load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is refused */

static void wrong_settings(void **state)
{
    (void)state;
    static const struct {
        lop_setting one, two;
        const char *words;
    } cases[] = {
        {{"granularity", "column"}, {0}, "expected row, layer, or rows:N with N >= 1"},
        {{"granularity", ""}, {0}, "granularity is \"\""},
        {{"granularity", "rows"}, {0}, "granularity is \"rows\""},
        {{"granularity", "rows:"}, {0}, "rows:N"},
        {{"granularity", "rows:0"}, {0}, "rows:N"},
        {{"granularity", "rows:-3"}, {0}, "rows:N"},
        {{"granularity", "rows:2x"}, {0}, "rows:N"},
        {{"granularity", "rows:99999999999"}, {0}, "rows:N"},
        {{"simplex", "sigmoid"},
         {"sparsity-ratio", "0.7"},
         "sparsity 0.7 is out of the reach of --simplex sigmoid"},
        {{"simplex", "sigmoid"}, {"sparsity-ratio", "0.3"}, "give --simplex tilted"},
        {{"sparsity-type", "2:4"}, {0}, "2:4 fixes"},
        {{"step-windows", "3"}, {"forward-batch", "4"}, "steps of 3 windows do not divide forward-batch 4"},
        {{"candidates", "1"}, {0}, "candidates"},
        {{"candidates", "256"}, {0}, "candidates"},
        {{"mask-rule", "half"}, {0}, "mask-rule"},
        {{"optimizer", "sgd"}, {0}, "optimizer"},
        {{"d-coef", "0"}, {0}, "d-coef"},
        {{"target", "dense"}, {0}, "target"},
        {{"sparsity-beta", "5"}, {0}, "give --sparsity-pull penalty too"},
        {{"sparsity-pull", "penalty"}, {"price-width", "0.02"}, "price-width is of the price"},
        {{"damping", "0.1"}, {0}, "give --rank-by sparsegpt too"},
        {{"optimizer", "adamw"}, {"d-coef", "5"}, "d-coef is of Prodigy"},
        {{"quantize-rate", "0.1"}, {0}, "give --quantize-bits too"},
        {{"nsamples", "1000000"}, {"epochs", "10000"}, "10000000000 steps are more"},
    };
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 1});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = NULL;
        const bool ratio = strcmp(cases[i].one.name, "sparsity-type") != 0 &&
                           (cases[i].two.name == NULL || strcmp(cases[i].two.name, "sparsity-ratio") != 0);
        const lop_setting how[] = {cases[i].one,
                                   ratio ? (lop_setting){"sparsity-ratio", "0.5"} : cases[i].two,
                                   ratio ? cases[i].two : (lop_setting){0},
                                   {NULL, NULL}};
        const prune_try t = bench_try(&b, "besa", how);
        prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, cases[i].words);
        assert_null(text);
        assert_false(lop_path_is_folder(b.save));
    }
    bench_close(&b);
}

/* The sigmoid reaches its bounds; what it cannot reach by a hair is refused. */
static void sigmoid_reach(void **state)
{
    (void)state;
    static const char *const inside[] = {"0.42", "0.58"}, *const outside[] = {"0.415", "0.585"};
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 1});
    for (int i = 0; i < 2; i++) {
        char *text = NULL;
        const lop_setting how[] = {{"simplex", "sigmoid"}, {"sparsity-ratio", inside[i]}, {NULL, NULL}};
        prune_try t = bench_try(&b, "besa", how);
        json_decref(prune_report(&t));
        prune_ok(lop_folder_remove(b.save));
        const lop_setting beyond[] = {{"simplex", "sigmoid"}, {"sparsity-ratio", outside[i]}, {NULL, NULL}};
        t = bench_try(&b, "besa", beyond);
        prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, "begins between");
    }
    bench_close(&b);
}

/* Steps are counted in 32 bits, two losses each. */
static void steps_most(void **state)
{
    (void)state;
    static const struct {
        const char *windows, *epochs, *each, *ratio;
        bool few;
    } cases[] = {
        {"1000000", "1073", "1", "0.5", true},   {"1000000", "1074", "1", "0.5", false},
        {"1000000", "2148", "2", "0.5", false},  {"1000000", "10000", "1", "0.5", false},
        {"1000000", "10000", "10", "0.5", true}, {"999991", "10000", "10", "0.5", true},
        {"1000000", "10000", "9", "0.5", false}, {"1000000", "10000", "4096", "0.5", true},
        {"1000000", "10000", "1", "0", true},    {"214748", "5000", "1", "0.5", true},
        {"214749", "5000", "1", "0.5", false},
    };
    const lop_method *besa = lop_method_find("besa");
    lop_option_set set;
    lop_prune_option_set(besa, &set);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_setting how[] = {
            {"nsamples", cases[i].windows}, {"epochs", cases[i].epochs}, {"step-windows", cases[i].each}};
        const lop_target target = {.ratio = strtod(cases[i].ratio, NULL)};
        lop_need need = {.span = 0};
        lop_settings settings;
        prune_ok(lop_settings_open(&set, how, 3, &settings));
        const lop_status status = besa->ask(&settings, &target, NULL, &need);
        if (cases[i].few)
            prune_ok(status);
        else
            prune_fails(status, LOP_E_ARGUMENT, "lower --nsamples or --epochs, or raise --step-windows");
        lop_settings_close(&settings);
    }
}

/* ---- steps beside the reference */

enum { WINDOWS = 12, TOKENS = 64, STEPS_MOST = 64 };

/* One block of the trained model learned both ways. */
typedef struct steps_case {
    const char *name;
    lop_setting how[5];
    ref_besa_options options; /* what is 0 takes the usual */
    bool usual;               /* nothing is changed */
} steps_case;

typedef struct steps_rig {
    char scratch[64], ids[96], save[96];
    ref_loaded reference;
    double *x; /* (windows, T, hidden) */
} steps_rig;

static const char tiny[] = LOP_SOURCE_DIR "/tests/data/tiny-llama";

static void rig_open(steps_rig *r)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    scratch_open(r->scratch);
    (void)snprintf(r->ids, sizeof r->ids, "%s/ids.i32", r->scratch);
    (void)snprintf(r->save, sizeof r->save, "%s/out", r->scratch);
    prune_ok(ref_load(tiny, &r->reference));
    const ref_model *m = &r->reference.model;
    prune_ok(
        ref_load_ids(LOP_SOURCE_DIR "/tests/golden/tiny-llama/calib_32x256.i32", m->vocab, &ids, &count));
    assert_true(count >= WINDOWS * TOKENS);
    ids_write(r->ids, ids, WINDOWS * TOKENS);
    r->x = ref_doubles((int64_t)WINDOWS * TOKENS * m->hidden);
    ref_embed(m, WINDOWS * TOKENS, ids, r->x);
    free(ids);
}

static void rig_close(steps_rig *r)
{
    free(r->x);
    ref_load_close(&r->reference);
    scratch_close(r->scratch);
}

static int reference_steps(const steps_rig *r, ref_besa_options o, ref_besa_step *log)
{
    const ref_besa_data data = {WINDOWS, TOKENS, r->x, NULL};
    ref_besa b;
    if (o.buckets == 0) o.buckets = 100;
    if (o.target == 0.0) o.target = 0.5;
    if (o.penalty == 0.0 && o.width == 0.0) o.width = 0.02f;
    if (o.lr == 0.0) o.lr = 1.0;
    if (o.d_coef == 0.0) o.d_coef = 5.0;
    if (o.epochs == 0) o.epochs = 1;
    if (o.batch == 0) o.batch = 1;
    o.float_sparsity = true;
    ref_besa_open(&b, &o, &r->reference.model, 0, &data);
    const int steps = ref_besa_steps(&b);
    assert_true(steps <= STEPS_MOST);
    ref_besa_learn(&b, log);
    ref_besa_close(&b);
    return steps;
}

static int library_steps(const steps_rig *r, const steps_case *c, ref_besa_step *log)
{
    prune_try t = {.model = tiny,
                   .method = "besa",
                   .save = r->save,
                   .settings = {{"calib", r->ids},
                                {"nsamples", "12"},
                                {"seqlen", "64"},
                                {"layers", "0:1"},
                                {"exact-budget", "off"},
                                {"force", "on"}}};
    int count = 6;
    bool ratio = false;
    for (int i = 0; c->how[i].name != NULL; i++) {
        ratio = ratio || strcmp(c->how[i].name, "sparsity-ratio") == 0;
        t.settings[count++] = c->how[i];
    }
    if (!ratio) t.settings[count] = (lop_setting){"sparsity-ratio", "0.5"};
    json_t *report = prune_report(&t);
    const json_t *block = json_array_get(json_object_get(report, "blocks"), 0);
    const json_t *steps = json_object_get(json_object_get(block, "learn"), "steps");
    const int n = (int)json_array_size(steps);
    assert_true(n <= STEPS_MOST);
    for (int i = 0; i < n; i++) {
        const json_t *pair = json_array_get(steps, (size_t)i);
        log[i] = (ref_besa_step){json_number_value(json_array_get(pair, 0)),
                                 json_number_value(json_array_get(pair, 1))};
    }
    json_decref(report);
    return n;
}

/* Relative errors and plain sparsities, the worst of all steps. */
static ref_besa_step furthest(const ref_besa_step *a, const ref_besa_step *b, int steps)
{
    ref_besa_step worst = {0.0, 0.0};
    for (int i = 0; i < steps; i++) {
        const double error = fabs(a[i].error / b[i].error - 1.0), off = fabs(a[i].sparsity - b[i].sparsity);
        if (!(error <= worst.error)) worst.error = error;
        if (!(off <= worst.sparsity)) worst.sparsity = off;
    }
    return worst;
}

/* Every option against the reference with the same one, and, so that it is seen to do something, against the usual. */
static const steps_case cases[] = {
    {.name = "usual", .usual = true, .options = {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID}},
    {"layer",
     {{"granularity", "layer"}, {"d-coef", "5"}},
     {.group_rows = 0, .map = REF_SOFTMAX_SIGMOID},
     false},
    {"rows:5", {{"granularity", "rows:5"}}, {.group_rows = 5, .map = REF_SOFTMAX_SIGMOID}, false},
    {"d-coef 50", {{"d-coef", "50"}}, {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .d_coef = 50.0}, false},
    {"learning-rate 0.5", {{"lr", "0.5"}}, {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .lr = 0.5}, false},
    {"cosine",
     {{"schedule", "cosine"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .cosine = true},
     false},
    {"adamw",
     {{"optimizer", "adamw"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .optimizer = REF_ADAMW, .lr = 0.01f},
     false},
    {"adamw 0.25, cosine",
     {{"optimizer", "adamw"}, {"schedule", "cosine"}, {"learning-rate", "0.25"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .optimizer = REF_ADAMW, .lr = 0.25, .cosine = true},
     false},
    {"softmax", {{"simplex", "softmax"}}, {.group_rows = 1, .map = REF_SOFTMAX}, false},
    {"softmax, 70 %",
     {{"simplex", "softmax"}, {"sparsity-ratio", "0.7"}},
     {.group_rows = 1, .map = REF_SOFTMAX, .at_target = true, .target = 0.7},
     false},
    {"70 %", {{"sparsity-ratio", "0.7"}}, {.group_rows = 1, .map = REF_SOFTMAX_TILTED, .target = 0.7}, false},
    {"30 %", {{"sparsity-ratio", "0.3"}}, {.group_rows = 1, .map = REF_SOFTMAX_TILTED, .target = 0.3}, false},
    {"tilted, 60 %, layer, threshold",
     {{"simplex", "tilted"}, {"sparsity-ratio", "0.6"}, {"granularity", "layer"}, {"mask-rule", "threshold"}},
     {.group_rows = 0, .map = REF_SOFTMAX_TILTED, .mask = REF_MASK_THRESHOLD, .target = 0.6, .d_coef = 0.05},
     false},
    {"tilted", {{"simplex", "tilted"}}, {.group_rows = 1, .map = REF_SOFTMAX_TILTED}, false},
    {"threshold",
     {{"mask-rule", "threshold"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .mask = REF_MASK_THRESHOLD},
     false},
    {"loss channel-all",
     {{"loss", "channel-all"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .loss = REF_LOSS_ALL},
     false},
    {"loss frobenius",
     {{"loss", "frobenius"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .loss = REF_LOSS_FROBENIUS},
     false},
    {"candidates 20",
     {{"candidates", "20"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .buckets = 20},
     false},
    {"rank-by magnitude",
     {{"rank-by", "magnitude"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .magnitude = true},
     false},
    {"price-width 0.0001",
     {{"price-width", "0.0001"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .width = 0.0001f},
     false},
    {"penalty",
     {{"sparsity-pull", "penalty"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .penalty = 5.0},
     false},
    {"sparsity-beta 1",
     {{"sparsity-pull", "penalty"}, {"sparsity-beta", "1"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .penalty = 1.0},
     false},
    {"two blocks",
     {{"unit", "two-blocks"}, {"layers", "0:2"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .span = 2},
     false},
    {"two windows, three times",
     {{"step-windows", "2"}, {"epochs", "3"}},
     {.group_rows = 1, .map = REF_SOFTMAX_SIGMOID, .batch = 2, .epochs = 3},
     false},
};

static bool case_check(const steps_rig *r, const steps_case *c, const ref_besa_step *usual)
{
    ref_besa_step want[STEPS_MOST], got[STEPS_MOST];
    const int steps = reference_steps(r, c->options, want);
    assert_int_equal(library_steps(r, c, got), steps);
    const ref_besa_step off = furthest(got, want, steps);
    const ref_besa_step moves = furthest(got, usual, steps < WINDOWS ? steps : WINDOWS);
    print_message("%-26s errors off by %.1e, sparsities by %.1e; other than usual by %.1e, %.1e\n", c->name,
                  off.error, off.sparsity, moves.error, moves.sparsity);
    return off.error <= 1e-4 && off.sparsity <= 1e-5 &&
           (c->usual || fmax(moves.error, 10.0 * moves.sparsity) > 1e-3);
}

static void steps_beside_the_reference(void **state)
{
    (void)state;
    steps_rig r;
    ref_besa_step usual[STEPS_MOST];
    bool good = true;
    rig_open(&r);
    (void)reference_steps(&r, cases[0].options, usual);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        good = case_check(&r, &cases[i], usual) && good;
    rig_close(&r);
    assert_true(good);
}

int test_prune_besa_options(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_settings),
        cmocka_unit_test(sigmoid_reach),
        cmocka_unit_test(steps_most),
        cmocka_unit_test(steps_beside_the_reference),
    };
    return cmocka_run_group_tests_name("besa options", tests, NULL, NULL);
}
