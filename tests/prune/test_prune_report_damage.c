/* test_prune_report_damage.c - reports that are damaged, places that a page may not go, and memory that runs out: one
 * sentence each, and nothing is lost. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/prune/report_page.h"
#include "tests/harness/ladder.h"
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

/* The value at a path like "blocks.0.linears.0.zeros" becomes `value`, JSON text; NULL takes it away. */
static void change(json_t *root, const char *path, const char *value)
{
    char key[64];
    json_t *new = value != NULL ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    for (;;) {
        const size_t size = strcspn(path, ".");
        (void)snprintf(key, sizeof key, "%.*s", (int)size, path);
        if (path[size] == '\0') break;
        root =
            json_is_array(root) ? json_array_get(root, strtoul(key, NULL, 10)) : json_object_get(root, key);
        assert_non_null(root);
        path += size + 1;
    }
    if (json_is_array(root))
        (void)json_array_set_new(root, strtoul(key, NULL, 10), new);
    else if (new != NULL)
        (void)json_object_set_new(root, key, new);
    else
        (void)json_object_del(root, key);
}

static const struct {
    const char *path, *value, *words;
} damages[] = {
    {"schema", "2", "schema"},
    {"schema", "\"one\"", "schema"},
    {"method", NULL, "\"method\" is missing"},
    {"method", "[]", "method"},
    {"model", "7", "\"model\" is a whole number, expected a string"},
    {"sparsity", NULL, "\"sparsity\" is missing"},
    {"sparsity", "[1]", "expected an object"},
    {"sparsity.prunable", "1.5", "from 0 to 1"},
    {"sparsity.prunable", "null", "\"prunable\" is missing"},
    {"sparsity.zeros", "-1", "zeros"},
    {"sparsity.parameters", "1e300", "parameters"},
    {"seconds", "true", "seconds"},
    {"seconds.total", "1e300", "total"},
    {"peak_bytes.host", "-3", "host"},
    {"calibration", "\"text\"", "calibration"},
    {"calibration.tokens", "0.5", "tokens"},
    {"options", "[]", "options"},
    {"command", "{}", "command"},
    {"skipped", "7", "skipped"},
    {"skipped.0", "7", "\"name\" is missing"},
    {"skipped.0.name", "{}", "name"},
    {"blocks", NULL, "\"blocks\" is missing"},
    {"blocks", "{}", "blocks"},
    {"blocks.1", "null", "entry 1 of blocks"},
    {"blocks.1.index", NULL, "\"index\" is missing"},
    {"blocks.1.index", "-1", "index"},
    {"blocks.1.loss_after", "-0.5", "loss_after"},
    {"blocks.1.loss_after", "\"NaN\"", "loss_after"},
    {"blocks.1.loss_before", "1e200", "loss_before"},
    {"blocks.1.linears", NULL, "\"linears\" is missing"},
    {"blocks.1.linears.2", "[]", "a linear is an array"},
    {"blocks.1.linears.2.name", NULL, "\"name\" is missing"},
    {"blocks.1.linears.2.name", "\"model.layers.1.self_attn.q_proj.weight\"", "twice"},
    {"blocks.1.linears.2.shape", "[64]", "1 sides"},
    {"blocks.1.linears.2.shape", "[64, 0]", "shape"},
    {"blocks.1.linears.2.shape", "[64, 4294967296]", "shape"},
    {"blocks.1.linears.2.zeros", "1000000", "zeros"},
    {"blocks.1.linears.2.zeros", NULL, "\"zeros\" is missing"},
    {"blocks.1.linears.2.sparsity", "-0.1", "sparsity"},
    {"blocks.1.linears.2.row_sparsity", "[1,2,3]", "3 bins, expected 20"},
    {"blocks.1.linears.2.row_sparsity.4", "0.5", "row_sparsity"},
    {"blocks.1.linears.2.row_sparsity", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]", "counts 1 rows"},
    {"blocks.1.learn", "[]", "learn"},
    {"blocks.1.learn", "{\"blocks\": [0]}", "[first, last]"},
    {"blocks.1.learn", "{\"blocks\": [0, 0]}", "[first, last]"},
    {"blocks.1.learn", "{\"blocks\": [0, 5000000000]}", "[first, last]"},
    {"blocks.1.learn", "{\"steps\": 7}", "steps"},
    {"blocks.1.learn", "{\"steps\": [7]}", "expected [loss, sparsity]"},
    {"blocks.1.learn", "{\"steps\": [[1, 2, 3]]}", "expected [loss, sparsity]"},
    {"blocks.1.learn", "{\"steps\": [[-1, 0.5]]}", "out of range"},
    {"blocks.1.learn", "{\"steps\": [[1, 1.5]]}", "out of range"},
    {"blocks.1.learn", "{\"steps\": [[1, \"a\"]]}", "holds a string"},
    {"blocks.1.learn", "{\"linears\": [{\"name\": \"x\", \"expected\": 2}]}", "expected"},
};

