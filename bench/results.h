/* results.h - files of lines that benches printed, read again. Internal to bench. */
#ifndef LOP_BENCH_RESULTS_H
#define LOP_BENCH_RESULTS_H

#include "core/base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Appends the object of every line of the file that is of a bench to `lines`, an array, without its "event".
 * LOP_E_FORMAT names file and line. */
LOP_CHECKED lop_status bench_results_read(const char *path, json_t *lines);

/* The same for several files. */
LOP_CHECKED lop_status bench_results_read_all(const char *const *paths, int count, json_t *lines);

/* The member at a path of keys parted by dots; NULL when it is not there. */
const json_t *bench_member(const json_t *line, const char *path);
double bench_number(const json_t *line, const char *path);    /* 0 when it is no number */
const char *bench_text(const json_t *line, const char *path); /* "" when it is no text */

/* A line of one operation at one length of rows, measured against a roof; its length of rows and its word. */
bool bench_is_operation(const json_t *line);
int64_t bench_columns(const json_t *line);
const char *bench_word(const json_t *line);

/* The same device, asked for by the same name; and of operations the same one in the same word. */
bool bench_same_device(const json_t *a, const json_t *b);
bool bench_same_operation(const json_t *a, const json_t *b);

/* "cuda:0: NVIDIA H100" */
void bench_device_name(const json_t *line, char *out, size_t size);

#endif
