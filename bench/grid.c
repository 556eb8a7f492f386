/* grid.c - a table is kept whole until its columns are known to be wide enough. */
#include "bench/grid.h"

#include "core/base/memory.h"
#include "core/page/figures.h"

#include <string.h>

lop_status grid_row(grid *g)
{
    LOP_TRY(lop_realloc((size_t)g->rows + 1, sizeof *g->at, &g->at));
    memset(g->at[g->rows], 0, sizeof g->at[0]);
    g->rows++;
    return LOP_OK;
}

lop_status grid_set(grid *g, int col, const char *text)
{
    char **cell = &g->at[g->rows - 1][col];
    lop_free(*cell);
    *cell = NULL;
    return lop_strdup(text, cell);
}

lop_status grid_number(grid *g, int col, double value)
{
    char text[48] = "";
    if (value > 0.0) lop_figures(value, text, sizeof text);
    return grid_set(g, col, text);
}

const char *grid_text(const grid *g, int row, int col)
{
    return g->at[row][col] ? g->at[row][col] : "";
}

/* Letters as they are printed: of UTF-8 the bytes that begin one, and a bar takes two. */
static int letters(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++) n += (((unsigned char)*text & 0xC0) != 0x80) + (*text == '|');
    return n;
}

static int width(const grid *g, int col)
{
    int most = 3;
    for (int r = 0; r < g->rows; r++)
        if (letters(grid_text(g, r, col)) > most) most = letters(grid_text(g, r, col));
    return most;
}

static void print_row(FILE *out, const grid *g, int row, const int *widths)
{
    for (int c = 0; c < g->cols; c++) {
        const char *text = grid_text(g, row, c);
        (void)fputs("| ", out);
        for (const char *at = text; *at != '\0'; at++) {
            if (*at == '|') (void)fputc('\\', out);
            (void)fputc((unsigned char)*at < ' ' ? ' ' : *at, out);
        }
        (void)fprintf(out, "%*s ", widths[c] - letters(text), "");
    }
    (void)fprintf(out, "|\n");
}

lop_status grid_print(FILE *out, const grid *g)
{
    int widths[GRID_COLS];
    for (int c = 0; c < g->cols; c++) widths[c] = width(g, c);
    for (int r = 0; r < g->rows; r++) {
        print_row(out, g, r, widths);
        for (int c = 0; r == 0 && c < g->cols; c++) {
            (void)fputc('|', out);
            for (int i = 0; i < widths[c] + 2; i++) (void)fputc('-', out);
        }
        if (r == 0) (void)fprintf(out, "|\n");
    }
    return ferror(out) || fflush(out) != 0 ? LOP_FAIL(LOP_E_OUTPUT, "a table cannot be written") : LOP_OK;
}

void grid_close(grid *g)
{
    for (int r = 0; r < g->rows; r++)
        for (int c = 0; c < GRID_COLS; c++) lop_free(g->at[r][c]);
    lop_free(g->at);
    *g = (grid){0};
}
