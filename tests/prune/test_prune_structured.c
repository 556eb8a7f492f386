/* test_prune_structured.c - heads and channels that go as wholes: which, against a reference in double precision that scores
 * and chooses by itself; every weight and bias of what is gone; budgets met as far as units reach, and refused beyond; the
 * pruned model computes what the reference's does; stopped runs and verify. */
#include "core/base/memory.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/pruned_model.h"
#include "tests/ref/ref_load.h"
#include "tests/ref/ref_units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const made_shape grouped = {.blocks = 3, .ffn = 88},
                        plain = {.blocks = 3, .kv_heads = 4, .head_dim = 8},
                        opt = {.blocks = 3, .family = "opt", .kv_heads = 4, .head_dim = 16},
                        biased = {.blocks = 2, .family = "qwen2"};

/* ---- which units go */

/* Whether unit `unit` of a half is kept in all its linears, or gone from all: anything else fails. */
static bool unit_kept(const pruned_model *p, int32_t block, int kind, int32_t unit, uint8_t *const keep[])
{
    const lop_config *c = p->net.config;
    int kept = -1;
    for (int l = 0; l < LOP_LINEAR_COUNT; l++) {
        const lop_linear_file *file = &p->net.blocks[block].linear[l];
        if ((l > LOP_LINEAR_O) != kind || file->weight == NULL) continue;
        const int32_t side = kind == 1                                ? 1
                             : l == LOP_LINEAR_K || l == LOP_LINEAR_V ? c->head_dim
                                                                      : c->heads / c->kv_heads * c->head_dim;
        const bool rows = l != LOP_LINEAR_O && l != LOP_LINEAR_DOWN;
        for (int32_t i = unit * side; i < (unit + 1) * side; i++)
            for (int32_t other = 0; other < (rows ? file->in : file->out); other++) {
                const int bit = keep[l][rows ? (int64_t)i * file->in + other : (int64_t)other * file->in + i];
                if (kept >= 0 && kept != bit) fail_msg("unit %d of block %d is not whole", unit, block);
                kept = bit;
            }
    }
    return kept == 1;
}

/* keep[unit] of a block, heads first, from the masks. */
static void units_read(const pruned_model *p, int32_t block, uint8_t *out)
{
    uint8_t *keep[LOP_LINEAR_COUNT] = {NULL};
    int32_t rows, cols;
    for (int l = 0; l < LOP_LINEAR_COUNT; l++)
        if (p->net.blocks[block].linear[l].weight != NULL) keep[l] = pruned_keep(p, block, l, &rows, &cols);
    for (int32_t u = 0; u < p->net.config->kv_heads; u++) *out++ = unit_kept(p, block, 0, u, keep);
    for (int32_t u = 0; u < p->net.config->ffn; u++) *out++ = unit_kept(p, block, 1, u, keep);
    for (int l = 0; l < LOP_LINEAR_COUNT; l++) free(keep[l]);
}

/* The written model against the reference's, by the mean loss on the calibration ids. */
static void same_losses(const prune_bench *b, const ref_model *want)
{
    ref_loaded have = {0};
    prune_ok(ref_load(b->save, &have));
    const double loss = ref_nll(&have.model, 2, BENCH_SEQLEN, b->id),
                 expected = ref_nll(want, 2, BENCH_SEQLEN, b->id);
    if (!(fabs(loss - expected) < 1e-5)) fail_msg("loss %.9g, expected %.9g", loss, expected);
    ref_load_close(&have);
}

/* Biases, as they are written, against the reference's. */
static void same_biases(const pruned_model *p, const ref_model *want)
{
    for (int32_t block = 0; block < p->net.config->blocks; block++)
        for (int l = 0; l < LOP_LINEAR_COUNT; l++) {
            const lop_linear_file *file = &p->net.blocks[block].linear[l];
            if (file->weight == NULL || file->bias == NULL) continue;
            float *bias = malloc((size_t)file->out * sizeof *bias);
            assert_non_null(bias);
            prune_ok(lop_checkpoint_read(p->file, file->bias, 0, file->out, LOP_DTYPE_F32, bias));
            for (int32_t i = 0; i < file->out; i++) {
                const double expected = want->block[block].linear[l].bias[i];
                if (!(fabs((double)bias[i] - expected) <= 2e-6 * (1.0 + fabs(expected))))
                    fail_msg("bias %d of linear %d of block %d: %.9g, expected %.9g", i, l, block,
                             (double)bias[i], expected);
            }
            free(bias);
        }
}

