/* instance.c - one instance of a case: its numbers, its reference, its matrices on the device. */
#include "tests/harness/harness.h"
#include "tests/harness/inputs.h"
#include "tests/harness/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double *doubles(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof *out);
    if (out == NULL) exit(1);
    return out;
}

static void rank_fill(const ref_mat *score, ref_mat *order, double *values)
{
    ref_rank_rows(score, order);
    memcpy(values, order->at, (size_t)order->rows * (size_t)order->cols * sizeof *values);
}

bool case_data_open(const op_case *c, const case_at *at, case_data *out)
{
    draw d = {at->seed};
    *out = (case_data){0};
    out->count = c->mats(at, out->mats);
    for (int i = 0; i < out->count; i++) {
        const case_mat *m = &out->mats[i];
        const int64_t n = (int64_t)m->rows * m->cols;
        if (m->role == CASE_ABSENT) continue;
        out->input[i] = doubles(n);
        out->want[i] = (ref_mat){m->rows, m->cols, doubles(n), doubles(n), 0.0, false};
        if (m->role == CASE_OUT || m->role == CASE_SCRATCH) continue;
        if (m->fill == FILL_RANK) {
            rank_fill(&out->want[0], &out->want[i], out->input[i]);
        } else {
            input_fill(m, at->kind, &d, out->input[i]);
        }
        memcpy(out->want[i].at, out->input[i], (size_t)n * sizeof(double));
    }
    if (out->count > 0) c->reference(at, out->want);
    return out->count > 0;
}

void case_data_close(case_data *data)
{
    for (int i = 0; i < CASE_MATS; i++) {
        free(data->input[i]);
        free(data->want[i].at);
        free(data->want[i].magnitude);
    }
    *data = (case_data){0};
}

/* Outputs and scratch start as the red byte too, which is NaN in every float type when it is 0xff. */
static void blank(view *v)
{
    memset(v->image, v->red, v->bytes);
    memcpy(v->before, v->image, v->bytes);
}

lop_status case_put(harness *h, const case_data *data, view_place place, uint8_t red, lop_mat *m)
{
    for (int i = 0; i < data->count; i++) {
        const case_mat *own = &data->mats[i];
        view *v = &h->views[i];
        m[i] = LOP_NONE;
        if (own->role == CASE_ABSENT) continue;
        LOP_TRY(view_put(&h->queue, v, place, own->rows, own->cols, own->type, red, data->input[i]));
        m[i] = v->mat;
        if (own->role != CASE_OUT && own->role != CASE_SCRATCH) continue;
        blank(v);
        LOP_TRY(lop_upload(&h->queue, v->image, lop_mat_of(&v->buf, 0, 1, (int32_t)v->bytes, LOP_U8)));
    }
    return LOP_OK;
}

void case_describe(const op_case *c, const case_at *at, char *out, size_t size)
{
    snprintf(out, size, "%s (%d, %d, %d, %d) %s variant %d, %s, seed %llu", c->name, at->d[0], at->d[1],
             at->d[2], at->d[3], lop_type_name(at->word), at->variant, kind_name(at->kind),
             (unsigned long long)at->seed);
}

double case_bytes(const op_case *c, const case_at *at)
{
    case_mat m[CASE_MATS] = {0};
    const int count = c->mats(at, m);
    double bytes = 0.0;
    for (int i = 0; i < count; i++) {
        const double size = (double)m[i].rows * m[i].cols * (double)lop_type_bytes(m[i].type);
        if (m[i].role == CASE_INOUT || m[i].role == CASE_SCRATCH) bytes += size;
        if (m[i].role != CASE_ABSENT) bytes += size;
    }
    return bytes;
}

lop_type case_word(int index)
{
    static const lop_type words[3] = {LOP_F32, LOP_F16, LOP_BF16};
    return words[index % 3];
}

static const int32_t rows_table[][CASE_DIMS] = {{0, 17},   {1, 1},     {1, 4097},  {2, 2},    {2, 127},
                                                {3, 128},  {127, 129}, {128, 128}, {129, 64}, {9, 1000},
                                                {1000, 3}, {4097, 1},  {17, 997},  {64, 2048}};
static const int32_t small_table[][CASE_DIMS] = {{0, 16},   {1, 1},    {1, 4097}, {2, 2},
                                                 {2, 127},  {3, 128},  {33, 129}, {5, 997},
                                                 {9, 1000}, {1000, 3}, {4097, 1}, {16, 512}};
const case_shapes shapes_rows = {rows_table, sizeof rows_table / sizeof rows_table[0]};
const case_shapes shapes_small = {small_table, sizeof small_table / sizeof small_table[0]};
