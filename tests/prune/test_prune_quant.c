/* test_prune_quant.c - prunes that put weights on grids: every weight of what is written lies on the grid that the report
 * says, rounded or learned, in all types of files; what resumes; what verify finds; what is refused. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/prune/golden_model.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/pruned_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int32_t group = 16;

/* A linear of what was written, its line in the report, and its source. */
typedef struct linear {
    float *have, *source;
    uint8_t *keep;
    int32_t rows, cols, bits, each;
    const json_t *line, *scale, *zero;
} linear;

static const json_t *line_of(const json_t *report, int32_t block, int at)
{
    const json_t *blocks = json_object_get(report, "blocks");
    return json_array_get(json_object_get(json_array_get(blocks, (size_t)block), "linears"), (size_t)at);
}

static void linear_open(linear *l, const pruned_model *p, const pruned_model *source, const json_t *report,
                        int32_t block, int at)
{
    const lop_linear_file *file = &source->net.blocks[block].linear[at];
    l->have = pruned_weights(p, block, at);
    l->source = malloc((size_t)file->out * (size_t)file->in * sizeof *l->source);
    assert_non_null(l->source);
    prune_ok(lop_checkpoint_read(source->file, file->weight, 0, file->out, LOP_DTYPE_F32, l->source));
    l->keep = pruned_keep(p, block, at, &l->rows, &l->cols);
    l->line = line_of(report, block, at);
    assert_string_equal(json_string_value(json_object_get(l->line, "name")), file->weight->name);
    const json_t *quant = json_object_get(l->line, "quant");
    l->bits = (int32_t)json_at(quant, "bits");
    l->each = (int32_t)json_at(quant, "group");
    if (l->each == 0) l->each = l->cols;
    l->scale = json_object_get(quant, "scale");
    l->zero = json_object_get(quant, "zero");
    assert_int_equal(json_array_size(l->scale), l->rows * (l->cols / l->each));
    assert_int_equal(json_array_size(l->zero), l->rows * (l->cols / l->each));
}

static void linear_close(linear *l)
{
    free(l->keep);
    free(l->source);
    free(l->have);
}

static float rounded(lop_dtype dtype, float x)
{
    float word = 0.0f, out = 0.0f;
    lop_dtype_convert(LOP_DTYPE_F32, &x, dtype, &word, 1);
    lop_dtype_convert(dtype, &word, LOP_DTYPE_F32, &out, 1);
    return out;
}

/* The grid of its dense weights, reaching over part of their range, in double precision; false where rounding in f32 may
 * have gone the other way. */
static void grid_check(const linear *l, int64_t at, const float *row, double part)
{
    double low = 0.0, high = 0.0;
    for (int32_t c = 0; c < l->each; c++) {
        low = fmin(low, (double)row[c]);
        high = fmax(high, (double)row[c]);
    }
    const double most = (double)((1 << l->bits) - 1), scale = fmax(part * (high - low) / most, (double)1e-5f),
                 zero = -part * low / scale;
    const double told = json_real_value(json_array_get(l->scale, (size_t)at)),
                 told_zero = (double)json_integer_value(json_array_get(l->zero, (size_t)at));
    assert_true(fabs(told / scale - 1.0) < 1e-6);
    assert_true(fabs(told_zero - zero) <= 0.5 + 1e-4);
}

/* Every weight is scale (code - zero) in the file's type, kept ones the nearest of them; dropped ones are 0. `part`: of the
 * range that all grids reach over, 0: some are learned. */
static void linear_check(const linear *l, lop_dtype dtype, double part)
{
    const int32_t most = (1 << l->bits) - 1;
    int64_t zeros = 0, dropped = 0;
    for (int64_t i = 0; i < (int64_t)l->rows * l->cols; i++) {
        const int64_t at = i / l->each;
        const float scale = (float)json_real_value(json_array_get(l->scale, (size_t)at));
        const int32_t zero = (int32_t)json_integer_value(json_array_get(l->zero, (size_t)at));
        const int32_t step = (int32_t)nearbyint((double)l->have[i] / (double)scale);
        if (i % l->each == 0 && part > 0.0) grid_check(l, at, l->source + i, part);
        assert_true(step + zero >= 0 && step + zero <= most);
        assert_true(l->have[i] == rounded(dtype, scale * (float)step));
        if (l->keep[i] == 0) assert_true(l->have[i] == 0.0f);
        zeros += l->have[i] == 0.0f;
        dropped += l->keep[i] == 0;
        if (l->keep[i] == 0) continue;
        const double v = (double)l->source[i] / (double)scale;
        const double nearest = fmin(fmax(v, -zero), most - zero);
        assert_true(fabs(nearest - step) <= 0.5 + 1e-3);
    }
    assert_int_equal(json_integer_value(json_object_get(l->line, "zeros")), zeros);
    assert_int_equal(json_integer_value(json_object_get(l->line, "dropped")), dropped);
}

