/* grid.h - cells of text in rows and columns, printed as a table in Markdown whose columns line up. Internal to bench. */
#ifndef LOP_BENCH_GRID_H
#define LOP_BENCH_GRID_H

#include "core/base/status.h"

#include <stdio.h>

enum { GRID_COLS = 16 };

/* Zero-initialise, set cols; grid_close frees. Row 0 is the head. */
typedef struct grid {
    int cols, rows;
    char *(*at)[GRID_COLS];
} grid;

LOP_CHECKED lop_status grid_row(grid *g);                            /* begins a row of empty cells */
LOP_CHECKED lop_status grid_set(grid *g, int col, const char *text); /* in the last row */
LOP_CHECKED lop_status grid_number(grid *g, int col, double value);  /* three figures; 0 or less: empty */
const char *grid_text(const grid *g, int row, int col);
LOP_CHECKED lop_status grid_print(FILE *out, const grid *g);
void grid_close(grid *g);

#endif
