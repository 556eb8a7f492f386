/* test_page.c - escaping, numbers for people, axes, and what happens to a page when memory runs out. */
#include "core/base/memory.h"
#include "core/page/figures.h"
#include "core/page/sheet.h"
#include "core/page/svg.h"
#include "tests/page/page_groups.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void says(const char *text, const char *want)
{
    lop_markup m = {.status = LOP_OK};
    lop_markup_say(&m, text);
    assert_int_equal(m.status, LOP_OK);
    assert_string_equal(m.text.at ? m.text.at : "", want);
    lop_markup_close(&m);
}

static void texts_are_escaped(void **state)
{
    (void)state;
    says("a < b & c > \"d\" 'e'", "a &lt; b &amp; c &gt; &quot;d&quot; &#39;e&#39;");
    says("</script><b>", "&lt;/script&gt;&lt;b&gt;");
    says("one\x01two\x7f\n\xEF\xBF\xBF.", "one two   .");
    says("\xC3\xA9\xE2\x80\xAF\xF0\x9F\x8D\x83", "\xC3\xA9\xE2\x80\xAF\xF0\x9F\x8D\x83");
    says("", "");
}

typedef void figures_fn(double value, char *out, size_t size);

static void reads(figures_fn *fn, double value, const char *want)
{
    char text[LOP_FIGURES_SIZE];
    fn(value, text, sizeof text);
    assert_string_equal(text, want);
}

static void counts(double value, char *out, size_t size)
{
    lop_figures_count((int64_t)value, out, size);
}

static void numbers_are_for_people(void **state)
{
    (void)state;
    reads(lop_figures, 0.0, "0.00");
    reads(lop_figures, 1234.5, "1234");
    reads(lop_figures, 0.0123456, "0.0123");
    reads(lop_figures_far, 0.0, "0");
    reads(lop_figures_far, 0.00895, "0.00895");
    reads(lop_figures_far, 3.217e-9, "3.22e-09");
    reads(lop_figures_far, 4e12, "4.00e+12");
    reads(counts, 7, "7");
    reads(counts, 786432,
          "786\xE2\x80\xAF"
          "432");
    reads(counts, -1234567,
          "-1\xE2\x80\xAF"
          "234\xE2\x80\xAF"
          "567");
    reads(counts, -123, "-123");
    reads(lop_figures_bytes, 12.0, "12 B");
    reads(lop_figures_bytes, 8015872.0, "7.64 MiB");
    reads(lop_figures_bytes, 1e18, "909495 TiB");
    reads(lop_figures_seconds, 0.0954, "95.4 ms");
    reads(lop_figures_seconds, 75.04, "75.0 s");
    reads(lop_figures_seconds, 725.0, "12 min 5 s");
    reads(lop_figures_seconds, 4800.0, "1 h 20 min");
    char small[8];
    lop_figures_count(1234567890, small, sizeof small);
    assert_true(strlen(small) < sizeof small);
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void axes_place_values(void **state)
{
    (void)state;
    const lop_svg_axis tens = lop_svg_axis_over(0.003, 40.0, 0.0, 100.0);
    assert_true(near(tens.low, 0.002) && near(tens.high, 50.0));
    assert_true(near(lop_svg_first(&tens), 0.01));
    assert_true(near(lop_svg_at(&tens, 0.002), 0.0) && near(lop_svg_at(&tens, 1e9), 100.0));
    const lop_svg_axis even = lop_svg_axis_even(0.25, 0.75, 200.0, 100.0);
    assert_true(near(lop_svg_at(&even, 0.5), 150.0) && near(lop_svg_at(&even, -1.0), 200.0));
    assert_true(near(lop_svg_round_up(0.013), 0.02) && near(lop_svg_round_up(0.05), 0.05));
    assert_true(near(lop_svg_round_up(6.0), 10.0));
}

/* All that a page is made of, once. */
static lop_status draw(char **out)
{
    lop_markup m = {.status = LOP_OK};
    static const char *const style[] = {"p{}\n", "b{}\n", NULL};
    lop_sheet_open(&m, "a <page>", style);
    lop_svg_open(&m, 100.0, 50.0, "title", "what");
    lop_svg_path_open(&m, "line");
    for (int i = 0; i < 200; i++) lop_svg_path_to(&m, i, 1.25);
    lop_svg_path_close(&m);
    lop_svg_close(&m);
    lop_sheet_close(&m);
    *out = m.text.at;
    return m.status;
}

static void a_page_without_memory(void **state)
{
    (void)state;
    char *text = NULL;
    int64_t n = 1;
    for (;; n++) {
        lop_alloc_fail_at(n);
        const lop_status status = draw(&text);
        lop_alloc_fail_at(0);
        if (status == LOP_OK) break;
        assert_int_equal(status, LOP_E_MEMORY);
        lop_free(text);
    }
    assert_true(n > 2);
    assert_non_null(strstr(text, "<title>a &lt;page&gt;</title>"));
    assert_non_null(strstr(text, "<polyline class=\"line\" points=\"0.0,1.2 1.0,1.2 "));
    assert_non_null(strstr(text, "</svg>\n</main></body></html>\n"));
    lop_free(text);
}

int test_page(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(numbers_are_for_people),
        cmocka_unit_test(axes_place_values),
        cmocka_unit_test(a_page_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
