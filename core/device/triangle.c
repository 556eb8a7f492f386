/* triangle.c - products of parts of matrices; x x^T in one triangle from products of squares. */
#include "core/device/triangle.h"

lop_status lop_part_product(lop_queue *q, lop_gemm_args product)
{
    const int32_t inner = product.ta ? product.a.rows : product.a.cols;
    if (inner == 0 || lop_mat_elements(product.c) == 0) return LOP_OK;
    if (product.count == 0) product.count = 1;
    product.math = LOP_MATH_F32;
    return lop_gemm(q, &product);
}

/* `count` squares, `step` apart, whose first has `rows` rows from `below` on and `cols` columns from `first` on. */
typedef struct squares {
    int32_t below, rows, first, cols, count, step;
} squares;

static lop_mat slice(const lop_triangle *t, int32_t first, int32_t count)
{
    return t->columns ? lop_mat_cols(t->x, first, count) : lop_mat_rows(t->x, first, count);
}

static lop_status squares_add(lop_queue *q, const lop_triangle *t, const squares *s)
{
    const int64_t step = t->columns ? s->step : (int64_t)s->step * t->x.ld;
    if (s->count == 0) return LOP_OK;
    return lop_part_product(q, (lop_gemm_args){.a = slice(t, s->below, s->rows),
                                               .b = slice(t, s->first, s->cols),
                                               .c = lop_mat_part(t->h, s->below, s->rows, s->first, s->cols),
                                               .ta = t->columns,
                                               .tb = !t->columns,
                                               .alpha = t->alpha,
                                               .beta = 1.0f,
                                               .count = s->count,
                                               .step_a = step,
                                               .step_b = step,
                                               .step_c = (int64_t)s->step * ((int64_t)t->h.ld + 1)});
}

/* Squares of `side` rows that begin `down` below the diagonal's, 0 or `side`, as many as are whole; then what is left of one
 * that is not. */
static lop_status level_add(lop_queue *q, const lop_triangle *t, int32_t side, int32_t down)
{
    const int32_t n = t->h.cols, step = side + down, whole = n / step, done = whole * step;
    const int32_t left = n - done - down;
    const squares many = {down, side, 0, side, whole, step};
    const squares last = {done + down, left, done, down > 0 ? side : left, left > 0, 0};
    LOP_TRY(squares_add(q, t, &many));
    return squares_add(q, t, &last);
}

lop_status lop_triangle_add(lop_queue *q, const lop_triangle *t)
{
    if (lop_mat_elements(t->x) == 0) return LOP_OK;
    LOP_TRY(level_add(q, t, t->tile, 0));
    for (int64_t side = t->tile; side < t->h.cols; side *= 2)
        LOP_TRY(level_add(q, t, (int32_t)side, (int32_t)side));
    return LOP_OK;
}