/* Refused in one line that says what and where, and the last page is still there. */
static void refused(const report_rig *f, lop_status want, const char *words)
{
    char *result = NULL;
    const lop_status status = lop_report_page(f->other, f->page, NULL, &result);
    if (status != want)
        fail_msg("%s: %s where %s was due", words, lop_status_name(status), lop_status_name(want));
    if (strstr(lop_error(), words) == NULL) fail_msg("\"%s\" does not say \"%s\"", lop_error(), words);
    assert_non_null(strstr(lop_error(), LOP_REPORT_NAME));
    assert_null(strchr(lop_error(), '\n'));
    assert_null(result);
}

static void damage_gets_a_sentence(void **state)
{
    (void)state;
    report_rig f;
    report_rig_open(&f);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        json_t *copy = json_deep_copy(f.report);
        change(copy, damages[i].path, damages[i].value);
        report_rig_put(&f, copy, i % 2 == 0);
        refused(&f, i == 0 ? LOP_E_UNSUPPORTED : LOP_E_FORMAT, damages[i].words);
        json_decref(copy);
    }
    report_rig_put_text(&f, "[1]", 3);
    refused(&f, LOP_E_FORMAT, "an array, expected an object");
    assert_false(lop_path_is_file(f.page));
    report_rig_close(&f);
}

/* Lists longer than any model's. */
static void too_much_is_refused(void **state)
{
    (void)state;
    report_rig f;
    report_rig_open(&f);
    json_t *blocks = json_object_get(f.report, "blocks"), *first = json_array_get(blocks, 0);
    json_t *linears = json_object_get(first, "linears"), *many = json_deep_copy(json_array_get(linears, 0));
    for (int i = 0; i < 70; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "linear %d", i);
        (void)json_object_set_new(many, "name", json_string(name));
        (void)json_array_append_new(linears, json_deep_copy(many));
    }
    report_rig_put(&f, f.report, true);
    refused(&f, LOP_E_FORMAT, "expected at most 64");
    while (json_array_size(linears) > 40) (void)json_array_remove(linears, 40);
    for (int i = 0; i < 40; i++) { /* 40 in one block, 40 others in the next */
        char name[32];
        (void)snprintf(name, sizeof name, "other %d", i);
        (void)json_object_set_new(many, "name", json_string(name));
        (void)json_array_append_new(json_object_get(json_array_get(blocks, 1), "linears"),
                                    json_deep_copy(many));
    }
    report_rig_put(&f, f.report, true);
    refused(&f, LOP_E_FORMAT, "more than 64 linears of different names");
    while (json_array_size(blocks) < 4100) (void)json_array_append(blocks, first);
    report_rig_put(&f, f.report, true);
    refused(&f, LOP_E_FORMAT, "4100 blocks, expected at most 4096");
    json_decref(many);
    report_rig_close(&f);
}

