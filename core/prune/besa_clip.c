/* besa_clip.c - grids whose reach is learned beside the sparsities: before each step the trial's weights are put on them and
 * dropped ones taken out, from each gradient of weights that of the reach follows, and AdamW moves it. The derivation is in
 * docs/methods/quantization.md. */
#include "core/prune/besa_parts.h"

#include "core/base/memory.h"
#include "core/device/device.h"
#include "core/device/launch.h"
#include "core/prune/report.h"

#include <math.h>

/* Pairs of phi of all linears lie in rows of so many numbers, as AdamW goes over them; each linear's begin at a pack. */
enum { WIDTH = 256, PACK = 8 };

/* What every phi begins with: its sigmoid is 0.982, nearly all of the range. Source: OmniQuant quantize/quantizer.py. */
static const float first_phi = 4.0f;

static int64_t numbers_of(const lop_besa_linear *l)
{
    const int64_t pairs = lop_mat_elements(l->linear->grid.scale);
    return (2 * pairs + PACK - 1) / PACK * PACK;
}

static lop_status place_ranges(lop_arena *a, lop_besa *b, int64_t *numbers, int32_t *rows_most)
{
    *numbers = 0;
    *rows_most = 1;
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        const lop_mat scale = l->linear->grid.scale;
        LOP_TRY(lop_arena_mat(a, scale.rows, scale.cols, LOP_F32, &l->clip.low));
        LOP_TRY(lop_arena_mat(a, scale.rows, scale.cols, LOP_F32, &l->clip.high));
        *numbers += numbers_of(l);
        *rows_most = scale.rows > *rows_most ? scale.rows : *rows_most;
    }
    return LOP_OK;
}

lop_status lop_besa_clip_place(lop_arena *a, lop_besa *b)
{
    int64_t numbers, at = 0;
    int32_t rows_most;
    LOP_TRY(place_ranges(a, b, &numbers, &rows_most));
    const int32_t rows = (int32_t)((numbers + WIDTH - 1) / WIDTH);
    LOP_TRY(lop_arena_mat(a, rows, WIDTH, LOP_F32, &b->clip));
    LOP_TRY(lop_arena_mat(a, rows, WIDTH, LOP_F32, &b->clip_grad));
    LOP_TRY(lop_arena_mat(a, rows, WIDTH, LOP_F32, &b->clip_m));
    LOP_TRY(lop_arena_mat(a, rows, WIDTH, LOP_F32, &b->clip_v));
    LOP_TRY(lop_arena_mat(a, 1, 1, LOP_U32, &b->clip_step));
    LOP_TRY(lop_arena_mat(a, rows_most, 1, LOP_U32, &b->none));
    for (int32_t i = 0; i < b->count; i++) {
        lop_besa_linear *l = &b->linears[i];
        const lop_mat scale = l->linear->grid.scale;
        l->clip.phi = lop_mat_of(b->clip.buf, b->clip.at + at, scale.rows, 2 * scale.cols, LOP_F32);
        l->clip.grad =
            lop_mat_of(b->clip_grad.buf, b->clip_grad.at + at, scale.rows, 2 * scale.cols, LOP_F32);
        at += numbers_of(l);
    }
    return LOP_OK;
}

static lop_adam_args adam_of(const lop_besa *b)
{
    lop_adam_args args = lop_adam_usual();
    args.x = b->clip;
    args.g = b->clip_grad;
    args.m = b->clip_m;
    args.v = b->clip_v;
    args.step = b->clip_step;
    args.weight_decay = 0.0f;
    return args;
}

lop_status lop_besa_clip_begin(lop_besa *b)
{
    lop_queue *q = b->block->queue;
    const lop_adam_args adam = adam_of(b);
    for (int32_t i = 0; i < b->count; i++) {
        const lop_besa_linear *l = &b->linears[i];
        LOP_TRY(lop_quant_range(q, l->linear->view->w, l->clip.low, l->clip.high));
    }
    LOP_TRY(lop_mat_zero(q, b->clip_grad)); /* what stands between linears has none and stays */
    LOP_TRY(lop_mat_zero(q, b->clip));
    LOP_TRY(lop_reciprocal(q, b->clip, first_phi, 1.0f)); /* first_phi / max(0, 1) */
    return lop_adam_begin(q, &adam);
}

/* All weights of a linear as points of the grids that phi says, in the trial's place. */
static lop_status round_all(const lop_besa *b, const lop_besa_linear *l)
{
    lop_queue *q = b->block->queue;
    LOP_TRY(lop_quant_scale(q, l->clip.low, l->clip.high, l->clip.phi, &l->linear->grid));
    return lop_quant_round(q, l->linear->view->w, &l->linear->grid, l->used);
}

