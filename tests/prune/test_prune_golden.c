/* test_prune_golden.c - trained models pruned as the authors' scripts do, held against what must come out, masks and
 * perplexity: of the shared model what those scripts gave, of the tiny model that comes with the sources what the
 * double-precision reference gave (tests/golden/README.md). */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/eval/perplexity.h"
#include "tests/harness/shared_data.h"
#include "tests/harness/test_groups.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEQLEN = 256 };

/* A model with results. Paths stand in buffers, because those of the shared folder do not last. */
typedef struct golden_source {
    char model[512], json[512], calib[512], eval[512], masks[512]; /* masks: before METHOD_keepbits.u8 */
    const char *family;                                            /* key in the JSON; NULL: its root */
    const char *nsamples;
    int32_t windows;
} golden_source;

typedef struct golden {
    const golden_source *source;
    const char *key, *method;
    lop_setting how;
    double perplexity_within; /* relative */
    bool masks;
} golden;

static void path_set(char *path, const char *from)
{
    (void)snprintf(path, 512, "%s", from);
}

static golden_source authors(void)
{
    shared_need("golden");
    golden_source s = {.family = "llama", .nsamples = "64", .windows = 400};
    path_set(s.model, shared_path("data/models/TinyStories-656K"));
    path_set(s.json, shared_path("golden/golden.json"));
    path_set(s.calib, shared_path("golden/calib_64x256.i32"));
    path_set(s.eval, shared_path("golden/eval_400x256.i32"));
    path_set(s.masks, shared_path("golden/llama_"));
    return s;
}

static golden_source reference(void)
{
    golden_source s = {.nsamples = "32", .windows = 64};
    path_set(s.model, LOP_SOURCE_DIR "/tests/data/tiny-llama");
    path_set(s.json, LOP_SOURCE_DIR "/tests/golden/tiny-llama/golden.json");
    path_set(s.calib, LOP_SOURCE_DIR "/tests/golden/tiny-llama/calib_32x256.i32");
    path_set(s.eval, LOP_SOURCE_DIR "/tests/golden/tiny-llama/eval_64x256.i32");
    path_set(s.masks, LOP_SOURCE_DIR "/tests/golden/tiny-llama/");
    return s;
}

static double golden_number(const golden_source *source, const char *key, const char *what)
{
    json_t *root = NULL;
    prune_ok(lop_json_read(source->json, 1 << 20, &root));
    const json_t *family = source->family ? json_object_get(root, source->family) : root;
    const json_t *entry = json_object_get(family, key);
    const double value = what != NULL ? json_at(entry, what) : json_number_value(entry);
    lop_json_close(root);
    return value;
}

static double perplexity_of(const golden_source *source, const char *folder)
{
    lop_device device;
    lop_checkpoint *file = NULL;
    lop_net net;
    char *ids = NULL;
    size_t size = 0;
    lop_perplexity out;
    prune_ok(test_device_open(prune_backend, &device));
    prune_ok(lop_checkpoint_open(folder, &file));
    prune_ok(lop_net_open(file, &net));
    prune_ok(lop_file_read(source->eval, 1 << 24, &ids, &size));
    assert_int_equal(size, (size_t)source->windows * SEQLEN * sizeof(int32_t));
    const lop_perplexity_args args = {.ids = (const int32_t *)(const void *)ids,
                                      .windows = source->windows,
                                      .seqlen = SEQLEN,
                                      .forward_batch = 4};
    prune_ok(lop_perplexity_measure(&device, &net, &args, NULL, &out));
    lop_free(ids);
    lop_net_close(&net);
    lop_checkpoint_close(file);
    lop_device_close(&device);
    return out.perplexity;
}

/* The share of bits on which the saved masks agree with the golden ones, which run on through a linear, row after row. */
static double agreement(const golden_source *source, const char *folder, const char *key)
{
    char name[640];
    char *want = NULL;
    size_t size = 0;
    lop_masks masks;
    int64_t same = 0, all = 0, at = 0;
    (void)snprintf(name, sizeof name, "%s%s_keepbits.u8", source->masks, key);
    prune_ok(lop_file_read(name, 1 << 24, &want, &size));
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
    const prune_try t = {.model = g->source->model,
                         .method = g->method,
                         .save = save,
                         .settings = {{"calib", g->source->calib},
                                      {"nsamples", g->source->nsamples},
                                      {"seqlen", "256"},
                                      {"exact-budget", "off"},
                                      {"save-masks", "on"},
                                      g->how}};
    json_t *report = prune_report(&t);
    const double zeros = golden_number(g->source, g->key, "zeros"),
                 want = golden_number(g->source, g->key, "ppl");
    const double perplexity = perplexity_of(g->source, save);
    print_message("%s: zeros %.6f (%.6f), perplexity %.5f (%.5f)\n", g->key,
                  json_at(report, "sparsity.prunable"), zeros, perplexity, want);
    assert_true(fabs(json_at(report, "sparsity.prunable") - zeros) < 2e-5);
    assert_true(fabs(perplexity / want - 1.0) <= g->perplexity_within);
    if (g->masks) {
        const double same = agreement(g->source, save, g->key);
        print_message("%s: masks agree in %.7f\n", g->key, same);
        assert_true(same >= 0.9995);
    }
    json_decref(report);
    scratch_close(scratch);
}

/* The bounds: 0.02 % for methods whose ties do not matter; magnitude's threshold takes all ties of the scripts' sort. */
static void check_all(const golden_source *source)
{
    golden_check(&(golden){source, "wanda_50", "wanda", {"sparsity-ratio", "0.5"}, 2e-4, true});
    golden_check(&(golden){source, "wanda_70", "wanda", {"sparsity-ratio", "0.7"}, 2e-4, true});
    golden_check(&(golden){source, "wanda_2of4", "wanda", {"sparsity-type", "2:4"}, 2e-4, true});
}

static void authors_results(void **state)
{
    (void)state;
    const golden_source source = authors();
    check_all(&source);
    golden_check(&(golden){&source, "magnitude_50", "magnitude", {"sparsity-ratio", "0.5"}, 1e-2, false});
}

static void reference_results(void **state)
{
    (void)state;
    const golden_source source = reference();
    check_all(&source);
    golden_check(&(golden){&source, "wanda_4of8", "wanda", {"sparsity-type", "4:8"}, 2e-4, true});
    golden_check(&(golden){&source, "magnitude_50", "magnitude", {"sparsity-ratio", "0.5"}, 2e-4, true});
}

int test_prune_golden(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authors_results),
        cmocka_unit_test(reference_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
