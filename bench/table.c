/* table.c - which lines make which table. */
#include "bench/table.h"

#include "bench/parts.h"
#include "bench/results.h"

#include <string.h>

typedef struct column {
    const char *head;
    const char *path; /* of a text or a number; NULL ends the list */
} column;

/* Benches whose lines are rows of one table. */
static const struct {
    const char *bench, *title;
    column columns[GRID_COLS];
} tables[] = {
    {"roof",
     "Roofs",
     {{"device", "device"},
      {"copy GB/s", "roofs.copy_gbps"},
      {"f32 TFLOP/s", "roofs.gemm_tflops.f32"},
      {"f16 TFLOP/s", "roofs.gemm_tflops.f16"},
      {"bf16 TFLOP/s", "roofs.gemm_tflops.bf16"},
      {"side", "roofs.gemm_side"}}},
    {"block",
     "One block",
     {{"device", "device"},
      {"shape", "shape"},
      {"method", "method"},
      {"word", "word"},
      {"forward ms", "ms_per_sample_min.forward"},
      {"calibrate ms", "ms_per_sample_min.calibrate"},
      {"step ms", "ms_per_sample_min.train_step"},
      {"propagate ms", "ms_per_sample_min.propagate"},
      {"floor ms", "floor_ms.forward"},
      {"of the roof", "forward_roof_frac"},
      {"TFLOP/s", "forward_tflops"},
      {"init s", "s_per_block.init"},
      {"solve s", "s_per_block.solve_min"},
      {"block s", "s_per_block.total"},
      {"windows", "nsamples"}}},
    {"eval",
     "Perplexity of a whole model on the device",
     {{"device", "device"},
      {"shape", "shape"},
      {"word", "word"},
      {"ms", "ms.min"},
      {"embedding ms", "parts_ms.embedding"},
      {"blocks ms", "parts_ms.blocks"},
      {"head ms", "parts_ms.head"},
      {"floor ms", "floor_ms"},
      {"of the roof", "roof_frac"},
      {"TFLOP/s", "tflops"},
      {"tokens/s", "tokens_per_s"}}},
    {"model",
     "A whole prune, from files to files",
     {{"device", "device"},
      {"method", "method"},
      {"s", "seconds_whole"},
      {"calibrate s", "seconds.calibrate"},
      {"write s", "seconds.write"},
      {"page cache", "page_cache"}}},
};

static lop_status set_device(grid *g, const json_t *line)
{
    char text[128];
    bench_device_name(line, text, sizeof text);
    return grid_set(g, 0, text);
}

