/* test_prune_verify.c - what verify passes, and that it fails, naming tensor and element, after one byte is changed
 * anywhere: with the report and without it. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/pruned_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const lop_setting none[] = {{NULL, NULL}};

/* A pruned folder, its source, and a second place for its masks. */
typedef struct fixture {
    prune_bench bench;
    char masks[128], weights[128];
    lop_setting with[3]; /* against and masks */
} fixture;

static void fixture_open(fixture *f, made_shape shape, const lop_setting *how)
{
    bench_open(&f->bench, shape);
    const prune_try t = bench_try(&f->bench, "wanda", how);
    json_decref(prune_report(&t));
    (void)snprintf(f->masks, sizeof f->masks, "%s/masks.safetensors", f->bench.save);
    (void)snprintf(f->weights, sizeof f->weights, "%s/model.safetensors", f->bench.save);
    f->with[0] = (lop_setting){"against", f->bench.model.folder};
    f->with[1] = (lop_setting){"masks", f->masks};
    f->with[2] = (lop_setting){NULL, NULL};
}

static void fixture_close(const fixture *f)
{
    bench_close(&f->bench);
}

static void byte_flip(const char *path, uint64_t at, unsigned char with)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    const int had = fgetc(file);
    assert_true(had != EOF);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_true(fputc(had ^ with, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

/* True if a finding names the tensor, and with `element` the element as well. */
static bool finds(const json_t *result, const char *tensor, const int64_t *element, size_t rank)
{
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(result, "failures"), i, line)
    {
        const char *name = json_string_value(json_object_get(line, "tensor"));
        const json_t *at = json_object_get(line, "element");
        if (tensor != NULL && (name == NULL || strcmp(name, tensor) != 0)) continue;
        if (element == NULL) return true;
        bool same = json_array_size(at) == rank;
        for (size_t d = 0; same && d < rank; d++)
            same = json_integer_value(json_array_get(at, d)) == element[d];
        if (same) return true;
    }
    return false;
}

static void must_find(const fixture *f, const lop_setting *settings, const char *tensor,
                      const int64_t *element, size_t rank)
{
    char *text = NULL;
    json_t *result = NULL;
    const lop_status status = verify_do(f->bench.save, settings, &text);
    if (status != LOP_E_VERIFY)
        fail_msg("verify gave %s after a change in %s", lop_status_name(status), tensor);
    prune_ok(lop_json_parse(text, strlen(text), &result));
    assert_true(json_is_false(json_object_get(result, "ok")));
    if (!finds(result, tensor, element, rank))
        fail_msg("%s is not named: %s", tensor ? tensor : "nothing", text);
    json_decref(result);
    lop_free(text);
}

static void must_pass(const fixture *f, const lop_setting *settings)
{
    char *text = NULL;
    const lop_status status = verify_do(f->bench.save, settings, &text);
    if (status != LOP_OK) fail_msg("%s: %s", lop_error(), text ? text : "");
    lop_free(text);
}

/* A change is found in every way that can find it, and forgotten. `report`: also by the report alone. */
static void change(const fixture *f, const char *path, uint64_t at, const char *tensor,
                   const int64_t *element, bool report)
{
    const char *kept = in_folder(f->bench.scratch, "report.kept"),
               *own = in_folder(f->bench.save, LOP_REPORT_NAME);
    byte_flip(path, at, 0x41);
    if (report) must_find(f, none, tensor, NULL, 0);
    must_find(f, f->with, tensor, element, 2);
    if (strcmp(path, own) != 0) {
        assert_int_equal(rename(own, kept), 0);
        must_find(f, f->with, tensor, element, 2);
        assert_int_equal(rename(kept, own), 0);
    }
    byte_flip(path, at, 0x41);
}

static uint64_t element_at(const lop_tensor *t, int64_t row, int64_t col)
{
    return t->at + (uint64_t)(row * t->shape[1] + col) * lop_dtype_group_bytes(t->dtype);
}

/* The first kept (1) or dropped (0) weight of a linear from row 3 on. */
static void weight_find(const pruned_model *p, int linear, uint8_t kept, int64_t element[2])
{
    int32_t rows, cols;
    uint8_t *keep = pruned_keep(p, 0, linear, &rows, &cols);
    int64_t i = 3 * (int64_t)cols;
    while (keep[i] != kept) i++;
    element[0] = i / cols;
    element[1] = i % cols;
    free(keep);
}

static void every_byte_counts(const made_shape *shape, const lop_setting *how)
{
    fixture f;
    pruned_model p;
    int64_t element[2];
    fixture_open(&f, *shape, how);
    pruned_open(&p, f.bench.save);
    must_pass(&f, none);
    must_pass(&f, f.with);
    for (int linear = 0; linear < LOP_LINEAR_COUNT; linear += 3) {
        const lop_tensor *t = p.net.blocks[0].linear[linear].weight;
        for (int kept = 0; kept < 2; kept++) {
            weight_find(&p, linear, (uint8_t)kept, element);
            change(&f, f.weights, element_at(t, element[0], element[1]), t->name, element, true);
        }
    }
    const lop_tensor *embedding = p.net.embedding;
    const int64_t place[2] = {7, 5};
    change(&f, f.weights, element_at(embedding, 7, 5), embedding->name, place, true);
    const lop_tensor *norm = p.net.norm_final.gain;
    change(&f, f.weights, norm->at, norm->name, NULL, true);
    pruned_close(&p);
    fixture_close(&f);
}

static void weights_f32(void **state)
{
    (void)state;
    const lop_setting how[] = {{"sparsity-ratio", "0.5"}, {NULL, NULL}};
    every_byte_counts(&(made_shape){.blocks = 1}, how);
}

static void weights_bf16(void **state)
{
    (void)state;
    const lop_setting how[] = {{"sparsity-type", "2:4"}, {"skip", "re:down"}, {NULL, NULL}};
    fixture f;
    fixture_open(&f, (made_shape){.blocks = 2, .dtype = LOP_DTYPE_BF16}, how);
    must_pass(&f, none);
    must_pass(&f, f.with);
    fixture_close(&f);
}

/* Written in a smaller type than the source's: what was kept is the source's, rounded. */
static void weights_rounded(void **state)
{
    (void)state;
    const lop_setting how[] = {{"sparsity-ratio", "0.5"}, {"dtype", "bf16"}, {NULL, NULL}};
    every_byte_counts(&(made_shape){.blocks = 1}, how);
}

static void headers(void **state)
{
    (void)state;
    fixture f;
    const lop_setting how[] = {{"sparsity-ratio", "0.5"}, {NULL, NULL}};
    fixture_open(&f, (made_shape){.blocks = 1}, how);
    lop_checkpoint *file = NULL;
    prune_ok(lop_checkpoint_open(f.bench.save, &file));
    const uint64_t size = 8 + lop_checkpoint_header(file, 0).size;
    lop_checkpoint_close(file);
    for (uint64_t at = 0; at < size; at += at < 16 ? 1 : 29) change(&f, f.weights, at, NULL, NULL, true);
    fixture_close(&f);
}

/* Any byte of the report and of the masks, blanks and digits alike. */
static void report_and_masks(void **state)
{
    (void)state;
    fixture f;
    const lop_setting how[] = {{"sparsity-ratio", "0.5"}, {NULL, NULL}};
    fixture_open(&f, (made_shape){.blocks = 1}, how);
    size_t size = 0;
    char *text = NULL;
    prune_ok(lop_file_read(in_folder(f.bench.save, LOP_REPORT_NAME), 1 << 24, &text, &size));
    lop_free(text);
    for (uint64_t at = 0; at < size; at += 61) {
        static const unsigned char bits[] = {0x01, 0x20, 0x29};
        for (int i = 0; i < 3; i++) {
            byte_flip(in_folder(f.bench.save, LOP_REPORT_NAME), at, bits[i]);
            must_find(&f, none, LOP_REPORT_NAME, NULL, 0);
            byte_flip(in_folder(f.bench.save, LOP_REPORT_NAME), at, bits[i]);
        }
    }
    lop_masks masks;
    prune_ok(lop_masks_open(f.masks, &masks));
    for (uint64_t at = 0; at < masks.header_bytes; at += 37)
        change(&f, f.masks, at, LOP_MASKS_NAME, NULL, true);
    for (int32_t i = 0; i < masks.count; i++)
        change(&f, f.masks, masks.at[i].at + masks.at[i].bytes / 2, masks.at[i].name, NULL, true);
    lop_masks_close(&masks);
    fixture_close(&f);
}

static void missing_things(void **state)
{
    (void)state;
    fixture f;
    char *text = NULL;
    const lop_setting how[] = {{"sparsity-ratio", "0.5"}, {NULL, NULL}};
    fixture_open(&f, (made_shape){.blocks = 1}, how);
    const lop_setting absent[] = {{"against", "/nowhere"}, {NULL, NULL}};
    prune_fails(verify_do(f.bench.save, absent, &text), LOP_E_FILE, "/nowhere");
    prune_fails(verify_do("/nowhere", none, &text), LOP_E_FILE, "/nowhere");
    const lop_setting again[] = {{"recompute", "1"}, {NULL, NULL}};
    prune_fails(verify_do(f.bench.save, again, &text), LOP_E_UNSUPPORTED, "recompute");
    assert_null(text);
    assert_int_equal(unlink(f.masks), 0);
    must_find(&f, none, LOP_MASKS_NAME, NULL, 0);
    assert_int_equal(unlink(in_folder(f.bench.save, LOP_REPORT_NAME)), 0);
    must_pass(&f, none); /* what the files show, and nothing to hold it against */
    const lop_setting source[] = {f.with[0], {NULL, NULL}};
    must_pass(&f, source);
    assert_int_equal(unlink(in_folder(f.bench.save, "model.safetensors")), 0);
    must_find(&f, source, NULL, NULL, 0);
    fixture_close(&f);
}

int test_prune_verify(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_f32), cmocka_unit_test(weights_bf16),     cmocka_unit_test(weights_rounded),
        cmocka_unit_test(headers),     cmocka_unit_test(report_and_masks), cmocka_unit_test(missing_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
