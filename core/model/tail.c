/* tail.c - rows on their way from the last block to the head. */
#include "core/model/tail.h"

#include "core/device/device.h"
#include "core/model/staging.h"

lop_status lop_tail_place(lop_arena *a, const lop_net *net, lop_type word, int32_t rows, lop_tail *out)
{
    const int32_t hidden = net->config->hidden;
    *out = (lop_tail){.net = net};
    LOP_TRY(lop_norm_place(a, net, &out->norm));
    LOP_TRY(lop_arena_mat(a, rows, hidden, word, &out->normed));
    if (net->project_out == NULL) return LOP_OK;
    LOP_TRY(lop_arena_mat(a, net->width, hidden, word, &out->project));
    return lop_arena_mat(a, rows, net->width, word, &out->narrow);
}

lop_status lop_tail_load(lop_queue *q, const lop_tail *tail)
{
    const lop_net *net = tail->net;
    LOP_TRY(lop_norm_fill(q, &tail->norm));
    LOP_TRY(lop_staging_bring(q, net->file, net->norm_final.gain, LOP_STAGING_OWN, 0, tail->norm.gain));
    LOP_TRY(lop_staging_bring(q, net->file, net->norm_final.bias, LOP_STAGING_OWN, 0, tail->norm.bias));
    return lop_staging_bring(q, net->file, net->project_out, LOP_STAGING_OWN, 0, tail->project);
}

lop_status lop_tail_rows(lop_queue *q, const lop_tail *tail, lop_mat x, lop_mat *out)
{
    const lop_net *net = tail->net;
    const lop_mat normed = lop_mat_rows(tail->normed, 0, x.rows);
    *out = normed;
    LOP_TRY(net->config->no_final_norm ? lop_cast(q, x, normed)
                                       : lop_norm_rows(q, net, &tail->norm, x, normed));
    if (net->project_out == NULL) return LOP_OK;
    *out = lop_mat_rows(tail->narrow, 0, x.rows);
    return lop_linear(q, normed, tail->project, LOP_NONE, *out);
}
