/* factor.c - the blocked Cholesky factor, and from one of them the factor of an inverse.
 *
 * Columns are cut into panels, panels into tiles, at places that follow from the size alone. A panel first loses what the
 * columns before it make up, in products with long sums, which read the finished columns once; inside it tile follows tile:
 * the kernel factors the tile on the diagonal and inverts that factor, and what lies below is a product with the inverse. */
#include "core/device/factor.h"
#include "core/device/device.h"
#include "core/device/factor_parts.h"
#include "core/device/launch.h"

#include <string.h>

int32_t lop_scratch_of(int32_t count, int32_t each)
{
    return count < INT32_MAX / each ? each * count : INT32_MAX;
}

lop_status lop_scratch_check(const char *op, lop_mat h, lop_mat scratch, int32_t least)
{
    if (scratch.rows >= 1 && scratch.cols >= least) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "%s: scratch is (%d, %d), expected one row of %d with (%d, %d)", op,
                    scratch.rows, scratch.cols, least, h.rows, h.cols);
}

lop_status lop_times_tile(lop_queue *q, lop_mat x, lop_mat tile, bool turned, lop_mat scratch)
{
    const lop_mat room = lop_mat_of(scratch.buf, scratch.at, x.rows, x.cols, LOP_F32);
    if (lop_mat_elements(x) == 0) return LOP_OK;
    LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = x, .b = tile, .c = room, .tb = turned, .alpha = 1.0f}));
    return lop_cast(q, room, x);
}

/* A factorisation under way, which calls column j first + step j in `bad`. */
typedef struct chol {
    lop_mat h, tiles, scratch, bad;
    int32_t first, step;
} chol;

/* The lower triangle of columns [at, end), and what lies below, less what the columns before `at` make up. */
static lop_status panel_update(lop_queue *q, const chol *c, int32_t at, int32_t end)
{
    const int32_t n = c->h.cols, width = end - at;
    const lop_mat own = lop_mat_part(c->h, at, width, 0, at);
    const lop_triangle triangle = {own, lop_mat_part(c->h, at, width, at, width), -1.0f, false, LOP_TILE};
    LOP_TRY(lop_triangle_add(q, &triangle));
    return lop_part_product(q, (lop_gemm_args){.a = lop_mat_part(c->h, end, n - end, 0, at),
                                               .b = own,
                                               .c = lop_mat_part(c->h, end, n - end, at, width),
                                               .tb = true,
                                               .alpha = -1.0f,
                                               .beta = 1.0f});
}

static lop_status tile_factor(lop_queue *q, const chol *c, int32_t j, int32_t width)
{
    const lop_launch_shape one = lop_by_rows(1, LOP_TILE * LOP_TILE, LOP_F32);
    const lop_arg args[] = {LOP_M(lop_mat_part(c->h, j, width, j, width)),
                            LOP_M(lop_mat_part(c->tiles, j, width, 0, width)),
                            LOP_M(c->bad),
                            LOP_I(width),
                            LOP_I(j == 0),
                            LOP_I(c->first + c->step * j),
                            LOP_I(c->step)};
    return LOP_LAUNCH(q, LOP_KERNEL_tile_factor, &one, args);
}

/* Columns [at, end), which have lost what lies before them, tile by tile. */
static lop_status panel_factor(lop_queue *q, const chol *c, int32_t at, int32_t end)
{
    const int32_t n = c->h.cols;
    for (int32_t j = at; j < end; j += LOP_TILE) {
        const int32_t width = lop_lesser(LOP_TILE, end - j), below = j + width;
        LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = lop_mat_part(c->h, j, n - j, at, j - at),
                                                    .b = lop_mat_part(c->h, j, width, at, j - at),
                                                    .c = lop_mat_part(c->h, j, n - j, j, width),
                                                    .tb = true,
                                                    .alpha = -1.0f,
                                                    .beta = 1.0f}));
        LOP_TRY(tile_factor(q, c, j, width));
        LOP_TRY(lop_times_tile(q, lop_mat_part(c->h, below, n - below, j, width),
                               lop_mat_part(c->tiles, j, width, 0, width), true, c->scratch));
    }
    return LOP_OK;
}

static lop_status panels_factor(lop_queue *q, const chol *c)
{
    for (int32_t at = 0; at < c->h.cols; at += LOP_PANEL) {
        const int32_t end = lop_lesser(c->h.cols, at + LOP_PANEL);
        LOP_TRY(panel_update(q, c, at, end));
        LOP_TRY(panel_factor(q, c, at, end));
    }
    return LOP_OK;
}

