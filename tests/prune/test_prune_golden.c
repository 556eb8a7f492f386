/* test_prune_golden.c - a trained model pruned as the authors' scripts do, held against what those scripts gave: masks
 * and perplexity. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/eval/perplexity.h"
#include "tests/harness/shared_data.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WINDOWS = 400, SEQLEN = 256 };

typedef struct golden {
    const char *key, *method;
    lop_setting how;
    double perplexity_within; /* relative */
    bool masks;
} golden;

static double golden_number(const char *key, const char *what)
{
    json_t *root = NULL;
    prune_ok(lop_json_read(shared_path("golden/golden.json"), 1 << 20, &root));
    const json_t *entry = json_object_get(json_object_get(root, "llama"), key);
    const double value = what != NULL ? json_at(entry, what) : json_number_value(entry);
    lop_json_close(root);
    return value;
}

static double perplexity_of(const char *folder)
{
    lop_device device;
    lop_checkpoint *file = NULL;
    lop_net net;
    char *ids = NULL;
    size_t size = 0;
    lop_perplexity out;
    prune_ok(lop_device_open(prune_backend, 0, &device));
    prune_ok(lop_checkpoint_open(folder, &file));
    prune_ok(lop_net_open(file, &net));
    prune_ok(lop_file_read(shared_path("golden/eval_400x256.i32"), 1 << 24, &ids, &size));
    assert_int_equal(size, WINDOWS * SEQLEN * sizeof(int32_t));
    const lop_perplexity_args args = {
        .ids = (const int32_t *)(const void *)ids, .windows = WINDOWS, .seqlen = SEQLEN, .forward_batch = 4};
    prune_ok(lop_perplexity_measure(&device, &net, &args, NULL, &out));
    lop_free(ids);
    lop_net_close(&net);
    lop_checkpoint_close(file);
    lop_device_close(&device);
    return out.perplexity;
}

/* The share of bits on which the saved masks agree with the scripts': those run on through a linear, row after row. */
static double agreement(const char *folder, const char *key)
{
    char name[64];
    char *want = NULL;
    size_t size = 0;
    lop_masks masks;
    int64_t same = 0, all = 0, at = 0;
    (void)snprintf(name, sizeof name, "golden/llama_%s_keepbits.u8", key);
    prune_ok(lop_file_read(shared_path(name), 1 << 24, &want, &size));
    prune_ok(lop_masks_open(in_folder(folder, LOP_MASKS_NAME), &masks));
    for (int32_t i = 0; i < masks.count; i++) {
        const lop_mask_entry *e = &masks.at[i];
        unsigned char *bits = NULL;
        prune_ok(lop_alloc(e->bytes, 1, &bits));
        prune_ok(lop_masks_read(&masks, e, bits));
        assert_int_equal(e->cols % 8, 0); /* so that rows end with bytes and both packings are one */
        assert_true(at + (int64_t)e->bytes <= (int64_t)size);
        for (uint64_t b = 0; b < e->bytes; b++)
            same += 8 - __builtin_popcount((unsigned char)(bits[b] ^ (unsigned char)want[at + (int64_t)b]));
        at += (int64_t)e->bytes;
        all += 8 * (int64_t)e->bytes;
        lop_free(bits);
    }
    assert_int_equal(at, size);
    lop_masks_close(&masks);
    lop_free(want);
    return (double)same / (double)all;
}

static void golden_check(const golden *g)
{
    char scratch[64], save[96];
    scratch_open(scratch);
    (void)snprintf(save, sizeof save, "%s/out", scratch);
    const prune_try t = {.model = shared_path("data/models/TinyStories-656K"),
                         .method = g->method,
                         .save = save,
                         .settings = {{"calib", shared_path("golden/calib_64x256.i32")},
                                      {"nsamples", "64"},
                                      {"seqlen", "256"},
                                      {"exact-budget", "off"},
                                      {"save-masks", "on"},
                                      g->how}};
    json_t *report = prune_report(&t);
    const double zeros = golden_number(g->key, "zeros"), want = golden_number(g->key, "ppl");
    const double perplexity = perplexity_of(save);
    print_message("%s: zeros %.6f (%.6f), perplexity %.5f (%.5f)\n", g->key,
                  json_at(report, "sparsity.prunable"), zeros, perplexity, want);
    assert_true(fabs(json_at(report, "sparsity.prunable") - zeros) < 2e-5);
    assert_true(fabs(perplexity / want - 1.0) <= g->perplexity_within);
    if (g->masks) {
        const double same = agreement(save, g->key);
        print_message("%s: masks agree in %.7f\n", g->key, same);
        assert_true(same >= 0.9995);
    }
    json_decref(report);
    scratch_close(scratch);
}

static void wanda_50(void **state)
{
    (void)state;
    shared_need("golden");
    golden_check(&(golden){"wanda_50", "wanda", {"sparsity-ratio", "0.5"}, 2e-4, true});
}

static void wanda_70(void **state)
{
    (void)state;
    shared_need("golden");
    golden_check(&(golden){"wanda_70", "wanda", {"sparsity-ratio", "0.7"}, 2e-4, true});
}

static void wanda_2of4(void **state)
{
    (void)state;
    shared_need("golden");
    golden_check(&(golden){"wanda_2of4", "wanda", {"sparsity-type", "2:4"}, 2e-4, true});
}

static void magnitude_50(void **state)
{
    (void)state;
    shared_need("golden");
    golden_check(&(golden){"magnitude_50", "magnitude", {"sparsity-ratio", "0.5"}, 1e-2, false});
}

int test_prune_golden(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanda_50),
        cmocka_unit_test(wanda_70),
        cmocka_unit_test(wanda_2of4),
        cmocka_unit_test(magnitude_50),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
