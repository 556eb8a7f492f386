/* figures.h - numbers as people read them. */
#ifndef LOP_CORE_PAGE_FIGURES_H
#define LOP_CORE_PAGE_FIGURES_H

#include <stddef.h>
#include <stdint.h>

enum { LOP_FIGURES_SIZE = 48 }; /* bytes that any of them fits into */

/* Three figures, without an exponent. */
void lop_figures(double value, char *out, size_t size);

/* Three figures, with an exponent where the number is far from 1. */
void lop_figures_far(double value, char *out, size_t size);

/* "786 432", with narrow blanks that do not break; "7.64 MiB"; "95.4 ms", "75.0 s", "12 min 5 s", "1 h 20 min". */
void lop_figures_count(int64_t value, char *out, size_t size);
void lop_figures_bytes(double bytes, char *out, size_t size);
void lop_figures_seconds(double seconds, char *out, size_t size);

#endif