static void folder_check(const char *folder, const char *source, const json_t *report, double part)
{
    pruned_model p;
    pruned_model s = {.masks.file.handle = -1};
    pruned_open(&p, folder);
    prune_ok(lop_checkpoint_open(source, &s.file));
    prune_ok(lop_net_open(s.file, &s.net));
    for (int32_t b = 0; b < p.net.config->blocks; b++)
        for (int at = 0; at < LOP_LINEAR_COUNT; at++) {
            linear l;
            linear_open(&l, &p, &s, report, b, at);
            linear_check(&l, p.net.blocks[b].linear[at].weight->dtype, part);
            linear_close(&l);
        }
    pruned_close(&s);
    pruned_close(&p);
}

static void verify_passes(const char *folder, const char *source)
{
    char *text = NULL;
    const lop_setting with[] = {{"against", source}, {NULL, NULL}};
    const lop_status status = verify_do(folder, with, &text);
    if (status != LOP_OK) fail_msg("%s: %s", lop_error(), text ? text : "");
    lop_free(text);
}

/* Pruned so, all of it lies on grids, and verify says so too. */
static void pruned_check(made_shape shape, const char *method, const lop_setting *how, double part)
{
    prune_bench b;
    bench_open(&b, shape);
    const prune_try t = bench_try(&b, method, how);
    json_t *report = prune_report(&t);
    folder_check(b.save, b.model.folder, report, part);
    verify_passes(b.save, b.model.folder);
    json_decref(report);
    bench_close(&b);
}

static const lop_dtype dtypes[] = {LOP_DTYPE_F32, LOP_DTYPE_F16, LOP_DTYPE_BF16};
static const char *const dtype_names[] = {"f32", "f16", "bf16"};

