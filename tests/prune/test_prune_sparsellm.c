/* test_prune_sparsellm.c - what holds of all of SparseLLM: an epoch of it is SparseGPT, no feed-forward half ends with more error
 * than SparseGPT leaves, exactly as many weights go, and neither batches nor backends nor weights' scale show. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/prune/ffn_rig.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- all epochs */

static void counts_check(ffn_rig *r)
{
    for (int i = 0; i < LOP_SPARSELLM_LINEARS; i++) {
        if (r->dense[i] == NULL) continue;
        const int64_t count = (int64_t)r->shape.hidden * r->shape.ffn;
        unsigned char *kept = ffn_rig_kept(r, i);
        double *w = ffn_rig_weights(r, i);
        int64_t gone = 0;
        for (int64_t k = 0; k < count; k++) {
            gone += kept[k] == 0;
            assert_true(kept[k] != 0 || w[k] == 0.0);
            if (r->target.group == 0 || k % r->target.group != 0) continue;
            int stay = 0;
            for (int g = 0; g < r->target.group; g++) stay += kept[k + g];
            assert_int_equal(stay, r->target.keep);
        }
        assert_int_equal(gone, lop_budget_all(&r->target, 1, (int32_t)count));
        free(w);
        free(kept);
    }
}

/* The error that is told is the error, never above SparseGPT's, and in most blocks below it; exactly as many weights go. */
static void best_epochs(void **state)
{
    (void)state;
    int lower = 0;
    enum { BLOCKS = 12 };
    for (int k = 0; k < BLOCKS; k++) {
        ffn_rig r;
        ffn_shape shape = k % 2 == 0 ? ffn_gated : ffn_plain;
        shape.seed = 100 + (uint64_t)k;
        ffn_rig_open(&r, prune_backend, shape);
        r.target = k % 4 < 2 ? (lop_target){.ratio = 0.8, .exact = true}
                             : (lop_target){.ratio = 0.5, .keep = 2, .group = 4, .exact = true};
        ffn_rig_run(&r);
        const int accepted = (int)json_at(r.learned, "accepted");
        const double first = ffn_rig_loss(&r, 0), last = ffn_rig_loss(&r, accepted), own = ffn_rig_error(&r);
        print_message("block %d: %.5f -> %.5f (epoch %d)\n", k, first, last, accepted);
        assert_true(fabs(own / last - 1.0) < 1e-3 && last <= first);
        lower += last < first;
        counts_check(&r);
        ffn_rig_close(&r);
    }
    assert_true(lower * 5 >= BLOCKS * 4);
}

/* Batches of a window, and of all. */
static void batches(void **state)
{
    (void)state;
    double loss[2], misfits[2];
    unsigned char *kept[2];
    const int64_t count = (int64_t)ffn_gated.hidden * ffn_gated.ffn;
    for (int k = 0; k < 2; k++) {
        ffn_rig r;
        ffn_shape shape = ffn_gated;
        shape.batch = k == 0 ? 1 : 8;
        ffn_rig_open(&r, prune_backend, shape);
        r.options.last = true;
        ffn_rig_run(&r);
        loss[k] = ffn_rig_loss(&r, 3);
        misfits[k] = json_at(json_array_get(json_object_get(r.learned, "epochs"), 2), "misfit");
        kept[k] = ffn_rig_kept(&r, LOP_SPARSELLM_UP);
        ffn_rig_close(&r);
    }
    int64_t differ = 0;
    for (int64_t i = 0; i < count; i++) differ += kept[0][i] != kept[1][i];
    print_message("losses %.7g, %.7g, %lld bits differ\n", loss[0], loss[1], (long long)differ);
    assert_true(fabs(loss[0] / loss[1] - 1.0) < 5e-3 && fabs(misfits[0] / misfits[1] - 1.0) < 1e-3);
    assert_true((double)differ <= 1e-2 * (double)count);
    free(kept[0]);
    free(kept[1]);
}

/* On this backend and on the CPU. */
static void backends_agree(void **state)
{
    (void)state;
    double loss[2], misfit_of[2];
    for (int k = 0; k < 2; k++) {
        ffn_rig r;
        ffn_rig_open(&r, k == 0 ? "cpu" : prune_backend, ffn_gated);
        r.options.last = true;
        ffn_rig_run(&r);
        loss[k] = ffn_rig_loss(&r, 3);
        misfit_of[k] = json_at(json_array_get(json_object_get(r.learned, "epochs"), 2), "misfit");
        ffn_rig_close(&r);
    }
    assert_true(fabs(loss[0] / loss[1] - 1.0) < 5e-3 && fabs(misfit_of[0] / misfit_of[1] - 1.0) < 1e-3);
}

/* Tokens far out, inputs that are always 0 and neurons that never fire. */
static void outliers_and_dead(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        ffn_rig r;
        ffn_shape shape = k % 2 == 0 ? ffn_gated : ffn_plain;
        shape.outlier = k < 2 ? 300.0 : 0.0;
        shape.dead = true;
        ffn_rig_open(&r, prune_backend, shape);
        r.options.pseudo = k == 3;
        r.target.ratio = 0.7;
        ffn_rig_run(&r);
        const int accepted = (int)json_at(r.learned, "accepted");
        const double first = ffn_rig_loss(&r, 0), last = ffn_rig_loss(&r, accepted);
        print_message("%.5f -> %.5f (epoch %d)\n", first, last, accepted);
        assert_true(isfinite(ffn_rig_error(&r)) && last <= first);
        counts_check(&r);
        ffn_rig_close(&r);
    }
}

