/* page_cache.h - whether reading a file would read the disk. Internal to bench. */
#ifndef LOP_BENCH_PAGE_CACHE_H
#define LOP_BENCH_PAGE_CACHE_H

#include "core/io/checkpoint.h"

/* Asks the system to forget the pages of a model's files; *resident receives the fraction of them that it still holds
 * (1 when it does not say). */
LOP_CHECKED lop_status page_cache_drop(const lop_checkpoint *model, double *resident);

#endif