static void rounded_to_nearest(void **state)
{
    (void)state;
    const lop_setting row[] = {{"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}, {NULL, NULL}};
    const lop_setting groups[] = {
        {"sparsity-type", "2:4"}, {"quantize-bits", "3"}, {"quantize-group", "16"}, {NULL, NULL}};
    const lop_setting whole[] = {{"sparsity-ratio", "0"}, {"quantize-bits", "8"}, {NULL, NULL}};
    for (int d = 0; d < 3; d++) {
        const made_shape shape = {.blocks = 2, .dtype = dtypes[d]};
        pruned_check(shape, "wanda", row, 1.0);
        pruned_check(shape, "magnitude", groups, 1.0);
        pruned_check(shape, "wanda", whole, 1.0);
    }
}

static void learned(void **state)
{
    (void)state;
    const lop_setting row[] = {
        {"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}, {"quantize-rate", "0.1"}, {NULL, NULL}};
    const lop_setting groups[] = {{"sparsity-ratio", "0.3"},
                                  {"quantize-bits", "2"},
                                  {"quantize-group", "16"},
                                  {"granularity", "layer"},
                                  {NULL, NULL}};
    const lop_setting after[] = {
        {"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}, {"quantize-clip", "none"}, {NULL, NULL}};
    for (int d = 0; d < 3; d++) {
        const made_shape shape = {.blocks = 2, .dtype = dtypes[d]};
        pruned_check(shape, "besa", row, 0.0);
        pruned_check(shape, "besa", groups, 0.0);
        pruned_check(shape, "besa", after, 1.0);
    }
}

/* Written in another type than the source's: the point is found again, not rounded twice. */
static void other_types(void **state)
{
    (void)state;
    for (int from = 0; from < 3; from++)
        for (int to = 0; to < 3; to++) {
            const lop_setting how[] = {
                {"sparsity-ratio", "0.5"}, {"quantize-bits", "8"}, {"dtype", dtype_names[to]}, {NULL, NULL}};
            if (from == to) continue;
            pruned_check((made_shape){.blocks = 1, .dtype = dtypes[from]}, "wanda", how, 1.0);
            pruned_check((made_shape){.blocks = 1, .dtype = dtypes[from]}, "besa", how, 0.0);
        }
}

/* Without a step every grid reaches over sigmoid(4) of its range. And with no sparsity to learn the reach still is. */
static void no_steps(void **state)
{
    (void)state;
    const lop_setting none[] = {
        {"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}, {"epochs", "0"}, {NULL, NULL}};
    pruned_check((made_shape){.blocks = 2}, "besa", none, 1.0 / (1.0 + exp(-4.0)));
    const lop_setting whole[] = {{"sparsity-ratio", "0"}, {"quantize-bits", "3"}, {NULL, NULL}};
    pruned_check((made_shape){.blocks = 2}, "besa", whole, 0.0);
}

/* Weights that lie on their grids stay what they are, bit for bit. */
static void points_stay(void **state)
{
    (void)state;
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 1});
    const lop_setting how[] = {
        {"sparsity-ratio", "0"}, {"quantize-bits", "5"}, {"quantize-group", "16"}, {NULL, NULL}};
    prune_try t = bench_try(&b, "magnitude", how);
    json_decref(prune_report(&t));
    pruned_model once, twice;
    pruned_open(&once, b.save);
    t.model = b.save;
    t.save = bench_other(&b, "twice");
    json_decref(prune_report(&t));
    pruned_open(&twice, t.save);
    int64_t moved = 0, all = 0;
    for (int at = 0; at < LOP_LINEAR_COUNT; at++) {
        const lop_linear_file *l = &once.net.blocks[0].linear[at];
        float *first = pruned_weights(&once, 0, at), *second = pruned_weights(&twice, 0, at);
        for (int64_t i = 0; i < (int64_t)l->out * l->in; i++) {
            /* A scale found again from rounded ends may differ in its last bit. */
            moved += fabsf(first[i] - second[i]) > 4.0f * 0x1p-24f * fabsf(first[i]);
            all++;
        }
        free(second);
        free(first);
    }
    assert_true(all > 0 && moved == 0);
    pruned_close(&twice);
    pruned_close(&once);
    bench_close(&b);
}

/* ---- resuming */

typedef struct watcher {
    lop_log log;
    int computed;
} watcher;

static void watch(const lop_event *event, void *user)
{
    watcher *w = user;
    w->computed += strstr(event->json, "\"state\":\"computed\"") != NULL;
    if (w->computed >= 2) atomic_store(&w->log.stop, true);
}

static void resumed(void **state)
{
    (void)state;
    static const char *const methods[] = {"wanda", "besa"};
    for (int i = 0; i < 2; i++) {
        prune_bench b;
        char *text = NULL;
        const lop_setting how[] = {
            {"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}, {"quantize-group", "16"}, {NULL, NULL}};
        const lop_setting again[] = {how[0], how[1], how[2], {"resume", "on"}, {NULL, NULL}};
        bench_open(&b, (made_shape){.blocks = 4, .dtype = LOP_DTYPE_BF16});
        prune_try t = bench_try(&b, methods[i], how);
        json_decref(prune_report(&t));
        watcher w = {.computed = 0};
        w.log.fn = watch;
        w.log.user = &w;
        t = bench_try(&b, methods[i], again);
        t.save = bench_other(&b, "stopped");
        t.log = &w.log;
        prune_fails(prune_do(&t, &text), LOP_E_STOPPED, "");
        t.log = NULL;
        json_decref(prune_report(&t));
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

/* ---- damage */

/* A weight that is moved off its grid, whatever the digests say: the report is made to agree with the file. */
static void weight_move(const char *folder, const char *name, int64_t at)
{
    lop_checkpoint *file = NULL;
    float value = 0.0f;
    prune_ok(lop_checkpoint_open(folder, &file));
    const lop_tensor *t = lop_checkpoint_find(file, name);
    assert_true(t != NULL && t->dtype == LOP_DTYPE_F32);
    FILE *f = fopen(in_folder(folder, "model.safetensors"), "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)(t->at + (uint64_t)at * sizeof value), SEEK_SET), 0);
    assert_int_equal(fread(&value, sizeof value, 1, f), 1);
    value *= 1.0f + 0x1p-20f;
    assert_int_equal(fseek(f, (long)(t->at + (uint64_t)at * sizeof value), SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    lop_checkpoint_close(file);
}

static void report_write(const char *folder, json_t *report)
{
    char *text = NULL;
    size_t size = 0;
    prune_ok(lop_report_seal(report));
    prune_ok(lop_report_text(report, &text, &size));
    prune_ok(lop_file_write_atomic(in_folder(folder, LOP_REPORT_NAME), text, size));
    lop_free(text);
}

static void verify_finds(const char *folder, const char *words)
{
    char *text = NULL;
    const lop_setting none[] = {{NULL, NULL}};
    prune_fails(verify_do(folder, none, &text), LOP_E_VERIFY, "");
    if (strstr(text, words) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, words);
    lop_free(text);
}

static void verify_looks(void **state)
{
    (void)state;
    prune_bench b;
    const lop_setting how[] = {
        {"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}, {"quantize-group", "16"}, {NULL, NULL}};
    bench_open(&b, (made_shape){.blocks = 1});
    const prune_try t = bench_try(&b, "wanda", how);
    json_t *report = prune_report(&t);
    pruned_model p;
    pruned_open(&p, b.save);
    float *w = pruned_weights(&p, 0, 0);
    int64_t at = 0;
    while (w[at] == 0.0f) at++;
    pruned_close(&p);
    free(w);
    const json_t *line = line_of(report, 0, 0);
    json_t *quant = json_object_get(line, "quant");
    json_t *scale = json_object_get(quant, "scale"), *kept = json_deep_copy(scale);
    (void)json_array_remove(scale, 0);
    report_write(b.save, report);
    verify_finds(b.save, "numbers of grids");
    (void)json_object_set_new(quant, "scale", kept);
    const double first = json_real_value(json_array_get(kept, (size_t)(at / group)));
    (void)json_array_set_new(kept, (size_t)(at / group), json_real((double)(float)(1.01 * first)));
    report_write(b.save, report);
    verify_finds(b.save, "no point of its grid");
    (void)json_array_set_new(kept, (size_t)(at / group), json_real(first));
    report_write(b.save, report);
    verify_passes(b.save, b.model.folder);
    weight_move(b.save, json_string_value(json_object_get(line, "name")), at);
    verify_finds(b.save, "no point of its grid");
    json_decref(report);
    bench_close(&b);
}

/* ---- what is refused */

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        lop_setting how[3];
        const char *words;
    } cases[] = {
        {"wanda", {{"quantize-bits", "1"}}, "quantize-bits is 1"},
        {"wanda", {{"quantize-bits", "9"}}, "quantize-bits"},
        {"wanda", {{"quantize-group", "16"}}, "--quantize-bits"},
        {"wanda", {{"quantize-bits", "4"}, {"quantize-group", "40"}}, "columns of model.layers.0"},
        {"besa", {{"quantize-clip", "learned"}}, "--quantize-bits"},
    };
    prune_bench b;
    char *text = NULL;
    bench_open(&b, (made_shape){.blocks = 1});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_setting how[] = {
            {"sparsity-ratio", "0.5"}, cases[i].how[0], cases[i].how[1], cases[i].how[2], {NULL, NULL}};
        const prune_try t = bench_try(&b, cases[i].method, how);
        prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, cases[i].words);
        assert_false(lop_path_is_folder(b.save));
    }
    bench_close(&b);
}

/* Grids of two columns in a model of a size whose report would be read by nobody; one grid a row would do. */
static void reports_too_large(void **state)
{
    (void)state;
    prune_bench b;
    char *text = NULL;
    bench_open(
        &b,
        (made_shape){.blocks = 1, .hidden = 1024, .ffn = 3072, .heads = 16, .kv_heads = 16, .head_dim = 64});
    const lop_setting how[] = {
        {"sparsity-ratio", "0.5"}, {"quantize-bits", "4"}, {"quantize-group", "2"}, {NULL, NULL}};
    const prune_try t = bench_try(&b, "magnitude", how);
    prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, "--quantize-group larger than 2");
    assert_false(lop_path_is_folder(b.save));
    bench_close(&b);
}

/* ---- what it gives */

static double perplexity(const golden_source *source, const char *method, const char *clip)
{
    char scratch[64], save[96];
    scratch_open(scratch);
    (void)snprintf(save, sizeof save, "%s/out", scratch);
    const prune_try t = {.model = source->model,
                         .method = method,
                         .save = save,
                         .settings = {{"calib", source->calib},
                                      {"nsamples", source->nsamples},
                                      {"seqlen", "256"},
                                      {"sparsity-ratio", "0.5"},
                                      {"quantize-bits", "4"},
                                      {clip != NULL ? "quantize-clip" : NULL, clip}}};
    json_decref(prune_report(&t));
    const double out = golden_perplexity(source, save);
    scratch_close(scratch);
    return out;
}

/* Learned together, sparsities and grids leave less error than sparsities learned alone and rounded, and these less than
 * Wanda's rows, rounded. Defaults throughout. */
static void order_check(const golden_source *source)
{
    const double wanda = perplexity(source, "wanda", NULL), alone = perplexity(source, "besa", "none"),
                 together = perplexity(source, "besa", NULL);
    print_message("50 %%, 4 bits: wanda rounded %.4f, besa rounded %.4f, together %.4f\n", wanda, alone,
                  together);
    assert_true(together < alone && alone < wanda);
}

static void together_on_tiny(void **state)
{
    (void)state;
    const golden_source source = golden_reference();
    order_check(&source);
}

static void together_on_stories(void **state)
{
    (void)state;
    const golden_source source = golden_authors("llama");
    order_check(&source);
}

int test_prune_quant(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounded_to_nearest),  cmocka_unit_test(learned),
        cmocka_unit_test(other_types),         cmocka_unit_test(no_steps),
        cmocka_unit_test(points_stay),         cmocka_unit_test(resumed),
        cmocka_unit_test(verify_looks),        cmocka_unit_test(refused),
        cmocka_unit_test(reports_too_large),   cmocka_unit_test(together_on_tiny),
        cmocka_unit_test(together_on_stories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
