/* table.h - lines of results as tables, for people and for documents. Internal to bench. */
#ifndef LOP_BENCH_TABLE_H
#define LOP_BENCH_TABLE_H

#include "bench/grid.h"

#include <jansson.h>

/* Given each table in turn, with what it is about. */
typedef lop_status bench_table_fn(void *user, const char *title, const grid *g);

/* A table for each kind of line that there is: roofs, blocks, evaluations and whole models with a row for each line;
 * operations with a row for each operation and word of a device and a column of roof fractions for each length of rows. */
LOP_CHECKED lop_status bench_tables(const json_t *lines, bench_table_fn *fn, void *user);

/* The same in Markdown, and behind them a sentence for each device that was not there. */
LOP_CHECKED lop_status bench_table_print(FILE *out, const json_t *lines);

#endif