static void model_check(const prune_bench *b, const ref_units_rule *rule)
{
    ref_loaded reference = {0};
    pruned_model p;
    int wrong = 0;
    prune_ok(ref_load(b->model.folder, &reference));
    pruned_open(&p, b->save);
    const int32_t each = p.net.config->kv_heads + p.net.config->ffn, blocks = p.net.config->blocks;
    uint8_t *want = malloc((size_t)(blocks * each)), *have = malloc((size_t)each);
    assert_true(want != NULL && have != NULL);
    ref_units_prune(&reference.model, rule, BENCH_WINDOWS, BENCH_SEQLEN, b->id, want);
    for (int32_t block = 0; block < blocks; block++) {
        units_read(&p, block, have);
        for (int32_t u = 0; u < each; u++) wrong += have[u] != want[block * each + u];
    }
    assert_int_equal(wrong, 0);
    same_biases(&p, &reference.model);
    same_losses(b, &reference.model);
    free(have);
    free(want);
    pruned_close(&p);
    ref_load_close(&reference);
}

typedef struct structured {
    const made_shape *shape;
    const char *method;
    lop_setting more[4];
    ref_units_rule rule;
} structured;

/* What is gone fits, and the least unit more would not. */
static void budget_check(const prune_bench *b, const json_t *report, const ref_units_rule *rule)
{
    pruned_model p;
    pruned_open(&p, b->save);
    const double all = json_at(report, "sparsity.prunable_weights"),
                 dropped = json_at(report, "sparsity.dropped");
    const bool gate = p.net.blocks[0].linear[LOP_LINEAR_GATE].weight != NULL;
    const double channel = (gate ? 3.0 : 2.0) * p.net.config->hidden;
    const double groups = rule->by_block ? p.net.config->blocks : 1.0;
    assert_true(dropped <= rule->ratio * all + 1e-6);
    assert_true(dropped > rule->ratio * all - groups * channel);
    assert_true(json_at(report, "sparsity.zeros") == dropped);
    pruned_close(&p);
}

static void case_run(const structured *s)
{
    static const lop_setting none[] = {{NULL, NULL}};
    prune_bench b;
    char ratio[24], *result = NULL;
    (void)snprintf(ratio, sizeof ratio, "%g", s->rule.ratio);
    const lop_setting how[] = {
        {"sparsity-ratio", ratio}, s->more[0], s->more[1], s->more[2], s->more[3], {NULL, NULL}};
    bench_open(&b, *s->shape);
    const prune_try t = bench_try(&b, s->method, how);
    json_t *report = prune_report(&t);
    model_check(&b, &s->rule);
    budget_check(&b, report, &s->rule);
    const lop_setting against[] = {{"against", b.model.folder}, {NULL, NULL}};
    prune_ok(verify_do(b.save, none, &result));
    lop_free(result);
    prune_ok(verify_do(b.save, against, &result));
    lop_free(result);
    json_decref(report);
    bench_close(&b);
}

