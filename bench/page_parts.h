/* page_parts.h - the parts of the page. Internal to bench. */
#ifndef LOP_BENCH_PAGE_PARTS_H
#define LOP_BENCH_PAGE_PARTS_H

#include "core/page/svg.h"

#include <jansson.h>

/* What the classes of the other parts mean, behind the style of every page. */
extern const char *const page_style[];

/* The device's number among those of the lines, in the order of their first appearance: its colour is class d0 to d7. */
int page_device(const json_t *lines, const json_t *line);

/* A roofline for each device and word that operations were measured on. */
void page_rooflines(lop_markup *m, const json_t *lines);

/* Bars of milliseconds for each stage and device, the floor marked. */
void page_stages(lop_markup *m, const json_t *lines);

/* All that was measured, and where and how. */
void page_tables(lop_markup *m, const json_t *lines);

#endif
