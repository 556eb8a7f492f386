/* cuda_fast.c - the quicker ways of this backend, and what they take: fused attention where rows of 16-bit words start at
 * multiples of 16 bytes and the head size has a kernel; factors. */
#include "backends/cuda/cuda_fast.h"
#include "backends/cuda/cuda_attend.h"
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/cuda_factor.h"

/* Bytes that kernels copy at a time; the most blocks of a grid behind its first dimension, and the least rows of a tile. */
enum { PIECE = 16, GRID_MOST = 65535, TILE_LEAST = 32 };

static bool in_pieces(lop_mat m)
{
    return m.at % (PIECE / 2) == 0 && m.ld % (PIECE / 2) == 0;
}

/* Tiles stand in one dimension of a grid, heads of all sequences, near ones together, in another. */
static bool fits_grid(const lop_attend_args *a)
{
    const int64_t rows = (int64_t)a->first + a->tokens;
    return a->tokens > 0 && rows <= (int64_t)GRID_MOST * TILE_LEAST &&
           (int64_t)a->heads * a->sequences <= GRID_MOST;
}

static bool attend_takes(const lop_device *device, const lop_attend_args *a)
{
    (void)device;
    if (!fits_grid(a)) return false;
    if (a->q.type != LOP_F16 && a->q.type != LOP_BF16) return false;
    if (a->head_dim != 64 && a->head_dim != 80 && a->head_dim != 128) return false;
    if (!in_pieces(a->q) || !in_pieces(a->k) || !in_pieces(a->v) || !in_pieces(a->out)) return false;
    if (a->d_out.buf == NULL) return true;
    return in_pieces(a->d_out) && in_pieces(a->dq) && in_pieces(a->dk) && in_pieces(a->dv);
}

static cuda_rows rows_of(lop_mat m)
{
    if (m.buf == NULL) return (cuda_rows){0};
    return (cuda_rows){.at = cuda_address(m.buf, 2 * (size_t)m.at), .ld = m.ld};
}

static cuda_floats floats_of(lop_mat m)
{
    if (m.buf == NULL) return (cuda_floats){0};
    return (cuda_floats){.at = (float *)(void *)cuda_address(m.buf, sizeof(float) * (size_t)m.at),
                         .ld = m.ld};
}

static cuda_attend_call call_of(const lop_attend_args *a)
{
    return (cuda_attend_call){.q = rows_of(a->q),
                              .k = rows_of(a->k),
                              .v = rows_of(a->v),
                              .out = rows_of(a->out),
                              .d_out = rows_of(a->d_out),
                              .dq = rows_of(a->dq),
                              .dk = rows_of(a->dk),
                              .dv = rows_of(a->dv),
                              .log_sum = floats_of(a->log_sum),
                              .delta = floats_of(a->delta),
                              .heads = a->heads,
                              .kv_heads = a->kv_heads,
                              .head_dim = a->head_dim,
                              .sequences = a->sequences,
                              .tokens = a->tokens,
                              .first = a->first,
                              .window = a->window,
                              .scale = a->scale,
                              .bf16 = a->q.type == LOP_BF16};
}

static cudaStream_t stream_of(const lop_queue *q)
{
    return ((const cuda_queue *)q->impl)->stream;
}

static lop_status attend(lop_queue *q, const lop_attend_args *args)
{
    const cuda_attend_call call = call_of(args);
    LOP_TRY(cuda_enter(q->device));
    return cuda_status(cuda_attend(stream_of(q), &call), "attention");
}

static lop_status attend_back(lop_queue *q, const lop_attend_args *args)
{
    const cuda_attend_call call = call_of(args);
    LOP_TRY(cuda_enter(q->device));
    return cuda_status(cuda_attend_back(stream_of(q), &call), "attention's backward");
}

const lop_fast lop_cuda_fast = {
    .attend_takes = attend_takes, .attend = attend, .attend_back = attend_back, .chol = cuda_chol};