static void against_the_reference(void **state)
{
    (void)state;
    static const structured cases[] = {
        {&grouped, "magnitude-sp", {{NULL, NULL}}, {REF_UNIT_LENGTH, 1, 1, 1, 1, 0, 0, 0, 1, 0.3}},
        {&plain, "wanda-sp", {{NULL, NULL}}, {REF_UNIT_WANDA, 1, 1, 1, 1, 0, 0, 0, 1, 0.4}},
        {&opt, "flap", {{NULL, NULL}}, {REF_UNIT_FLUCTUATION, 1, 1, 0, 0, 0, 0, 0, 1, 0.3}},
        {&biased, "wanda-sp", {{"scope", "model"}}, {REF_UNIT_WANDA, 1, 1, 0, 1, 0, 0, 0, 1, 0.35}},
        {&grouped,
         "flap",
         {{"min-heads", "1"}, {"min-channels", "20"}},
         {REF_UNIT_FLUCTUATION, 1, 1, 0, 0, 0, 0, 1, 20, 0.5}},
        {&opt,
         "flap",
         {{"scope", "block"}, {"budget", "kind"}},
         {REF_UNIT_FLUCTUATION, 1, 1, 1, 1, 0, 0, 0, 1, 0.5}},
        {&grouped,
         "magnitude-sp",
         {{"scope", "model"}, {"budget", "one"}, {"standardize", "off"}},
         {REF_UNIT_LENGTH, 1, 1, 0, 0, 1, 0, 0, 1, 0.25}},
        {&plain,
         "wanda-sp",
         {{"propagate", "dense"}, {"budget", "one"}},
         {REF_UNIT_WANDA, 1, 1, 1, 0, 0, 1, 0, 1, 0.3}},
        {&plain,
         "wanda-sp",
         {{"scope", "model"}, {"min-channels", "0"}},
         {REF_UNIT_WANDA, 1, 1, 0, 1, 0, 0, 0, 0, 0.95}}, /* more than channels give by themselves */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) case_run(&cases[i]);
}

/* ---- what is left out */

/* Of a half whose units may not go nothing does, the report says why, and the ratio counts its weights all the same. */
static void one_kind(void **state)
{
    (void)state;
    static const struct {
        lop_setting how;
        const char *reason;
        int kind; /* that stays */
    } cases[] = {{{"units", "channels"}, "--units leaves heads", 0},
                 {{"units", "heads"}, "--units leaves channels", 1},
                 {{"skip", "re:o_proj"}, "its heads have weights in model.layers.0.self_attn.o_proj", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prune_bench b;
        const lop_setting how[] = {{"sparsity-ratio", "0.2"}, cases[i].how, {NULL, NULL}};
        bench_open(&b, grouped);
        const prune_try t = bench_try(&b, "wanda-sp", how);
        json_t *report = prune_report(&t);
        const json_t *block = json_array_get(json_object_get(report, "blocks"), 0);
        const json_t *units = json_object_get(block, "units");
        const char *stays = cases[i].kind == 0 ? "heads" : "channels";
        assert_true(json_at(json_object_get(units, stays), "kept") ==
                    json_at(json_object_get(units, stays), "of"));
        bool said = false;
        size_t k;
        json_t *line;
        json_array_foreach(json_object_get(report, "skipped"), k, line) said =
            said || strstr(json_string_value(json_object_get(line, "reason")), cases[i].reason) != NULL;
        assert_true(said);
        assert_true(json_at(report, "sparsity.dropped") <=
                    0.2 * json_at(report, "sparsity.prunable_weights"));
        json_decref(report);
        bench_close(&b);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        lop_setting one, two;
        const char *words;
    } cases[] = {{{"sparsity-ratio", "0.9"}, {"units", "channels"}, "units can give 0.5"},
                 {{"sparsity-ratio", "0.9999"}, {"scope", "model"}, "units can give 0.99"},
                 {{"sparsity-ratio", "0.5"}, {"min-channels", "80"}, "units can give 0."},
                 {{"sparsity-ratio", "0.2"}, {"units", "layers"}, "not in this version"},
                 {{"sparsity-ratio", "0.2"}, {"units", "rows"}, "expected channels, heads"},
                 {{"sparsity-ratio", "0.2"}, {"units", ""}, "units"},
                 {{"sparsity-ratio", "0.2"}, {"export", "uniform"}, "export"},
                 {{"sparsity-ratio", "0.2"}, {"only", "re:q_proj"}, "leave no unit"},
                 {{"sparsity-type", "2:4"}, {NULL, NULL}, "pattern 2:4"}};
    prune_bench b;
    bench_open(&b, grouped);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_setting how[] = {cases[i].one, cases[i].two, {NULL, NULL}};
        char *text = NULL;
        const prune_try t = bench_try(&b, "wanda-sp", how);
        prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, cases[i].words);
    }
    bench_close(&b);
}

