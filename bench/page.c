/* page.c - the page as a whole. */
#include "bench/page.h"

#include "bench/page_parts.h"
#include "bench/parts.h"
#include "bench/results.h"
#include "core/base/file.h"
#include "core/page/sheet.h"

enum { COLOURS = 8 };

static bool is_measured(const json_t *line)
{
    return json_object_get(line, "missing") == NULL;
}

/* Whether this line is the first of its device. */
static bool is_new(const json_t *lines, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (bench_same_device(json_array_get(lines, i), json_array_get(lines, at))) return false;
    return is_measured(json_array_get(lines, at));
}

int page_device(const json_t *lines, const json_t *line)
{
    int number = 0;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        if (!is_new(lines, i)) continue;
        if (bench_same_device(json_array_get(lines, i), line)) break;
        number++;
    }
    return number % COLOURS;
}

static void add_devices(lop_markup *m, const json_t *lines)
{
    lop_markup_add(m, "<ul class=\"devices\">\n");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        char name[128];
        if (!is_new(lines, i)) continue;
        bench_device_name(line, name, sizeof name);
        lop_markup_add(m, "<li><span class=\"swatch d%d\"></span>", page_device(lines, line));
        lop_markup_say(m, name);
        lop_markup_add(m, "</li>\n");
    }
    lop_markup_add(m, "</ul>\n");
}

static void draw(lop_markup *m, const json_t *lines)
{
    lop_sheet_open(m, "lop bench", page_style);
    lop_markup_add(m,
                   "<h1>lop bench</h1>\n<p class=\"soft\">Speeds against what each device reaches at best, "
                   "measured in the same run. Nothing on this page is loaded from elsewhere.</p>\n");
    add_devices(m, lines);
    page_stages(m, lines);
    page_rooflines(m, lines);
    page_tables(m, lines);
    lop_sheet_close(m);
}

lop_status bench_page_write(const char *path, const json_t *lines)
{
    lop_markup m = {.status = LOP_OK};
    draw(&m, lines);
    const lop_status status =
        m.status == LOP_OK ? lop_file_write_atomic(path, m.text.at, m.text.size) : m.status;
    lop_markup_close(&m);
    return status;
}

lop_status bench_report(bench *b)
{
    const char *path = lop_settings_text(&b->settings, "save");
    if (path == NULL) return LOP_FAIL(LOP_E_ARGUMENT, "lop bench report needs --save, the page to write");
    LOP_TRY(bench_results_read_all(b->call->words + 1, b->call->word_count - 1, b->lines));
    return bench_page_write(path, b->lines);
}
