/* golden_model.c - files of golden results, and what is read from them. */
#include "tests/prune/golden_model.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/eval/perplexity.h"
#include "core/io/safetensors.h"
#include "tests/harness/shared_data.h"
#include "tests/harness/test_groups.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEQLEN = 256 };

static void path_set(char *path, const char *from)
{
    (void)snprintf(path, 512, "%s", from);
}

golden_source golden_authors(const char *family)
{
    static const char *const opt_order[] = {"k_proj", "v_proj", "q_proj", "out_proj", "fc1", "fc2", NULL};
    const bool opt = strcmp(family, "opt") == 0;
    char masks[64];
    shared_need("golden");
    golden_source s = {.family = family, .nsamples = "64", .windows = 400, .order = opt ? opt_order : NULL};
    (void)snprintf(masks, sizeof masks, "golden/%s_", family);
    path_set(s.model, shared_path(opt ? "data/models/tiny-opt" : "data/models/TinyStories-656K"));
    path_set(s.json, shared_path("golden/golden.json"));
    path_set(s.calib, shared_path("golden/calib_64x256.i32"));
    path_set(s.eval, shared_path("golden/eval_400x256.i32"));
    path_set(s.masks, shared_path(masks));
    return s;
}

golden_source golden_reference(void)
{
    golden_source s = {.nsamples = "32", .windows = 64};
    path_set(s.model, LOP_SOURCE_DIR "/tests/data/tiny-llama");
    path_set(s.json, LOP_SOURCE_DIR "/tests/golden/tiny-llama/golden.json");
    path_set(s.calib, LOP_SOURCE_DIR "/tests/golden/tiny-llama/calib_32x256.i32");
    path_set(s.eval, LOP_SOURCE_DIR "/tests/golden/tiny-llama/eval_64x256.i32");
    path_set(s.masks, LOP_SOURCE_DIR "/tests/golden/tiny-llama/");
    return s;
}

double golden_number(const golden_source *source, const char *key, const char *what)
{
    json_t *root = NULL;
    prune_ok(lop_json_read(source->json, 1 << 20, &root));
    const json_t *family = source->family ? json_object_get(root, source->family) : root;
    const json_t *entry = json_object_get(family, key);
    const double value = what != NULL ? json_at(entry, what) : json_number_value(entry);
    lop_json_close(root);
    return value;
}

double golden_perplexity(const golden_source *source, const char *folder)
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

/* The mask that stands index-th in the golden file. Saved masks stand block by block, in module order. */
static const lop_mask_entry *mask_at(const golden_source *source, const lop_masks *masks, int32_t index)
{
    if (source->order == NULL) return &masks->at[index];
    int32_t each = 0;
    while (source->order[each]) each++;
    for (int32_t i = index / each * each; i < masks->count; i++)
        if (strstr(masks->at[i].name, source->order[index % each])) return &masks->at[i];
    fail_msg("no mask of %s", source->order[index % each]);
    return NULL;
}

static int64_t bits_equal(const lop_masks *masks, const lop_mask_entry *e, const char *want)
{
    unsigned char *bits = NULL;
    int64_t same = 0;
    prune_ok(lop_alloc(e->bytes, 1, &bits));
    prune_ok(lop_masks_read(masks, e, bits));
    assert_int_equal(e->cols % 8, 0); /* so that rows end with bytes and both packings are one */
    for (uint64_t b = 0; b < e->bytes; b++)
        same += 8 - __builtin_popcount((unsigned char)(bits[b] ^ (unsigned char)want[b]));
    lop_free(bits);
    return same;
}

double golden_agreement(const golden_source *source, const char *folder, const char *key)
{
    char name[640];
    char *want = NULL;
    size_t size = 0;
    lop_masks masks;
    int64_t same = 0, at = 0;
    (void)snprintf(name, sizeof name, "%s%s_keepbits.u8", source->masks, key);
    prune_ok(lop_file_read(name, 1 << 24, &want, &size));
    prune_ok(lop_masks_open(in_folder(folder, LOP_MASKS_NAME), &masks));
    for (int32_t i = 0; i < masks.count; i++) {
        const lop_mask_entry *e = mask_at(source, &masks, i);
        assert_true(at + (int64_t)e->bytes <= (int64_t)size);
        same += bits_equal(&masks, e, want + at);
        at += (int64_t)e->bytes;
    }
    assert_int_equal(at, size);
    lop_masks_close(&masks);
    lop_free(want);
    return (double)same / (8.0 * (double)at);
}

/* "3.self_attn.q_proj" is block 3's; its tensor's name ends with that behind the blocks' own and before .weight. */
static const lop_tensor *tensor_of(const lop_checkpoint *file, const char *name)
{
    char end[128];
    const int size = snprintf(end, sizeof end, "layers.%s.weight", name);
    for (int32_t i = 0; i < lop_checkpoint_count(file); i++) {
        const lop_tensor *t = lop_checkpoint_at(file, i);
        const size_t length = strlen(t->name);
        if (length >= (size_t)size && strcmp(t->name + length - size, end) == 0) return t;
    }
    fail_msg("the model has no %s", end);
    return NULL;
}

typedef struct distance {
    double difference, length; /* squares */
} distance;

static void distance_add(const lop_safetensors *golden, const lop_tensor *t, const lop_checkpoint *file,
                         distance *sum)
{
    float *want = NULL, *have = NULL;
    const lop_tensor *own = tensor_of(file, t->name);
    const int64_t count = t->shape[0] * t->shape[1];
    assert_true(t->dtype == LOP_DTYPE_F32 && own->shape[0] == t->shape[0] && own->shape[1] == t->shape[1]);
    prune_ok(lop_alloc((size_t)count, sizeof *want, &want));
    prune_ok(lop_alloc((size_t)count, sizeof *have, &have));
    prune_ok(lop_file_read_at(&golden->file, t->at, want, t->bytes));
    prune_ok(lop_checkpoint_read(file, own, 0, own->shape[0], LOP_DTYPE_F32, have));
    for (int64_t i = 0; i < count; i++) {
        if (want[i] == 0.0f || have[i] == 0.0f) continue;
        const double w = (double)want[i], d = (double)have[i] - w;
        sum->difference += d * d;
        sum->length += w * w;
    }
    lop_free(have);
    lop_free(want);
}

double golden_distance(const golden_source *source, const char *folder, const char *key)
{
    char name[640];
    lop_safetensors golden;
    lop_checkpoint *file = NULL;
    distance sum = {0};
    (void)snprintf(name, sizeof name, "%s%s_weights.safetensors", source->masks, key);
    prune_ok(lop_safetensors_open(name, &golden));
    prune_ok(lop_checkpoint_open(folder, &file));
    for (int32_t i = 0; i < golden.count; i++) distance_add(&golden, &golden.at[i], file, &sum);
    lop_checkpoint_close(file);
    lop_safetensors_close(&golden);
    return sqrt(sum.difference / sum.length);
}