/* The largest ratio of a refusal is taken. */
static void largest_is_taken(void **state)
{
    (void)state;
    static const char words[] = "units can give ";
    static const lop_setting most[] = {{"sparsity-ratio", "0.9999"}, {"scope", "model"}, {NULL, NULL}};
    prune_bench b;
    char *text = NULL, ratio[9];
    bench_open(&b, grouped);
    prune_try t = bench_try(&b, "flap", most);
    prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, words);
    (void)snprintf(ratio, sizeof ratio, "%s", strstr(lop_error(), words) + sizeof words - 1);
    const lop_setting how[] = {{"sparsity-ratio", ratio}, {"scope", "model"}, {NULL, NULL}};
    t = bench_try(&b, "flap", how);
    json_t *report = prune_report(&t);
    for (size_t i = 0; i < 3; i++) {
        const json_t *block = json_array_get(json_object_get(report, "blocks"), i);
        assert_true(json_at(block, "units.heads.kept") == 0.0);
        assert_true(json_at(block, "units.channels.kept") >= 1.0);
    }
    json_decref(report);
    bench_close(&b);
}

/* ---- the same run */

typedef struct watcher {
    lop_log log;
    int computed, stop_at;
} watcher;

static void watch(const lop_event *event, void *user)
{
    watcher *w = user;
    w->computed += strstr(event->json, "\"state\":\"computed\"") != NULL;
    if (w->computed == w->stop_at) atomic_store(&w->log.stop, true);
}

