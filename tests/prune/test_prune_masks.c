/* test_prune_masks.c - masks put back into a model that was trained on, compared, combined; and files that are no masks.
 */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The verb's result; NULL with the status. */
static lop_status mask_do(const char *verb, const lop_setting *settings, json_t **out)
{
    lop_option_set set = {.table_count = 1};
    lop_settings opened;
    char *text = NULL;
    int count = 0;
    set.tables[0] = lop_mask_options(&set.counts[0]);
    while (settings[count].name != NULL) count++;
    *out = NULL;
    LOP_TRY(lop_settings_open(&set, settings, count, &opened));
    const lop_status status = lop_mask_run(verb, &opened, NULL, &text);
    if (status == LOP_OK) prune_ok(lop_json_parse(text, strlen(text), out));
    lop_free(text);
    lop_settings_close(&opened);
    return status;
}

/* Two prunes of one model, in b->save and b->other. */
static void two_prunes(prune_bench *b)
{
    bench_open(
        b, (made_shape){.blocks = 2, .hidden = 60, .ffn = 100, .heads = 3, .kv_heads = 3, .head_dim = 20});
    const lop_setting how[] = {{"sparsity-ratio", "0.4"}, {NULL, NULL}};
    prune_try t = bench_try(b, "wanda", how);
    json_decref(prune_report(&t));
    t = bench_try(b, "magnitude", how);
    t.save = bench_other(b, "second");
    json_decref(prune_report(&t));
}

/* Masks of a prune applied to the dense model give the pruned model's weights again. */
static void apply(void **state)
{
    (void)state;
    prune_bench b;
    json_t *result = NULL;
    char masks[128], *left = NULL, *right = NULL;
    size_t sizes[2];
    two_prunes(&b);
    (void)snprintf(masks, sizeof masks, "%s", in_folder(b.save, LOP_MASKS_NAME));
    const char *save = in_folder(b.scratch, "applied");
    const lop_setting how[] = {{"masks", masks}, {"model", b.model.folder}, {"save", save}, {NULL, NULL}};
    prune_ok(mask_do("apply", how, &result));
    prune_ok(lop_file_read(in_folder(b.save, "model.safetensors"), 1 << 26, &left, &sizes[0]));
    prune_ok(lop_file_read(in_folder(b.scratch, "applied/model.safetensors"), 1 << 26, &right, &sizes[1]));
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(left, right, sizes[0]);
    lop_free(left);
    lop_free(right);
    json_decref(result);
    prune_fails(mask_do("apply", how, &result), LOP_E_ARGUMENT, "--force");
    bench_close(&b);
}

static void diff_and_union(void **state)
{
    (void)state;
    prune_bench b;
    json_t *diff = NULL, *joined = NULL, *again = NULL;
    char one[128], two[128], both[128];
    two_prunes(&b);
    (void)snprintf(one, sizeof one, "%s", in_folder(b.save, LOP_MASKS_NAME));
    (void)snprintf(two, sizeof two, "%s", in_folder(b.other, LOP_MASKS_NAME));
    (void)snprintf(both, sizeof both, "%s", in_folder(b.scratch, "both.safetensors"));
    const lop_setting pair[] = {{"masks", one}, {"other", two}, {NULL, NULL}};
    const lop_setting unite[] = {{"masks", one}, {"other", two}, {"save", both}, {NULL, NULL}};
    const lop_setting within[] = {{"masks", both}, {"other", one}, {NULL, NULL}};
    prune_ok(mask_do("diff", pair, &diff));
    prune_ok(mask_do("union", unite, &joined));
    prune_ok(mask_do("diff", within, &again));
    const double dropped = json_at(diff, "both_dropped") + json_at(diff, "only_first_keeps") +
                           json_at(diff, "only_second_keeps");
    assert_true(json_at(joined, "dropped") == dropped);
    assert_true(json_at(again, "only_first_keeps") == 0.0); /* the union keeps nothing that the first drops */
    assert_true(json_at(diff, "agreement") < 1.0 && json_at(diff, "agreement") > 0.3);
    json_decref(diff);
    json_decref(joined);
    json_decref(again);
    prune_fails(mask_do("union", unite, &again), LOP_E_ARGUMENT, "already");
    bench_close(&b);
}

static void wrong_calls(void **state)
{
    (void)state;
    prune_bench b;
    json_t *result = NULL;
    char one[128];
    two_prunes(&b);
    (void)snprintf(one, sizeof one, "%s", in_folder(b.save, LOP_MASKS_NAME));
    const lop_setting alone[] = {{"masks", one}, {NULL, NULL}};
    const lop_setting model[] = {
        {"masks", in_folder(b.save, "model.safetensors")}, {"other", one}, {NULL, NULL}};
    const lop_setting absent[] = {{"masks", "/nowhere"}, {"other", one}, {NULL, NULL}};
    prune_fails(mask_do("invert", alone, &result), LOP_E_ARGUMENT, "apply, diff and union");
    prune_fails(mask_do("diff", alone, &result), LOP_E_ARGUMENT, "--other");
    prune_fails(mask_do("diff", model, &result), LOP_E_FORMAT, "__metadata__");
    prune_fails(mask_do("diff", absent, &result), LOP_E_FILE, "/nowhere");
    bench_close(&b);
}

/* A file of masks cut short anywhere, or of random bytes, is refused. */
static void hostile_files(void **state)
{
    (void)state;
    prune_bench b;
    char *bytes = NULL;
    size_t size = 0;
    unsigned seed = 7;
    two_prunes(&b);
    prune_ok(lop_file_read(in_folder(b.save, LOP_MASKS_NAME), 1 << 24, &bytes, &size));
    const char *path = in_folder(b.scratch, "cut.safetensors");
    for (size_t cut = 0; cut < size; cut += 1 + cut / 3) {
        lop_masks masks;
        prune_ok(lop_file_write_atomic(path, bytes, cut));
        const lop_status status = lop_masks_open(path, &masks);
        assert_true(status == LOP_E_FORMAT);
    }
    for (int i = 0; i < 400; i++) {
        lop_masks masks;
        for (int k = 0; k < 3; k++) {
            seed = seed * 1103515245u + 12345u;
            bytes[seed / 65536u % 600u] = (char)(seed >> 8);
        }
        prune_ok(lop_file_write_atomic(path, bytes, size));
        const lop_status status = lop_masks_open(path, &masks);
        assert_true(status == LOP_E_FORMAT);
    }
    lop_free(bytes);
    bench_close(&b);
}

int test_prune_masks(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apply),
        cmocka_unit_test(diff_and_union),
        cmocka_unit_test(wrong_calls),
        cmocka_unit_test(hostile_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
