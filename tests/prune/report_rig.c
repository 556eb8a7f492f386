/* report_rig.c - reports, and pages over them. */
#include "tests/prune/report_rig.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/prune/report_page.h"
#include "tests/prune/page_reader.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void report_rig_open(report_rig *f)
{
    bench_open(&f->bench, (made_shape){.blocks = 2});
    const lop_setting how[] = {{"sparsity-ratio", "0.43"},
                               {"scope", "linear"},
                               {"losses", "on"},
                               {"skip", "re:layers.1.*k_proj"},
                               {NULL, NULL}};
    const prune_try t = bench_try(&f->bench, "wanda", how);
    f->report = prune_report(&t);
    (void)snprintf(f->page, sizeof f->page, "%s/page.html", f->bench.scratch);
    (void)snprintf(f->other, sizeof f->other, "%s/changed", f->bench.scratch);
    prune_ok(lop_folder_make(f->other));
}

void report_rig_close(report_rig *f)
{
    json_decref(f->report);
    bench_close(&f->bench);
}

json_t *report_rig_draw(const report_rig *f, const char *folder, char **page)
{
    char *text = NULL;
    size_t size = 0;
    json_t *result = NULL;
    prune_ok(lop_report_page(folder, f->page, NULL, &text));
    prune_ok(lop_json_parse(text, strlen(text), &result));
    lop_free(text);
    prune_ok(lop_file_read(f->page, 1 << 26, &text, &size));
    assert_true(json_at(result, "bytes") == (double)size);
    assert_string_equal(json_string_value(json_object_get(result, "page")), f->page);
    page_check(text);
    *page = text;
    return result;
}

void report_rig_put_text(const report_rig *f, const char *text, size_t size)
{
    prune_ok(lop_file_write_atomic(in_folder(f->other, LOP_REPORT_NAME), text, size));
}

void report_rig_put(const report_rig *f, json_t *report, bool sealed)
{
    char *text = NULL;
    size_t size = 0;
    if (sealed) prune_ok(lop_report_seal(report));
    prune_ok(lop_report_text(report, &text, &size));
    report_rig_put_text(f, text, size);
    lop_free(text);
}

json_t *report_rig_learning(size_t steps, const json_t *linears, double loss)
{
    json_t *all = json_array(), *expected = json_array();
    for (size_t s = 0; s < steps; s++) {
        const double value = loss * (0.6 + 0.4 * exp(-(double)s / 9.0)) * (s % 3 == 1 ? 1.07 : 1.0);
        (void)json_array_append_new(all, s == 5 ? json_pack("[n,f]", 0.5)
                                                : json_pack("[f,f]", value, 0.43 + 0.01 / (double)(s + 1)));
    }
    for (size_t i = 0; i < json_array_size(linears); i++)
        (void)json_array_append_new(expected, json_pack("{s:O, s:f}", "name",
                                                        json_object_get(json_array_get(linears, i), "name"),
                                                        "expected", 0.4 + 0.01 * (double)i));
    return json_pack("{s:o, s:o}", "steps", all, "linears", expected);
}
