/* comm.h - ranks: several processes, one device each, that take the same decisions.
 *
 * Calibration samples are split by rank; statistics and losses are summed over all; every rank then decides alike. A
 * communicator of one rank does nothing, so that nobody tests for it. A failed rank is LOP_E_COMM on the others. */
#ifndef LOP_CORE_COMM_COMM_H
#define LOP_CORE_COMM_COMM_H

#include "core/device/matrix.h"

typedef struct lop_comm_backend lop_comm_backend;

typedef struct lop_comm {
    const lop_comm_backend *backend;
    void *impl;
    int rank, size; /* 0 <= rank < size */
} lop_comm;

struct lop_comm_backend {
    const char *name;                                    /* "self" */
    lop_status (*open)(lop_comm *c, lop_device *device); /* sets rank and size */
    void (*close)(lop_comm *c);
    lop_status (*all_sum)(lop_comm *c, lop_queue *q, lop_mat x); /* in place, in queue order */
    lop_status (*broadcast)(lop_comm *c, lop_queue *q, lop_mat x, int root);
    lop_status (*barrier)(lop_comm *c);
};

/* One rank, this process; backends/comm/comm_self.c. */
extern const lop_comm_backend lop_comm_self;

LOP_CHECKED lop_status lop_comm_open(const lop_comm_backend *backend, lop_device *device, lop_comm *out);
void lop_comm_close(lop_comm *c);

/* x = the sum of x over all ranks, the same bits on each.  Shapes: f32 or f64, any (R, C), equal on every rank. */
LOP_CHECKED lop_status lop_comm_all_sum(lop_comm *c, lop_queue *q, lop_mat x);

/* x = the x of rank `root`, of any type. */
LOP_CHECKED lop_status lop_comm_broadcast(lop_comm *c, lop_queue *q, lop_mat x, int root);

/* Returns when every rank has come here. */
LOP_CHECKED lop_status lop_comm_barrier(lop_comm *c);

/* Which of `count` samples rank c->rank works on: [*first, *end), contiguous, together all of them. */
void lop_comm_share(const lop_comm *c, int64_t count, int64_t *first, int64_t *end);

#endif