static lop_status set_cell(grid *g, int col, const json_t *line, const char *path)
{
    const json_t *value = bench_member(line, path);
    if (json_is_number(value)) {
        if (!json_is_integer(value)) return grid_number(g, col, json_number_value(value));
        char text[32];
        (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        return grid_set(g, col, text);
    }
    return grid_set(g, col, bench_text(line, path));
}

static lop_status begin(grid *g, const column *columns)
{
    LOP_TRY(grid_row(g));
    for (g->cols = 0; g->cols < GRID_COLS && columns[g->cols].head != NULL; g->cols++)
        LOP_TRY(grid_set(g, g->cols, columns[g->cols].head));
    return LOP_OK;
}

static lop_status add_line(grid *g, const column *columns, const json_t *line)
{
    LOP_TRY(grid_row(g));
    LOP_TRY(set_device(g, line));
    for (int c = 1; c < g->cols; c++) LOP_TRY(set_cell(g, c, line, columns[c].path));
    return LOP_OK;
}

/* A table of all lines of one bench, if there are any. */
static lop_status table_lines(const json_t *lines, size_t at, bench_table_fn *fn, void *user)
{
    size_t i;
    const json_t *line;
    grid g = {0};
    lop_status status = begin(&g, tables[at].columns);
    json_array_foreach(lines, i, line)
    {
        const bool here = json_object_get(line, "missing") == NULL;
        if (status == LOP_OK && here && strcmp(bench_text(line, "bench"), tables[at].bench) == 0)
            status = add_line(&g, tables[at].columns, line);
    }
    if (status == LOP_OK && g.rows > 1) status = fn(user, tables[at].title, &g);
    grid_close(&g);
    return status;
}

/* ---- operations */

/* Whether an operation before `end` is like this one. */
static bool seen(const json_t *lines, size_t end, const json_t *line,
                 bool (*same)(const json_t *, const json_t *))
{
    for (size_t i = 0; i < end; i++) {
        const json_t *before = json_array_get(lines, i);
        if (bench_is_operation(before) && same(before, line)) return true;
    }
    return false;
}

/* Lengths of rows on this device, in the order of their first appearance; at most `most`. */
static int lengths(const json_t *lines, const json_t *device, int most, int64_t *out)
{
    size_t i;
    const json_t *line;
    int count = 0;
    json_array_foreach(lines, i, line)
    {
        if (!bench_is_operation(line) || !bench_same_device(line, device)) continue;
        int at = 0;
        while (at < count && out[at] != bench_columns(line)) at++;
        if (at == count && count < most) out[count++] = bench_columns(line);
    }
    return count;
}

/* Its fraction of the roof at each length; the last line of equal ones counts. */
static lop_status add_operation(grid *g, const json_t *lines, const json_t *first, const int64_t *cols,
                                int count)
{
    size_t i;
    const json_t *line;
    LOP_TRY(grid_row(g));
    LOP_TRY(grid_set(g, 0, bench_text(first, "bench")));
    LOP_TRY(grid_set(g, 1, bench_word(first)));
    LOP_TRY(grid_set(g, 2, bench_text(first, "roof")));
    json_array_foreach(lines, i, line)
    {
        if (!bench_is_operation(line) || !bench_same_operation(line, first)) continue;
        for (int c = 0; c < count; c++) {
            char text[16];
            (void)snprintf(text, sizeof text, "%.2f", bench_number(line, "roof_frac"));
            if (cols[c] == bench_columns(line)) LOP_TRY(grid_set(g, 3 + c, text));
        }
    }
    return LOP_OK;
}

static lop_status fill_operations(grid *g, const json_t *lines, const json_t *device)
{
    enum { FIXED = 3 };
    static const column head[GRID_COLS] = {{"operation", ""}, {"word", ""}, {"roof", ""}};
    int64_t cols[GRID_COLS - FIXED];
    const int count = lengths(lines, device, GRID_COLS - FIXED, cols);
    size_t i;
    const json_t *line;
    LOP_TRY(begin(g, head));
    for (int c = 0; c < count; c++) {
        char text[24];
        (void)snprintf(text, sizeof text, "%lld", (long long)cols[c]);
        LOP_TRY(grid_set(g, FIXED + c, text));
    }
    g->cols += count;
    json_array_foreach(lines, i, line)
    {
        if (bench_is_operation(line) && bench_same_device(line, device) &&
            !seen(lines, i, line, bench_same_operation))
            LOP_TRY(add_operation(g, lines, line, cols, count));
    }
    return LOP_OK;
}

static lop_status table_operations(const json_t *lines, bench_table_fn *fn, void *user)
{
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line)
    {
        if (!bench_is_operation(line) || seen(lines, i, line, bench_same_device)) continue;
        grid g = {0};
        char name[128], title[192];
        bench_device_name(line, name, sizeof name);
        (void)snprintf(title, sizeof title, "%s, fractions of the roof by length of rows", name);
        lop_status status = fill_operations(&g, lines, line);
        if (status == LOP_OK) status = fn(user, title, &g);
        grid_close(&g);
        LOP_TRY(status);
    }
    return LOP_OK;
}

lop_status bench_tables(const json_t *lines, bench_table_fn *fn, void *user)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) LOP_TRY(table_lines(lines, i, fn, user));
    return table_operations(lines, fn, user);
}

/* ---- in Markdown */

static lop_status print_table(void *user, const char *title, const grid *g)
{
    FILE *out = user;
    (void)fprintf(out, "%s\n\n", title);
    LOP_TRY(grid_print(out, g));
    (void)fprintf(out, "\n");
    return LOP_OK;
}

lop_status bench_table_print(FILE *out, const json_t *lines)
{
    size_t i;
    const json_t *line;
    LOP_TRY(bench_tables(lines, print_table, out));
    json_array_foreach(lines, i, line)
    {
        if (json_object_get(line, "missing") != NULL)
            (void)fprintf(out, "%s was not measured: %s\n", bench_text(line, "asked"),
                          bench_text(line, "missing"));
    }
    return ferror(out) || fflush(out) != 0 ? LOP_FAIL(LOP_E_OUTPUT, "a table cannot be written") : LOP_OK;
}

lop_status bench_table(bench *b)
{
    LOP_TRY(bench_results_read_all(b->call->words + 1, b->call->word_count - 1, b->lines));
    return bench_table_print(b->call->out, b->lines);
}
