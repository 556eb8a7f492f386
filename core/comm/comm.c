/* comm.c - the checks every communicator shares, and how samples are dealt to ranks. */
#include "core/comm/comm.h"

#include <assert.h>

lop_status lop_comm_open(const lop_comm_backend *backend, lop_device *device, lop_comm *out)
{
    *out = (lop_comm){.backend = backend, .size = 1};
    const lop_status status = backend->open(out, device);
    if (status != LOP_OK) *out = (lop_comm){0};
    return status;
}

void lop_comm_close(lop_comm *c)
{
    if (c == NULL || c->backend == NULL) return;
    c->backend->close(c);
    *c = (lop_comm){0};
}

lop_status lop_comm_all_sum(lop_comm *c, lop_queue *q, lop_mat x)
{
    if (x.type != LOP_F32 && x.type != LOP_F64)
        return LOP_FAIL(LOP_E_ARGUMENT, "ranks sum f32 and f64, not %s", lop_type_name(x.type));
    if (lop_mat_elements(x) == 0) return LOP_OK;
    return c->backend->all_sum(c, q, x);
}

lop_status lop_comm_broadcast(lop_comm *c, lop_queue *q, lop_mat x, int root)
{
    if (root < 0 || root >= c->size)
        return LOP_FAIL(LOP_E_ARGUMENT, "rank %d cannot broadcast: there are %d ranks", root, c->size);
    if (lop_mat_elements(x) == 0) return LOP_OK;
    return c->backend->broadcast(c, q, x, root);
}

lop_status lop_comm_barrier(lop_comm *c)
{
    return c->backend->barrier(c);
}

void lop_comm_share(const lop_comm *c, int64_t count, int64_t *first, int64_t *end)
{
    assert(count >= 0);
    const int64_t each = count / c->size, over = count % c->size, rank = c->rank;
    *first = rank * each + (rank < over ? rank : over);
    *end = *first + each + (rank < over ? 1 : 0);
}
