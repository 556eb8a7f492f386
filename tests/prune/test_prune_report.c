/* test_prune_report.c - the page over a report: its tables are the report, number for number, and no text of a report becomes
 * markup. */
#include "core/base/memory.h"
#include "tests/prune/groups.h"
#include "tests/prune/page_reader.h"
#include "tests/prune/report_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DASH "\xE2\x80\x93"

/* ---- the tables are the report */

static void same_real(const page_cell *cell, const json_t *value)
{
    char text[64];
    if (value == NULL || json_is_null(value)) {
        assert_string_equal(cell->text, DASH);
        return;
    }
    assert_true(cell->exact == json_number_value(value));
    (void)snprintf(text, sizeof text, "%#.9g", json_number_value(value));
    assert_string_equal(cell->text, text);
}

static void same_count(const page_cell *cell, const json_t *value)
{
    char text[64];
    if (value == NULL || json_is_null(value)) {
        assert_string_equal(cell->text, DASH);
        return;
    }
    (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    assert_string_equal(cell->text, text);
}

/* `keys` of counts and reals, from a row's cell `at` on: "zeros:i sparsity:r". */
static void same_row(const page_row *row, int at, const json_t *line, const char *keys)
{
    for (; *keys != '\0'; at++) {
        char key[32];
        const size_t size = strcspn(keys, " ");
        (void)snprintf(key, sizeof key, "%.*s", (int)size - 2, keys);
        assert_true(at < row->count);
        if (keys[size - 1] == 'r')
            same_real(&row->at[at], json_object_get(line, key));
        else
            same_count(&row->at[at], json_object_get(line, key));
        keys += size + (keys[size] == ' ');
    }
}

static void same_rows(const page_row *row, const json_t *line)
{
    const json_t *bins = json_object_get(line, "row_sparsity");
    assert_string_equal(row->at[0].text, json_string_value(json_object_get(line, "name")));
    assert_int_equal(row->count, 1 + LOP_ROW_BINS);
    for (size_t i = 0; i < LOP_ROW_BINS; i++) same_count(&row->at[1 + i], json_array_get(bins, i));
}

static void same_linears(const char *page, const json_t *report)
{
    page_row *linears = NULL, *rows = NULL;
    const size_t count = page_table(page, "linears", &linears), row_count = page_table(page, "rows", &rows);
    size_t i, j, at = 0, row = 0;
    json_t *block, *line;
    json_array_foreach(json_object_get(report, "blocks"), i, block)
    {
        json_array_foreach(json_object_get(block, "linears"), j, line)
        {
            assert_true(at < count);
            const page_row *r = &linears[at++];
            const json_t *shape = json_object_get(line, "shape");
            assert_string_equal(r->at[0].text, json_string_value(json_object_get(line, "name")));
            same_count(&r->at[1], json_object_get(block, "index"));
            same_count(&r->at[2], json_array_get(shape, 0));
            same_count(&r->at[3], json_array_get(shape, 1));
            same_row(r, 4, line, "dropped:i zeros:i zeros_before:i sparsity:r");
            if (json_object_get(line, "row_sparsity") == NULL) continue;
            assert_true(row < row_count);
            same_rows(&rows[row++], line);
        }
    }
    assert_int_equal(at, count);
    assert_int_equal(row, row_count);
    free(linears);
    free(rows);
}

static void same_blocks(const char *page, const json_t *report)
{
    page_row *rows = NULL;
    const json_t *blocks = json_object_get(report, "blocks");
    const size_t count = page_table(page, "blocks", &rows);
    assert_int_equal(count, json_array_size(blocks));
    for (size_t i = 0; i < count; i++)
        same_row(&rows[i], 0, json_array_get(blocks, i), "index:i seconds:r loss_before:r loss_after:r");
    free(rows);
}

static void same_whole(const char *page, const json_t *report)
{
    page_row *rows = NULL;
    assert_int_equal(page_table(page, "whole", &rows), 1);
    same_row(&rows[0], 0, json_object_get(report, "sparsity"),
             "target:r prunable:r all_parameters:r dropped:i zeros:i zeros_before:i prunable_weights:i "
             "parameters:i");
    free(rows);
    assert_int_equal(page_table(page, "cost", &rows), 1);
    same_row(&rows[0], 0, json_object_get(report, "seconds"), "total:r load:r calibrate:r learn:r write:r");
    same_row(&rows[0], 5, json_object_get(report, "peak_bytes"), "device:i host:i");
    free(rows);
}

static void the_page_is_the_report(void **state)
{
    (void)state;
    report_rig f;
    char *page = NULL;
    report_rig_open(&f);
    json_t *result = report_rig_draw(&f, f.bench.save, &page);
    assert_true(json_is_true(json_object_get(result, "sealed")));
    same_whole(page, f.report);
    same_blocks(page, f.report);
    same_linears(page, f.report);
    assert_int_equal(page_count(page, "<td class=\"dense\">dense</td>"), 1);
    assert_int_equal(page_count(page, "class=\"warn\""), 0);
    assert_non_null(strstr(page, ", pruned by wanda</h1>"));
    assert_non_null(strstr(page, "6 windows of 32 tokens"));
    assert_non_null(strstr(page, "matches --skip re:layers.1.*k_proj"));
    lop_free(page);
    json_decref(result);
    report_rig_close(&f);
}

/* ---- what learners add */

static void same_learning(const char *page, const json_t *report)
{
    size_t b, s, line = 0;
    json_t *block;
    page_row *linears = NULL;
    (void)page_table(page, "linears", &linears);
    json_array_foreach(json_object_get(report, "blocks"), b, block)
    {
        char id[32];
        page_row *rows = NULL;
        const json_t *learn = json_object_get(block, "learn"), *steps = json_object_get(learn, "steps");
        (void)snprintf(id, sizeof id, "steps-%zu", b);
        assert_int_equal(page_table(page, id, &rows), json_array_size(steps));
        for (s = 0; s < json_array_size(steps); s++) {
            same_real(&rows[s].at[1], json_array_get(json_array_get(steps, s), 0));
            same_real(&rows[s].at[2], json_array_get(json_array_get(steps, s), 1));
        }
        free(rows);
        for (s = 0; s < json_array_size(json_object_get(learn, "linears")); s++)
            same_real(&linears[line++].at[8],
                      json_object_get(json_array_get(json_object_get(learn, "linears"), s), "expected"));
    }
    free(linears);
}

static void learning_is_drawn(void **state)
{
    (void)state;
    report_rig f;
    report_rig_open(&f);
    static const size_t steps[][2] = {{64, 700}, {1, 2}, {8, 0}};
    for (size_t i = 0; i < 3; i++) {
        char *page = NULL;
        for (size_t b = 0; b < 2; b++) {
            json_t *block = json_array_get(json_object_get(f.report, "blocks"), b);
            (void)json_object_set_new(
                block, "learn",
                report_rig_learning(steps[i][b], json_object_get(block, "linears"), b == 0 ? 0.2 : 3e-9));
        }
        report_rig_put(&f, f.report, true);
        json_t *result = report_rig_draw(&f, f.other, &page);
        assert_true(json_is_true(json_object_get(result, "sealed")));
        same_learning(page, f.report);
        same_linears(page, f.report);
        assert_int_equal(page_count(page, "<title>Learning in block"), steps[i][1] > 0 ? 2 : 1);
        assert_true(strstr(page, "nan") == NULL && strstr(page, "inf ") == NULL);
        lop_free(page);
        json_decref(result);
    }
    report_rig_close(&f);
}

/* ---- less than all */

static void without(json_t *object, const char *const *keys)
{
    for (; *keys != NULL; keys++) (void)json_object_del(object, *keys);
}

static void older_reports_are_drawn(void **state)
{
    (void)state;
    static const char *const head[] = {"schema",       "version", "command", "model",      "model_sha256",
                                       "options",      "seed",    "backend", "device",     "calibration",
                                       "seconds",      "skipped", "files",   "peak_bytes", "untouched",
                                       "masks_sha256", NULL};
    static const char *const sparsity[] = {"target",  "all_parameters", "dropped",
                                           "zeros",   "zeros_before",   "prunable_weights",
                                           "pattern", "parameters",     NULL};
    static const char *const lines[] = {"dropped", "zeros_before", "row_sparsity", "sha256", NULL};
    static const char *const blocks[] = {"seconds", "loss_before", "loss_after", NULL};
    report_rig f;
    char *page = NULL;
    size_t i, j;
    json_t *block, *line;
    report_rig_open(&f);
    without(f.report, head);
    without(json_object_get(f.report, "sparsity"), sparsity);
    json_array_foreach(json_object_get(f.report, "blocks"), i, block)
    {
        without(block, blocks);
        json_array_foreach(json_object_get(block, "linears"), j, line) without(line, lines);
    }
    report_rig_put(&f, f.report, true);
    json_t *result = report_rig_draw(&f, f.other, &page);
    same_linears(page, f.report);
    same_blocks(page, f.report);
    same_whole(page, f.report);
    assert_non_null(strstr(page, "No losses were computed"));
    assert_non_null(strstr(page, "does not say what each row lost"));
    assert_non_null(strstr(page, "<h1>a model, pruned by wanda</h1>"));
    lop_free(page);
    json_decref(result);
    (void)json_array_clear(json_object_get(f.report, "blocks"));
    report_rig_put(&f, f.report, true);
    json_decref(report_rig_draw(&f, f.other, &page));
    lop_free(page);
    report_rig_close(&f);
}

static void a_broken_seal_is_said(void **state)
{
    (void)state;
    report_rig f;
    char *page = NULL;
    report_rig_open(&f);
    (void)json_object_set_new(f.report, "seed", json_integer(7));
    report_rig_put(&f, f.report, false);
    json_t *result = report_rig_draw(&f, f.other, &page);
    assert_true(json_is_false(json_object_get(result, "sealed")));
    assert_non_null(strstr(page, "This report was changed after it was written."));
    lop_free(page);
    json_decref(result);
    (void)json_object_del(f.report, "report_sha256");
    report_rig_put(&f, f.report, false);
    result = report_rig_draw(&f, f.other, &page);
    assert_true(json_is_false(json_object_get(result, "sealed")));
    assert_non_null(strstr(page, "This report has no digest of itself."));
    lop_free(page);
    json_decref(result);
    report_rig_close(&f);
}

static void no_text_becomes_markup(void **state)
{
    (void)state;
    static const char hostile[] = "</title><script>alert('1 & \"2\"')</script>\x01\xF0\x9F\x8D\x83&lt;";
    static const char *const heads[] = {"model", "method", "model_sha256", "version", "backend", "device"};
    report_rig f;
    char *page = NULL;
    page_row *rows = NULL;
    char name[4000];
    report_rig_open(&f);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        (void)json_object_set_new(f.report, heads[i], json_string(hostile));
    (void)json_object_set_new(json_object_get(f.report, "options"), hostile,
                              json_pack("{s:s}", hostile, hostile));
    (void)json_object_set_new(json_object_get(f.report, "calibration"), "file", json_string(hostile));
    (void)json_object_set_new(json_object_get(f.report, "sparsity"), "pattern", json_string(hostile));
    (void)json_object_set_new(f.report, "command", json_pack("[s,s,i,n]", hostile, "it's", 3));
    json_t *line =
        json_array_get(json_object_get(json_array_get(json_object_get(f.report, "blocks"), 0), "linears"), 0);
    (void)json_object_set_new(line, "name", json_string(hostile));
    memset(name, 'n', sizeof name);
    for (size_t i = 0; i + 2 < sizeof name; i += 2) memcpy(name + i, "\xC3\xA9", 2);
    name[sizeof name - 2] = '\0';
    json_t *second =
        json_array_get(json_object_get(json_array_get(json_object_get(f.report, "blocks"), 0), "linears"), 1);
    (void)json_object_set_new(second, "name", json_string(name));
    (void)json_object_set_new(second, "sparsity", json_real(0.99));
    report_rig_put(&f, f.report, true);
    json_decref(report_rig_draw(&f, f.other, &page));
    assert_true(lop_utf8_valid(page, strlen(page), NULL));
    assert_true(page_table(page, "linears", &rows) > 0);
    assert_string_equal(rows[0].at[0].text,
                        "</title><script>alert('1 & \"2\"')</script> \xF0\x9F\x8D\x83&lt;");
    assert_non_null(strstr(page, "&#39;it&#39;\\&#39;&#39;s&#39;")); /* as a shell takes it */
    free(rows);
    lop_free(page);
    report_rig_close(&f);
}

int test_prune_report(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_the_report),  cmocka_unit_test(learning_is_drawn),
        cmocka_unit_test(older_reports_are_drawn), cmocka_unit_test(a_broken_seal_is_said),
        cmocka_unit_test(no_text_becomes_markup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
