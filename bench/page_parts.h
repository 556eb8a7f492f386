/* page_parts.h - the parts of the page. Internal to bench. */
#ifndef LOP_BENCH_PAGE_PARTS_H
#define LOP_BENCH_PAGE_PARTS_H

#include "bench/svg.h"

#include <jansson.h>

/* The style: everything that the classes of the other parts mean, by day and by night. */
extern const char *const page_style;

/* The device's number among those of the lines, in the order of their first appearance: its colour is class d0 to d7. */
int page_device(const json_t *lines, const json_t *line);

/* A roofline for each device and word that operations were measured on. */
void page_rooflines(markup *m, const json_t *lines);

/* Bars of milliseconds for each stage and device, the floor marked. */
void page_stages(markup *m, const json_t *lines);

/* All that was measured, and where and how. */
void page_tables(markup *m, const json_t *lines);

#endif
