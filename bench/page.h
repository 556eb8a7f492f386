/* page.h - lines of results drawn: one page of HTML, without scripts, that refers to nothing outside. Internal to bench. */
#ifndef LOP_BENCH_PAGE_H
#define LOP_BENCH_PAGE_H

#include "core/base/status.h"

#include <jansson.h>

/* Writes the page to `path`. */
LOP_CHECKED lop_status bench_page_write(const char *path, const json_t *lines);

#endif
