/* norm.c - the kinds of norms, told apart here and nowhere else. */
#include "core/model/norm.h"

#include "core/base/memory.h"
#include "core/device/device.h"

lop_status lop_norm_place(lop_arena *a, const lop_net *net, lop_norm *out)
{
    const int32_t hidden = net->config->hidden;
    *out = (lop_norm){0};
    LOP_TRY(lop_arena_mat(a, 1, hidden, LOP_F32, &out->gain));
    return net->family->norm == LOP_NORM_LAYER ? lop_arena_mat(a, 1, hidden, LOP_F32, &out->bias) : LOP_OK;
}

lop_status lop_norm_fill(lop_queue *q, const lop_norm *norm)
{
    float *ones = NULL;
    LOP_TRY(lop_alloc((size_t)norm->gain.cols, sizeof *ones, &ones));
    for (int32_t i = 0; i < norm->gain.cols; i++) ones[i] = 1.0f;
    lop_status status = lop_upload(q, ones, norm->gain);
    if (status == LOP_OK && lop_mat_present(norm->bias)) status = lop_mat_zero(q, norm->bias);
    lop_free(ones);
    return status;
}

lop_status lop_norm_rows(lop_queue *q, const lop_net *net, const lop_norm *norm, lop_mat x, lop_mat y)
{
    const float eps = (float)net->config->norm_eps;
    if (net->family->norm == LOP_NORM_LAYER) return lop_layernorm(q, x, norm->gain, norm->bias, eps, y);
    return lop_rmsnorm(q, x, norm->gain, eps, y);
}

lop_status lop_norm_rows_back(lop_queue *q, const lop_net *net, const lop_norm *norm, lop_mat x, lop_mat dy,
                              lop_mat dx)
{
    const float eps = (float)net->config->norm_eps;
    if (net->family->norm == LOP_NORM_LAYER) return lop_layernorm_back(q, x, norm->gain, eps, dy, dx);
    return lop_rmsnorm_back(q, x, norm->gain, eps, dy, dx);
}
