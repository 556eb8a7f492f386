/* test_prune_rows.c - how many rows lost which part: counted, in the report, and held against the masks by verify. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/prune/sparsity.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"
#include "tests/prune/pruned_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The bin of a row by the definition, in exact fractions: the largest i with i / 20 <= dropped / cols, at most 19. */
static int bin_of(int64_t dropped, int64_t cols)
{
    int bin = 0;
    while (bin < LOP_ROW_BINS - 1 && (int64_t)(bin + 1) * cols <= dropped * LOP_ROW_BINS) bin++;
    return bin;
}

static void rows_of_every_length(void **state)
{
    (void)state;
    static const int32_t widths[] = {1, 7, 8, 9, 20, 63, 64, 65, 128, 200, 1000};
    unsigned seed = 3;
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        const int32_t cols = widths[w], rows = cols + 3, line = (cols + 7) / 8;
        unsigned char *bits = calloc((size_t)rows, (size_t)line);
        int64_t want[LOP_ROW_BINS] = {0}, have[LOP_ROW_BINS], all = 0;
        assert_non_null(bits);
        for (int32_t r = 0; r < rows; r++) { /* row r drops about r of `cols` */
            int64_t dropped = 0;
            for (int32_t c = 0; c < cols; c++) {
                seed = seed * 1103515245u + 12345u;
                const bool kept = (int32_t)(seed / 65536u % (unsigned)cols) >= r;
                if (kept) bits[r * line + c / 8] |= (unsigned char)(0x80 >> c % 8);
                dropped += !kept;
            }
            want[bin_of(dropped, cols)]++;
            all += dropped;
        }
        assert_true(lop_keep_count_rows(bits, rows, cols, have) == all);
        assert_memory_equal(have, want, sizeof want);
        free(bits);
    }
}

/* The line of a linear in a report. */
static json_t *line_of(const json_t *report, const char *name)
{
    size_t i, j;
    json_t *block, *line;
    json_array_foreach(json_object_get(report, "blocks"), i, block)
    {
        json_array_foreach(json_object_get(block, "linears"), j,
                           line) if (strcmp(json_string_value(json_object_get(line, "name")), name) ==
                                     0) return line;
    }
    fail_msg("the report has no %s", name);
    return NULL;
}

static void line_is_right(const json_t *line, const uint8_t *keep, int32_t rows, int32_t cols)
{
    int64_t want[LOP_ROW_BINS] = {0};
    const json_t *bins = json_object_get(line, "row_sparsity");
    for (int32_t r = 0; r < rows; r++) {
        int64_t dropped = 0;
        for (int32_t c = 0; c < cols; c++) dropped += keep == NULL ? 0 : !keep[(int64_t)r * cols + c];
        want[bin_of(dropped, cols)]++;
    }
    assert_int_equal(json_array_size(bins), LOP_ROW_BINS);
    for (size_t i = 0; i < LOP_ROW_BINS; i++)
        assert_true(json_integer_value(json_array_get(bins, i)) == want[i]);
}

static void the_report_counts_the_masks(void **state)
{
    (void)state;
    prune_bench b;
    pruned_model p;
    bench_open(&b, (made_shape){.blocks = 2});
    const lop_setting how[] = {
        {"sparsity-ratio", "0.43"}, {"scope", "linear"}, {"skip", "re:layers.1.*up_proj"}, {NULL, NULL}};
    const prune_try t = bench_try(&b, "magnitude", how);
    json_t *report = prune_report(&t);
    pruned_open(&p, b.save);
    for (int32_t block = 0; block < 2; block++)
        for (int linear = 0; linear < LOP_LINEAR_COUNT; linear++) {
            const lop_linear_file *l = &p.net.blocks[block].linear[linear];
            const json_t *line = line_of(report, l->weight->name);
            int32_t rows, cols;
            const bool skipped = lop_masks_find(&p.masks, l->weight->name) == NULL;
            uint8_t *keep = skipped ? NULL : pruned_keep(&p, block, linear, &rows, &cols);
            line_is_right(line, keep, l->out, l->in);
            free(keep);
        }
    pruned_close(&p);
    json_decref(report);
    bench_close(&b);
}

/* A report that agrees with itself and not with the masks. */
static void verify_counts_again(void **state)
{
    (void)state;
    static const lop_setting none[] = {{NULL, NULL}};
    prune_bench b;
    char *text = NULL, *found = NULL;
    size_t size = 0;
    bench_open(&b, (made_shape){.blocks = 1});
    const lop_setting how[] = {{"sparsity-ratio", "0.5"}, {NULL, NULL}};
    const prune_try t = bench_try(&b, "wanda", how);
    json_t *report = prune_report(&t);
    const char *name = "model.layers.0.mlp.down_proj.weight";
    json_t *bins = json_object_get(line_of(report, name), "row_sparsity");
    (void)json_array_set_new(bins, 3, json_integer(1));
    prune_ok(lop_report_seal(report));
    prune_ok(lop_report_text(report, &text, &size));
    prune_ok(lop_file_write_atomic(in_folder(b.save, LOP_REPORT_NAME), text, size));
    prune_fails(verify_do(b.save, none, &found), LOP_E_VERIFY, "down_proj");
    assert_non_null(strstr(found, "of 0 rows the mask drops 3/20 to 4/20, the report says of 1"));
    lop_free(found);
    lop_free(text);
    json_decref(report);
    bench_close(&b);
}

int test_prune_rows(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_every_length),
        cmocka_unit_test(the_report_counts_the_masks),
        cmocka_unit_test(verify_counts_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