/* By the backend's own factorisation, where it has one and that takes h; which pivot failed is seen from what it leaves. */
static lop_status own_factor(lop_queue *q, const chol *c, bool *taken)
{
    const lop_fast *fast = q->device->fast;
    const int32_t n = c->h.cols;
    const lop_mat diagonal = lop_mat_of(c->scratch.buf, c->scratch.at, 1, n, LOP_F32);
    *taken = false;
    if (fast == NULL || fast->chol == NULL) return LOP_OK;
    LOP_TRY(lop_queue_room(q));
    LOP_TRY(lop_diagonal(q, c->h, diagonal));
    LOP_TRY(fast->chol(q, c->h, lop_mat_cols(c->bad, 0, 1), taken));
    if (!*taken) return LOP_OK;
    const lop_launch_shape one = lop_by_rows(1, n, LOP_F32);
    const lop_arg args[] = {LOP_M(c->h),     LOP_M(diagonal), LOP_M(c->bad),
                            LOP_I(c->first), LOP_I(c->step),  LOP_I(n)};
    return LOP_LAUNCH(q, LOP_KERNEL_chol_look, &one, args);
}

static lop_status tiles_invert(lop_queue *q, const chol *c)
{
    const int32_t n = c->h.cols;
    const lop_launch_shape shape = {
        .groups = n / LOP_TILE + (n % LOP_TILE != 0), .cols = LOP_TILE * LOP_TILE, .word = LOP_F32};
    const lop_arg args[] = {LOP_M(c->h), LOP_M(c->tiles), LOP_I(n)};
    return LOP_LAUNCH(q, LOP_KERNEL_tile_inverse, &shape, args);
}

static lop_status chol_run(lop_queue *q, const chol *c)
{
    const int32_t n = c->h.cols;
    bool taken = false;
    if (n == 0) return lop_mat_zero(q, c->bad);
    LOP_TRY(own_factor(q, c, &taken));
    if (!taken) LOP_TRY(panels_factor(q, c));
    const lop_launch_shape rows = lop_by_rows(n, n, LOP_F32);
    const lop_arg args[] = {LOP_M(c->h), LOP_M(c->bad), LOP_I(c->first), LOP_I(c->step), LOP_I(n)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_chol_end_row, &rows, args));
    return taken ? tiles_invert(q, c) : LOP_OK;
}

int32_t lop_chol_scratch(int32_t cols)
{
    return lop_scratch_of(cols, LOP_SCRATCH_COLS);
}

lop_status lop_chol(lop_queue *q, lop_mat h, lop_mat tiles, lop_mat scratch, lop_mat bad)
{
    const lop_operand operands[] = {
        {"h", h, h.cols, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"tiles", tiles, h.cols, LOP_TILE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"scratch", scratch, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"bad", bad, 1, 2, LOP_BIT(LOP_I32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "chol", operands);
    LOP_TRY(lop_scratch_check("chol", h, scratch, lop_chol_scratch(h.cols)));
    const chol c = {h, tiles, scratch, bad, 1, 1};
    return chol_run(q, &c);
}

int32_t lop_inverse_factor_scratch(int32_t cols)
{
    return lop_scratch_of(cols, LOP_TILE + LOP_SCRATCH_COLS);
}

lop_status lop_inverse_factor(lop_queue *q, lop_mat h, lop_mat scratch, lop_mat bad)
{
    const lop_operand operands[] = {
        {"h", h, h.cols, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"scratch", scratch, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"bad", bad, 1, 2, LOP_BIT(LOP_I32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "inverse_factor", operands);
    LOP_TRY(lop_scratch_check("inverse_factor", h, scratch, lop_inverse_factor_scratch(h.cols)));
    const int64_t half = (int64_t)h.cols * LOP_TILE;
    const lop_mat tiles = lop_mat_of(scratch.buf, scratch.at, h.cols, LOP_TILE, LOP_F32);
    const lop_mat rest = lop_mat_of(scratch.buf, scratch.at + half, 1, lop_chol_scratch(h.cols), LOP_F32);
    const chol c = {h, tiles, rest, bad, h.cols, -1};
    LOP_TRY(lop_mirror(q, h));
    LOP_TRY(lop_reverse(q, h));
    LOP_TRY(chol_run(q, &c));
    LOP_TRY(lop_tri_inverse(q, h, tiles, rest));
    return lop_reverse(q, h);
}

lop_bad lop_bad_of(const int32_t said[2])
{
    lop_bad bad = {.column = said[0] - 1};
    memcpy(&bad.pivot, &said[1], sizeof bad.pivot);
    return bad;
}

lop_status lop_bad_read(lop_queue *q, lop_mat bad, lop_bad *out)
{
    int32_t said[2] = {0, 0};
    const lop_operand operands[] = {{"bad", bad, 1, 2, LOP_BIT(LOP_I32), LOP_READ}};
    LOP_CHECK(q, "bad_read", operands);
    LOP_TRY(lop_download(q, bad, said));
    *out = lop_bad_of(said);
    return LOP_OK;
}