lop_status lop_besa_clip_weights(lop_besa *b, const lop_besa_linear *l)
{
    LOP_TRY(round_all(b, l));
    return lop_mat_zero(b->block->queue, l->was);
}

/* The place of scores serves: they are wanted before the first step and after the last. */
lop_status lop_besa_clip_rows(const lop_besa *b, const lop_besa_linear *l, int32_t first, int32_t rows,
                              lop_mat *out)
{
    const lop_mat w = lop_mat_rows(l->linear->view->w, first, rows);
    const lop_quant_grid grid = lop_quant_rows(&l->linear->grid, first, rows);
    const int64_t at = b->score.at * (int64_t)(sizeof(float) / lop_type_bytes(w.type));
    *out = lop_mat_of(b->score.buf, at, rows, w.cols, w.type);
    return lop_quant_round(b->block->queue, w, &grid, *out);
}

/* `was` of a row is by now how many of it are out. */
static lop_status drop(const lop_besa *b, const lop_besa_linear *l, int32_t first, lop_mat dw)
{
    lop_queue *q = b->block->queue;
    const lop_mat none = lop_mat_rows(b->none, 0, dw.rows);
    const lop_launch_shape shape = lop_by_rows(dw.rows, dw.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(lop_mat_rows(l->order, first, dw.rows)),
                            LOP_M(dw),
                            LOP_M(lop_mat_rows(l->was, first, dw.rows)),
                            LOP_I(1),
                            LOP_M(none),
                            LOP_M(dw)};
    LOP_TRY(lop_mat_zero(q, none));
    return LOP_LAUNCH(q, LOP_KERNEL_flip_row, &shape, args);
}

lop_status lop_besa_clip_back(const lop_besa *b, const lop_besa_linear *l, int32_t first, lop_mat dw)
{
    const int32_t n = dw.rows;
    const lop_quant_grid grid = lop_quant_rows(&l->linear->grid, first, n);
    const lop_quant_clip clip = {.low = lop_mat_rows(l->clip.low, first, n),
                                 .high = lop_mat_rows(l->clip.high, first, n),
                                 .phi = lop_mat_rows(l->clip.phi, first, n),
                                 .grad = lop_mat_rows(l->clip.grad, first, n)};
    LOP_TRY(drop(b, l, first, dw));
    return lop_quant_back(b->block->queue, dw, 1.0f / b->scale, lop_mat_rows(l->linear->view->w, first, n),
                          &grid, &clip);
}

lop_status lop_besa_clip_move(lop_besa *b, float part)
{
    lop_adam_args adam = adam_of(b);
    adam.lr = b->options.clip_rate * part;
    return lop_adam(b->block->queue, &adam);
}

static double sigmoid(float x)
{
    return 1.0 / (1.0 + exp(-(double)x));
}

/* Mean parts of ranges that grids reach over, for the report: below 0, above it. */
static lop_status tell(const lop_besa *b, const float *phi)
{
    int64_t at = 0, grids = 0;
    double low = 0.0, high = 0.0;
    for (int32_t i = 0; i < b->count; i++) {
        const lop_besa_linear *l = &b->linears[i];
        const int64_t n = lop_mat_elements(l->linear->grid.scale);
        for (int64_t g = 0; g < n; g++) {
            if (!isfinite(phi[at + 2 * g]) || !isfinite(phi[at + 2 * g + 1]))
                return LOP_FAIL(
                    LOP_E_NUMERIC,
                    "the clipping of %s has left the numbers: a lower --quantize-rate may hold it",
                    l->linear->view->name);
            low += sigmoid(phi[at + 2 * g]);
            high += sigmoid(phi[at + 2 * g + 1]);
        }
        at += numbers_of(l);
        grids += n;
    }
    return lop_json_put(b->block->learned[0], "clip",
                        json_pack("[f, f]", low / (double)grids, high / (double)grids));
}

lop_status lop_besa_clip_end(lop_besa *b)
{
    float *phi = NULL;
    LOP_TRY(LOP_NEW(&phi, lop_mat_elements(b->clip)));
    lop_status status = lop_download(b->block->queue, b->clip, phi);
    if (status == LOP_OK) status = tell(b, phi);
    for (int32_t i = 0; status == LOP_OK && i < b->count; i++) {
        status = round_all(b, &b->linears[i]);
        b->block->linears[i].changed = b->linears[i].used;
    }
    lop_free(phi);
    return status;
}