/* ---- whole prunes */

/* True if a file of both folders holds the same bytes. */
static bool same_file(const char *a, const char *b, const char *name)
{
    char *one = NULL, *other = NULL;
    size_t size[2] = {0, 0};
    prune_ok(lop_file_read(in_folder(a, name), 1 << 26, &one, &size[0]));
    prune_ok(lop_file_read(in_folder(b, name), 1 << 26, &other, &size[1]));
    const bool same = size[0] == size[1] && memcmp(one, other, size[0]) == 0;
    lop_free(other);
    lop_free(one);
    return same;
}

static bool same_weights(prune_bench *b, const char *method, const lop_setting *how, const char *other,
                         const lop_setting *other_how)
{
    prune_try t = bench_try(b, method, how);
    json_decref(prune_report(&t));
    t = bench_try(b, other, other_how);
    t.save = bench_other(b, "other");
    json_decref(prune_report(&t));
    return same_file(b->save, t.save, "model.safetensors") && same_file(b->save, t.save, "masks.safetensors");
}

static void one_epoch_is_sparsegpt(void **state)
{
    (void)state;
    static const made_shape shapes[] = {{.blocks = 2, .dtype = LOP_DTYPE_BF16},
                                        {.family = "opt", .blocks = 2}};
    for (int k = 0; k < 2; k++) {
        prune_bench b;
        const lop_setting amount =
            k == 0 ? (lop_setting){"sparsity-ratio", "0.63"} : (lop_setting){"sparsity-type", "2:4"};
        const lop_setting one[] = {amount, {"epochs", "1"}, {NULL, NULL}}, none[] = {amount, {NULL, NULL}};
        bench_open(&b, shapes[k]);
        assert_true(same_weights(&b, "sparsegpt", none, "sparsellm", one));
        const lop_setting single[] = {amount, {"single-epoch", "0,1"}, {NULL, NULL}};
        assert_true(same_weights(&b, "sparsegpt", none, "sparsellm", single));
        bench_close(&b);
    }
}

/* Only their ratio counts. */
static void weights_by_ratio(void **state)
{
    (void)state;
    prune_bench b;
    const lop_setting one[] = {{"sparsity-ratio", "0.7"}, {"alpha", "0.1"}, {"beta", "0.2"}, {NULL, NULL}};
    const lop_setting other[] = {{"sparsity-ratio", "0.7"}, {"alpha", "4"}, {"beta", "8"}, {NULL, NULL}};
    bench_open(&b, (made_shape){.blocks = 2});
    assert_true(same_weights(&b, "sparsellm", one, "sparsellm", other));
    bench_close(&b);
}

/* The report has the epochs of every block, its attention lost what SparseGPT takes, and what stays dense leaves one epoch. */
static void told(void **state)
{
    (void)state;
    prune_bench b;
    const lop_setting how[] = {{"sparsity-ratio", "0.7"}, {NULL, NULL}},
                      part[] = {{"sparsity-ratio", "0.7"}, {"skip", "re:down_proj"}, {NULL, NULL}},
                      first[] = {{"sparsity-ratio", "0.7"}, {"layers", "first-half"}, {NULL, NULL}};
    bench_open(&b, (made_shape){.blocks = 3});
    prune_try t = bench_try(&b, "sparsellm", how);
    json_t *report = prune_report(&t);
    for (size_t i = 0; i < 3; i++) {
        const json_t *learn = json_object_get(json_array_get(json_object_get(report, "blocks"), i), "learn");
        const json_t *epochs = json_object_get(learn, "epochs");
        const size_t accepted = (size_t)json_at(learn, "accepted");
        assert_true(json_array_size(epochs) >= 1 && accepted < json_array_size(epochs));
        assert_true(json_at(json_array_get(epochs, accepted), "loss") <=
                    json_at(json_array_get(epochs, 0), "loss"));
        assert_int_equal(json_array_size(json_object_get(learn, "solve")), 7);
    }
    json_decref(report);
    t = bench_try(&b, "sparsellm", part);
    report = prune_report(&t);
    const json_t *block = json_array_get(json_object_get(report, "blocks"), 0);
    assert_null(json_object_get(json_object_get(block, "learn"), "epochs"));
    json_decref(report);
    t = bench_try(&b, "sparsellm", first);
    report = prune_report(&t);
    assert_int_equal(json_array_size(json_object_get(report, "skipped")), 14);
    json_decref(report);
    bench_close(&b);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        lop_setting what;
        const char *words;
    } cases[] = {{{"single-epoch", "1,x"}, "numbers of blocks"},
                 {{"block-size", "12"}, "multiple of 8"},
                 {{"update", "sparsegpt"}, "by itself"},
                 {{"epochs", "0"}, "epochs"},
                 {{"quantize-bits", "4"}, "quantize-bits"}};
    prune_bench b;
    char *text = NULL;
    bench_open(&b, (made_shape){.blocks = 1});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lop_setting how[] = {{"sparsity-ratio", "0.5"}, cases[i].what, {NULL, NULL}};
        const prune_try t = bench_try(&b, "sparsellm", how);
        prune_fails(prune_do(&t, &text), LOP_E_ARGUMENT, cases[i].words);
    }
    bench_close(&b);
}

int test_prune_sparsellm(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_epochs),
        cmocka_unit_test(batches),
        cmocka_unit_test(backends_agree),
        cmocka_unit_test(outliers_and_dead),
        cmocka_unit_test(one_epoch_is_sparsegpt),
        cmocka_unit_test(weights_by_ratio),
        cmocka_unit_test(told),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
