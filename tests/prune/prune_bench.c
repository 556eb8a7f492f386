/* prune_bench.c - made models, and prunes of them. */
#include "tests/prune/prune_bench.h"

#include "core/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

void bench_open(prune_bench *b, made_shape shape)
{
    b->model = made_model_open(shape);
    scratch_open(b->scratch);
    (void)snprintf(b->ids, sizeof b->ids, "%s/ids.i32", b->scratch);
    (void)snprintf(b->save, sizeof b->save, "%s/out", b->scratch);
    made_model_ids(&b->model, b->id, BENCH_WINDOWS * BENCH_SEQLEN);
    ids_write(b->ids, b->id, BENCH_WINDOWS * BENCH_SEQLEN);
}

void bench_close(const prune_bench *b)
{
    scratch_close(b->scratch);
    made_model_close(&b->model);
}

const char *bench_other(prune_bench *b, const char *name)
{
    (void)snprintf(b->other, sizeof b->other, "%s/%s", b->scratch, name);
    return b->other;
}

prune_try bench_try(const prune_bench *b, const char *method, const lop_setting *more)
{
    prune_try t = {
        .model = b->model.folder,
        .method = method,
        .save = b->save,
        .settings = {
            {"calib", b->ids}, {"nsamples", "6"}, {"seqlen", "32"}, {"save-masks", "on"}, {"force", "on"}}};
    int count = 5;
    for (int i = 0; more[i].name != NULL; i++) {
        assert_true(count < PRUNE_SETTINGS_MOST);
        t.settings[count++] = more[i];
    }
    return t;
}

double bench_masks_differ(const char *a, const char *b)
{
    lop_masks left, right;
    int64_t wrong = 0, all = 0;
    prune_ok(lop_masks_open(in_folder(a, LOP_MASKS_NAME), &left));
    prune_ok(lop_masks_open(in_folder(b, LOP_MASKS_NAME), &right));
    assert_int_equal(left.count, right.count);
    for (int32_t i = 0; i < left.count; i++) {
        unsigned char *x = NULL, *y = NULL;
        prune_ok(lop_alloc(left.at[i].bytes, 1, &x));
        prune_ok(lop_alloc(left.at[i].bytes, 1, &y));
        prune_ok(lop_masks_read(&left, &left.at[i], x));
        prune_ok(lop_masks_read(&right, &right.at[i], y));
        for (uint64_t k = 0; k < left.at[i].bytes; k++)
            wrong += __builtin_popcount((unsigned char)(x[k] ^ y[k]));
        all += (int64_t)left.at[i].rows * left.at[i].cols;
        lop_free(x);
        lop_free(y);
    }
    lop_masks_close(&right);
    lop_masks_close(&left);
    return (double)wrong / (double)all;
}