/* Cut anywhere, or with bytes changed anywhere: a sentence, or a page that is well formed. */
static void random_damage(void **state)
{
    (void)state;
    report_rig f;
    char *text = NULL, *page = NULL;
    size_t size = 0;
    unsigned seed = 11;
    report_rig_open(&f);
    prune_ok(lop_file_read(in_folder(f.bench.save, LOP_REPORT_NAME), 1 << 24, &text, &size));
    for (size_t cut = 0; cut + 2 < size; cut += 1 + cut / 5) {
        report_rig_put_text(&f, text, cut);
        refused(&f, LOP_E_FORMAT, "");
    }
    int drawn = 0;
    for (int i = 0; i < 300; i++) {
        char *result = NULL, kept[3];
        size_t at[3];
        for (int k = 0; k < 3; k++) {
            seed = seed * 1103515245u + 12345u;
            at[k] = seed % size;
            kept[k] = text[at[k]];
            text[at[k]] = (char)("0123456789,:[]{}\"x"[seed / 65536u % 18u]);
        }
        report_rig_put_text(&f, text, size);
        const lop_status status = lop_report_page(f.other, f.page, NULL, &result);
        assert_true(status == LOP_OK || status == LOP_E_FORMAT || status == LOP_E_UNSUPPORTED);
        lop_free(result);
        for (int k = 3; k-- > 0;) text[at[k]] = kept[k];
        if (status != LOP_OK) continue;
        size_t page_size = 0;
        prune_ok(lop_file_read(f.page, 1 << 26, &page, &page_size));
        page_check(page);
        lop_free(page);
        drawn++;
    }
    assert_true(drawn > 10 && drawn < 290);
    lop_free(text);
    report_rig_close(&f);
}

/* ---- where it goes */

static void places(void **state)
{
    (void)state;
    report_rig f;
    char *result = NULL, *kept = NULL, *now = NULL;
    size_t size = 0, now_size = 0;
    report_rig_open(&f);
    const char *report = in_folder(f.bench.save, LOP_REPORT_NAME);
    prune_ok(lop_file_read(report, 1 << 24, &kept, &size));
    prune_fails(lop_report_page(f.bench.save, report, NULL, &result), LOP_E_ARGUMENT, "is no page");
    prune_fails(lop_report_page(f.bench.save, in_folder(f.bench.save, "model.safetensors"), NULL, &result),
                LOP_E_ARGUMENT, "is no page");
    prune_fails(lop_report_page(f.bench.save, f.other, NULL, &result), LOP_E_ARGUMENT, "is a folder");
    prune_fails(lop_report_page(f.bench.save, in_folder(f.other, "none/page.html"), NULL, &result),
                LOP_E_OUTPUT, "page.html");
    prune_fails(lop_report_page(f.other, f.page, NULL, &result), LOP_E_FILE, "has no prune_report.json");
    prune_fails(lop_report_page("/nowhere", f.page, NULL, &result), LOP_E_FILE, "/nowhere");
    prune_ok(lop_file_read(report, 1 << 24, &now, &now_size));
    assert_int_equal(size, now_size);
    assert_memory_equal(kept, now, size);
    assert_null(result);
    for (int i = 0; i < 2; i++) { /* over nothing, and over the page before */
        prune_ok(lop_report_page(f.bench.save, f.page, NULL, &result));
        lop_free(result);
    }
    lop_free(now);
    lop_free(kept);
    report_rig_close(&f);
}

static lop_status page_once(void *context)
{
    const report_rig *f = context;
    char *result = NULL;
    const lop_status status = lop_report_page(f->other, f->page, NULL, &result);
    lop_free(result);
    return status;
}

static void memory_runs_out(void **state)
{
    (void)state;
    report_rig f;
    report_rig_open(&f);
    json_t *blocks = json_object_get(f.report, "blocks"), *first = json_array_get(blocks, 0);
    (void)json_object_set_new(first, "learn",
                              report_rig_learning(12, json_object_get(first, "linears"), 0.3));
    (void)json_array_remove(blocks, 1);
    report_rig_put(&f, f.report, true);
    assert_true(ladder_climb(page_once, &f) > 20);
    report_rig_close(&f);
}

int test_prune_report_damage(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_gets_a_sentence), cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(random_damage),          cmocka_unit_test(places),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
