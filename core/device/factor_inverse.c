/* factor_inverse.c - inverses from a Cholesky factor, in its place.
 *
 * The inverse of [A 0; B C] is [A^-1 0; -C^-1 B A^-1 C^-1]: from the inverses of tiles come those of squares of two tiles, of
 * four, and so on, equal squares in one batch. A slab of columns of B A^-1 needs the columns of B from the slab on, so slabs
 * go from left to right and take B's place. C^-1 goes slab by slab of its columns, so that products are tall; the halves of
 * A^-1 and C^-1 that are zero are left out but for the slabs' own triangles. */
#include "core/device/factor_parts.h"
#include "core/device/launch.h"

/* Columns of a slab: an eighth of the square, so that an eighth more is computed than asked for; no narrower than a tile, and
 * no wider than scratch allows. */
enum { SLABS = 8, SLAB_MOST = 2 * LOP_SCRATCH_COLS };

static int32_t slab_of(int32_t side)
{
    const int32_t part = side / SLABS;
    return part < LOP_TILE ? LOP_TILE : lop_lesser(part, SLAB_MOST);
}

/* `count` squares, 2 `side` apart from column `first` on: A is (side, side), C (rows, rows). */
typedef struct pairs {
    lop_mat l, scratch;
    int32_t first, side, rows, count;
} pairs;

/* The part of the first square of a batch. */
static lop_mat part_of(const pairs *p, int32_t row, int32_t rows, int32_t col, int32_t cols)
{
    return lop_mat_part(p->l, p->first + row, rows, p->first + col, cols);
}

/* Columns [at, at + width) of -C^-1 B A^-1 take the place of B's. */
static lop_status slab_invert(lop_queue *q, const pairs *p, int32_t at, int32_t width)
{
    const int32_t side = p->side, step = slab_of(side);
    const int64_t next = 2 * (int64_t)side * ((int64_t)p->l.ld + 1), next_room = (int64_t)p->rows * width;
    const lop_mat room = lop_mat_of(p->scratch.buf, p->scratch.at, p->rows, width, LOP_F32);
    LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = part_of(p, side, p->rows, at, side - at),
                                                .b = part_of(p, at, side - at, at, width),
                                                .c = room,
                                                .alpha = 1.0f,
                                                .count = p->count,
                                                .step_a = next,
                                                .step_b = next,
                                                .step_c = next_room}));
    for (int32_t k = 0; k < p->rows; k += step) {
        const int32_t inner = lop_lesser(step, p->rows - k), rows = p->rows - k;
        LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = part_of(p, side + k, rows, side + k, inner),
                                                    .b = lop_mat_rows(room, k, inner),
                                                    .c = part_of(p, side + k, rows, at, width),
                                                    .alpha = -1.0f,
                                                    .beta = k > 0 ? 1.0f : 0.0f,
                                                    .count = p->count,
                                                    .step_a = next,
                                                    .step_b = next_room,
                                                    .step_c = next}));
    }
    return LOP_OK;
}

static lop_status pairs_invert(lop_queue *q, const pairs *p)
{
    const int32_t step = slab_of(p->side);
    if (p->count == 0 || p->rows <= 0) return LOP_OK;
    for (int32_t at = 0; at < p->side; at += step)
        LOP_TRY(slab_invert(q, p, at, lop_lesser(step, p->side - at)));
    return LOP_OK;
}

static lop_status check(lop_queue *q, const char *op, lop_mat l, lop_mat tiles, lop_mat scratch)
{
    const lop_operand operands[] = {
        {"l", l, l.cols, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"tiles", tiles, l.cols, LOP_TILE, LOP_BIT(LOP_F32), LOP_READ},
        {"scratch", scratch, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, op, operands);
    return lop_scratch_check(op, l, scratch, lop_chol_scratch(l.cols));
}

lop_status lop_tri_inverse(lop_queue *q, lop_mat l, lop_mat tiles, lop_mat scratch)
{
    const int32_t n = l.cols;
    LOP_TRY(check(q, "tri_inverse", l, tiles, scratch));
    const lop_launch_shape rows = lop_by_rows(n, LOP_TILE, LOP_F32);
    const lop_arg args[] = {LOP_M(tiles), LOP_M(l), LOP_I(n)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_tile_place_row, &rows, args));
    for (int32_t side = LOP_TILE; side < n; side *= 2) {
        const int32_t whole = n / 2 / side, done = 2 * side * whole;
        const pairs many = {l, scratch, 0, side, side, whole};
        const pairs last = {l, scratch, done, side, n - done - side, 1};
        LOP_TRY(pairs_invert(q, &many));
        LOP_TRY(pairs_invert(q, &last));
    }
    return LOP_OK;
}

/* With V = L^-1 the inverse is V^T V. Row of tiles by row of tiles from the top: what a row needs lies in it and below. */
static lop_status inverse_row(lop_queue *q, lop_mat l, lop_mat scratch, int32_t at)
{
    const int32_t n = l.cols, rows = lop_lesser(LOP_TILE, n - at), end = at + rows;
    const lop_mat own = lop_mat_part(l, at, rows, 0, end), tile = lop_mat_part(l, at, rows, at, rows);
    const lop_mat room = lop_mat_of(scratch.buf, scratch.at, rows, end, LOP_F32);
    LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = tile, .b = own, .c = room, .ta = true, .alpha = 1.0f}));
    LOP_TRY(lop_cast(q, room, own));
    return lop_part_product(q, (lop_gemm_args){.a = lop_mat_part(l, end, n - end, at, rows),
                                               .b = lop_mat_part(l, end, n - end, 0, end),
                                               .c = own,
                                               .ta = true,
                                               .alpha = 1.0f,
                                               .beta = 1.0f});
}

lop_status lop_chol_inverse(lop_queue *q, lop_mat l, lop_mat tiles, lop_mat scratch)
{
    LOP_TRY(check(q, "chol_inverse", l, tiles, scratch));
    LOP_TRY(lop_tri_inverse(q, l, tiles, scratch));
    for (int32_t at = 0; at < l.cols; at += LOP_TILE) LOP_TRY(inverse_row(q, l, scratch, at));
    return lop_mirror(q, l);
}
