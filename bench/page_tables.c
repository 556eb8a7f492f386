/* page_tables.c - everything that the pictures show, as numbers; and where each comes from. */
#include "bench/page_parts.h"
#include "bench/results.h"
#include "bench/table.h"
#include "core/page/figures.h"

#include <stdio.h>
#include <string.h>

static lop_status add_grid(void *user, const char *title, const grid *g)
{
    lop_markup *m = user;
    lop_markup_element(m, "h3", title);
    lop_markup_add(m, "<div class=\"scroll\"><table>\n");
    for (int r = 0; r < g->rows; r++) {
        lop_markup_add(m, "<tr>");
        for (int c = 0; c < g->cols; c++) lop_markup_element(m, r == 0 ? "th" : "td", grid_text(g, r, c));
        lop_markup_add(m, "</tr>\n");
    }
    lop_markup_add(m, "</table></div>\n");
    return m->status;
}

/* ---- every operation at every length */

static void add_time(lop_markup *m, const json_t *line, const char *key)
{
    char text[32] = "";
    if (bench_number(line, key) > 0.0) lop_figures(bench_number(line, key) * 1e-6, text, sizeof text);
    lop_markup_element(m, "td", text);
}

static void add_rate(lop_markup *m, const json_t *line, const char *key)
{
    char text[32] = "";
    if (bench_number(line, key) > 0.0) lop_figures(bench_number(line, key), text, sizeof text);
    lop_markup_element(m, "td", text);
}

static void add_operation(lop_markup *m, const json_t *line)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%.60s", bench_text(line, "bench"));
    lop_markup_add(m, "<tr>");
    lop_markup_element(m, "td", text);
    bench_device_name(line, text, sizeof text);
    lop_markup_element(m, "td", text);
    lop_markup_element(m, "td", bench_word(line));
    (void)snprintf(text, sizeof text, "%lld x %lld",
                   (long long)json_integer_value(json_array_get(json_object_get(line, "shape"), 0)),
                   (long long)bench_columns(line));
    lop_markup_element(m, "td", text);
    add_time(m, line, "ns_min");
    add_time(m, line, "ns_med");
    add_time(m, line, "ns_p90");
    add_rate(m, line, "gbps");
    add_rate(m, line, "gflops");
    lop_markup_element(m, "td", bench_text(line, "roof"));
    (void)snprintf(text, sizeof text, "%.2f", bench_number(line, "roof_frac"));
    lop_markup_element(m, "td", text);
    lop_markup_add(m, "</tr>\n");
}

static void add_operations(lop_markup *m, const json_t *lines)
{
    size_t i;
    const json_t *line;
    bool any = false;
    json_array_foreach(lines, i, line)
    {
        if (!bench_is_operation(line)) continue;
        if (!any)
            lop_markup_add(
                m,
                "<h3>Every operation</h3>\n<div "
                "class=\"scroll\"><table>\n<tr><th>operation</th><th>device</th>"
                "<th>word</th><th>shape</th><th>least ms</th><th>median ms</th><th>p90 ms</th><th>GB/s</th>"
                "<th>GFLOP/s</th><th>roof</th><th>of it</th></tr>\n");
        any = true;
        add_operation(m, line);
    }
    if (any) lop_markup_add(m, "</table></div>\n");
}

/* ---- where and how */

static bool same_origin(const json_t *a, const json_t *b)
{
    return bench_same_device(a, b) && json_equal(json_object_get(a, "argv"), json_object_get(b, "argv")) &&
           strcmp(bench_text(a, "commit"), bench_text(b, "commit")) == 0 &&
           strcmp(bench_text(a, "build"), bench_text(b, "build")) == 0;
}

static bool is_repeated(const json_t *lines, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (same_origin(json_array_get(lines, i), json_array_get(lines, at))) return true;
    return false;
}

static void add_command(lop_markup *m, const json_t *line)
{
    size_t i;
    const json_t *word;
    lop_markup_add(m, "<td><code>");
    json_array_foreach(json_object_get(line, "argv"), i, word)
    {
        if (i > 0) lop_markup_add(m, " ");
        lop_markup_say(m, json_is_string(word) ? json_string_value(word) : "?");
    }
    lop_markup_add(m, "</code></td>");
}

static void add_origins(lop_markup *m, const json_t *lines)
{
    lop_markup_add(m, "<h2>Where and how</h2>\n<div class=\"scroll\"><table "
                      "class=\"left\">\n<tr><th>device</th><th>command</th>"
                      "<th>commit</th><th>build</th><th>begun (UTC)</th></tr>\n");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        char name[128];
        if (is_repeated(lines, i) || json_object_get(line, "missing") != NULL) continue;
        bench_device_name(line, name, sizeof name);
        lop_markup_add(m, "<tr>");
        lop_markup_element(m, "td", name);
        add_command(m, line);
        lop_markup_element(m, "td", bench_text(line, "commit"));
        lop_markup_element(m, "td", bench_text(line, "build"));
        lop_markup_element(m, "td", bench_text(line, "date"));
        lop_markup_add(m, "</tr>\n");
    }
    lop_markup_add(m, "</table></div>\n");
}

static void add_missing(lop_markup *m, const json_t *lines)
{
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line)
    {
        if (json_object_get(line, "missing") == NULL) continue;
        lop_markup_add(m, "<p>");
        lop_markup_say(m, bench_text(line, "asked"));
        lop_markup_add(m, " was not measured: ");
        lop_markup_say(m, bench_text(line, "missing"));
        lop_markup_add(m, "</p>\n");
    }
}

void page_tables(lop_markup *m, const json_t *lines)
{
    lop_markup_add(m, "<h2>Tables</h2>\n");
    const lop_status status = bench_tables(lines, add_grid, m);
    if (m->status == LOP_OK) m->status = status;
    add_operations(m, lines);
    add_missing(m, lines);
    add_origins(m, lines);
}
