/* marks.c - a fence at each mark. */
#include "bench/marks.h"

#include "core/base/memory.h"

#include <string.h>

lop_status bench_marks_add(bench_marks *m, lop_queue *q, const char *part)
{
    if (m->count == m->opened) {
        LOP_TRY(lop_realloc((size_t)m->opened + 1, sizeof *m->at, &m->at));
        m->at[m->opened] = (bench_mark){.part = ""};
        LOP_TRY(lop_fence_open(q->device, &m->at[m->opened].fence));
        m->opened++;
    }
    m->at[m->count].part = part;
    return lop_fence_mark(q, &m->at[m->count++].fence);
}

void bench_marks_close(bench_marks *m)
{
    for (int i = 0; i < m->opened; i++) lop_fence_close(&m->at[i].fence);
    lop_free(m->at);
    *m = (bench_marks){0};
}

double bench_marks_between(const bench_marks *m, int from, int to, lop_status *status)
{
    double ns = 0.0;
    if (*status == LOP_OK) *status = lop_fence_nanoseconds(&m->at[from].fence, &m->at[to].fence, &ns);
    return ns;
}

double bench_marks_part(const bench_marks *m, const char *part, int begin, int end, lop_status *status)
{
    double sum = 0.0;
    for (int i = begin + 1; i <= end; i++)
        if (strcmp(m->at[i].part, part) == 0) sum += bench_marks_between(m, i - 1, i, status);
    return sum;
}
