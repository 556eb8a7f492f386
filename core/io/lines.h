/* lines.h - the lines of a text file that is not trusted, one at a time, unpacked on the way when gzip packed it: what one
 * line and the whole text may take is bounded, however little of it the file holds. */
#ifndef LOP_CORE_IO_LINES_H
#define LOP_CORE_IO_LINES_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define LOP_LINE_MOST  ((uint64_t)16 << 20) /* bytes of a line */
#define LOP_LINES_MOST ((uint64_t)1 << 30)  /* bytes of a text, unpacked */

typedef struct lop_lines lop_lines;

/* A file that begins as gzip begins is unpacked, whatever its name. LOP_E_FILE. */
LOP_CHECKED lop_status lop_lines_open(const char *path, lop_lines **out);
void lop_lines_close(lop_lines *l);

/* The next line without its end, a view until the next call; *more is false when there is none, and a last line that has
 * no end is a line. LOP_E_FORMAT: damaged or cut short, not UTF-8, beyond a bound; the sentence names file and line. */
LOP_CHECKED lop_status lop_lines_next(lop_lines *l, lop_text *line, bool *more);

/* The number of the line that was given last, from 1. */
int64_t lop_lines_number(const lop_lines *l);

#endif