static void stopped(void **state)
{
    (void)state;
    static const struct {
        const made_shape shape;
        const char *method;
        lop_setting more;
    } cases[] = {
        {{.blocks = 4, .family = "opt", .kv_heads = 4, .dtype = LOP_DTYPE_F16}, "flap", {"losses", "on"}},
        {{.blocks = 4, .dtype = LOP_DTYPE_BF16}, "wanda-sp", {"scope", "model"}},
        {{.blocks = 4, .family = "qwen2", .dtype = LOP_DTYPE_BF16}, "wanda-sp", {"dtype", "f32"}},
        {{.blocks = 4, .family = "opt", .kv_heads = 4}, "flap", {"losses", "off"}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prune_bench b;
        char *text = NULL;
        const lop_setting how[] = {{"sparsity-ratio", "0.4"}, cases[i].more, {NULL, NULL}};
        const lop_setting again[] = {how[0], how[1], {"resume", "on"}, {NULL, NULL}};
        bench_open(&b, cases[i].shape);
        prune_try t = bench_try(&b, cases[i].method, how);
        t.threads = 1;
        json_decref(prune_report(&t));
        prune_ok(verify_do(b.save, (const lop_setting[]){{NULL, NULL}}, &text));
        lop_free(text);
        watcher w = {.stop_at = 2};
        w.log.fn = watch;
        w.log.user = &w;
        t = bench_try(&b, cases[i].method, again);
        t.save = bench_other(&b, "stopped");
        t.log = &w.log;
        prune_fails(prune_do(&t, &text), LOP_E_STOPPED, "");
        atomic_store(&w.log.stop, false);
        w.stop_at = -1;
        json_decref(prune_report(&t));
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

/* ---- verify */

static json_t *sealed_back(const prune_bench *b, json_t *report)
{
    char *text = NULL;
    size_t size = 0;
    prune_ok(lop_report_seal(report));
    prune_ok(lop_report_text(report, &text, &size));
    prune_ok(lop_file_write_atomic(in_folder(b->save, LOP_REPORT_NAME), text, size));
    lop_free(text);
    return report;
}

/* A report that claims more units, or more of a bias, than the files show. */
static void verify_looks(void **state)
{
    (void)state;
    static const lop_setting how[] = {{"sparsity-ratio", "0.3"}, {NULL, NULL}}, none[] = {{NULL, NULL}};
    prune_bench b;
    char *found = NULL;
    bench_open(&b, opt);
    const prune_try t = bench_try(&b, "flap", how);
    json_t *report = prune_report(&t);
    json_t *block = json_array_get(json_object_get(report, "blocks"), 0);
    json_t *bias = json_array_get(json_object_get(block, "biases"), 4); /* fc1's */
    json_t *channels = json_object_get(json_object_get(block, "units"), "channels");
    const json_int_t dropped = json_integer_value(json_object_get(bias, "dropped"));
    (void)json_object_set_new(bias, "dropped", json_integer(dropped + 1));
    (void)sealed_back(&b, report);
    prune_fails(verify_do(b.save, none, &found), LOP_E_VERIFY, "fc1.bias");
    lop_free(found);
    (void)json_object_set_new(bias, "dropped", json_integer(dropped));
    (void)json_object_set_new(channels, "kept",
                              json_integer(json_integer_value(json_object_get(channels, "kept")) + 1));
    (void)sealed_back(&b, report);
    prune_fails(verify_do(b.save, none, &found), LOP_E_VERIFY, "channels");
    lop_free(found);
    json_decref(report);
    bench_close(&b);
}

/* ---- means and variances */

enum { MOMENT_ROWS = 1500, MOMENT_COLS = 37 };

/* Column c has mean 50 c and deviation 1 / (c + 1): of sums about 0 nothing would be left of the last ones' variances. */
static void moments_fill(float *x)
{
    unsigned seed = 5;
    for (int i = 0; i < MOMENT_ROWS * MOMENT_COLS; i++) {
        const int c = i % MOMENT_COLS;
        seed = seed * 1103515245u + 12345u;
        x[i] = (float)(50.0 * c + (seed / 65536.0 / 32768.0 - 0.5) / (c + 1));
    }
}

static void moments_check(const float *x, const double *mean, const double *variance)
{
    for (int c = 0; c < MOMENT_COLS; c++) {
        double sum = 0.0, squares = 0.0;
        for (int r = 0; r < MOMENT_ROWS; r++) sum += (double)x[r * MOMENT_COLS + c] / MOMENT_ROWS;
        for (int r = 0; r < MOMENT_ROWS; r++) {
            const double d = (double)x[r * MOMENT_COLS + c] - sum;
            squares += d * d / (MOMENT_ROWS - 1);
        }
        assert_true(fabs(mean[c] - sum) <= 2e-7 * (1.0 + fabs(sum)));
        assert_true(fabs(variance[c] / squares - 1.0) <= 1e-3);
    }
}

/* Rows in calls of several sizes; what came before a reset does not count. */
static void moments(void **state)
{
    (void)state;
    static const int32_t calls[] = {1, 300, 256, 943};
    static float x[MOMENT_ROWS * MOMENT_COLS];
    double mean[MOMENT_COLS], variance[MOMENT_COLS];
    lop_device device;
    lop_queue q;
    lop_arena *a = NULL;
    lop_moments m;
    lop_mat all;
    moments_fill(x);
    prune_ok(test_device_open(prune_backend, &device));
    prune_ok(lop_queue_open(&device, &q));
    prune_ok(lop_arena_open(&device, LOP_ON_DEVICE, 0, &a));
    prune_ok(lop_arena_mat(a, MOMENT_ROWS, MOMENT_COLS, LOP_F32, &all));
    prune_ok(lop_moments_place(a, MOMENT_COLS, &m));
    prune_ok(lop_arena_mat(a, LOP_MOMENT_ROWS, MOMENT_COLS, LOP_F32, &m.rows));
    prune_ok(lop_arena_mat(a, 1, MOMENT_COLS, LOP_F32, &m.once));
    prune_ok(lop_upload(&q, x, all));
    for (int round = 0; round < 2; round++) {
        prune_ok(lop_moments_reset(&q, &m));
        for (int32_t i = 0, at = 0; i < 4; at += calls[i++])
            prune_ok(lop_moments_add(&q, &m, lop_mat_rows(all, at, calls[i])));
        prune_ok(lop_moments_end(&q, &m));
    }
    prune_ok(lop_moments_read(&q, &m, MOMENT_ROWS, mean, variance));
    moments_check(x, mean, variance);
    lop_arena_close(a);
    lop_queue_close(&q);
    lop_device_close(&device);
}

int test_prune_structured(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_the_reference),
        cmocka_unit_test(one_kind),
        cmocka_unit_test(refusals),
        cmocka_unit_test(largest_is_taken),
        cmocka_unit_test(stopped),
        cmocka_unit_test(verify_looks),
        cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
