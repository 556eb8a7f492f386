/* factor_solve.c - rows solved with a Cholesky factor: forth with L^T, back with L, panel by panel and tile by tile; or with
 * the factor of an inverse, in products alone. */
#include "core/device/factor_parts.h"

typedef struct solve {
    lop_mat l, tiles, scratch, rows;
} solve;

/* Columns [to, to + width) of the rows less what columns [from, from + count) make of them: by L^T where `turned`. */
static lop_status take(lop_queue *q, const solve *s, bool turned, int32_t from, int32_t count, int32_t to,
                       int32_t width)
{
    return lop_part_product(q, (lop_gemm_args){.a = lop_mat_cols(s->rows, from, count),
                                               .b = turned ? lop_mat_part(s->l, to, width, from, count)
                                                           : lop_mat_part(s->l, from, count, to, width),
                                               .c = lop_mat_cols(s->rows, to, width),
                                               .tb = turned,
                                               .alpha = -1.0f,
                                               .beta = 1.0f});
}

static lop_status tile_solve(lop_queue *q, const solve *s, bool turned, int32_t j, int32_t width)
{
    return lop_times_tile(q, lop_mat_cols(s->rows, j, width), lop_mat_part(s->tiles, j, width, 0, width),
                          turned, s->scratch);
}

/* rows = rows L^-T. */
static lop_status forth(lop_queue *q, const solve *s)
{
    const int32_t n = s->l.cols;
    for (int32_t at = 0; at < n; at += LOP_PANEL) {
        const int32_t end = lop_lesser(n, at + LOP_PANEL);
        LOP_TRY(take(q, s, true, 0, at, at, end - at));
        for (int32_t j = at; j < end; j += LOP_TILE) {
            const int32_t width = lop_lesser(LOP_TILE, end - j);
            LOP_TRY(take(q, s, true, at, j - at, j, width));
            LOP_TRY(tile_solve(q, s, true, j, width));
        }
    }
    return LOP_OK;
}

/* rows = rows L^-1. */
static lop_status back(lop_queue *q, const solve *s)
{
    const int32_t n = s->l.cols;
    for (int32_t at = (n - 1) / LOP_PANEL * LOP_PANEL; at >= 0; at -= LOP_PANEL) {
        const int32_t end = lop_lesser(n, at + LOP_PANEL);
        LOP_TRY(take(q, s, false, end, n - end, at, end - at));
        for (int32_t j = at + (end - at - 1) / LOP_TILE * LOP_TILE; j >= at; j -= LOP_TILE) {
            const int32_t width = lop_lesser(LOP_TILE, end - j), after = j + width;
            LOP_TRY(take(q, s, false, after, end - after, j, width));
            LOP_TRY(tile_solve(q, s, false, j, width));
        }
    }
    return LOP_OK;
}

int32_t lop_solve_scratch(int32_t rows)
{
    return lop_scratch_of(rows, LOP_TILE);
}

lop_status lop_chol_solve(lop_queue *q, lop_mat l, lop_mat tiles, lop_mat scratch, lop_mat rows)
{
    const lop_operand operands[] = {
        {"l", l, l.cols, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"tiles", tiles, l.cols, LOP_TILE, LOP_BIT(LOP_F32), LOP_READ},
        {"scratch", scratch, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"rows", rows, LOP_FREE, l.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "chol_solve", operands);
    LOP_TRY(lop_scratch_check("chol_solve", rows, scratch, lop_solve_scratch(rows.rows)));
    const solve s = {l, tiles, scratch, rows};
    if (lop_mat_elements(rows) == 0) return LOP_OK;
    LOP_TRY(forth(q, &s));
    return back(q, &s);
}

/* Columns whose products leave out together what U has zeros for: half of a panel's own square is computed for nothing. */
enum { UPPER_PANEL = 512 };

lop_status lop_inverse_factor_solve(lop_queue *q, lop_mat u, lop_mat room, lop_mat rows)
{
    const int32_t n = u.cols;
    const lop_operand operands[] = {
        {"u", u, n, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"room", room, rows.rows, n, LOP_BIT(LOP_F32), LOP_WRITTEN},
        {"rows", rows, LOP_FREE, n, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "inverse_factor_solve", operands);
    for (int32_t at = 0; at < n; at += UPPER_PANEL) {
        const int32_t width = lop_lesser(UPPER_PANEL, n - at);
        LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = lop_mat_cols(rows, at, n - at),
                                                    .b = lop_mat_part(u, at, width, at, n - at),
                                                    .c = lop_mat_cols(room, at, width),
                                                    .tb = true,
                                                    .alpha = 1.0f}));
    }
    for (int32_t at = 0; at < n; at += UPPER_PANEL) {
        const int32_t width = lop_lesser(UPPER_PANEL, n - at);
        LOP_TRY(lop_part_product(q, (lop_gemm_args){.a = lop_mat_cols(room, 0, at + width),
                                                    .b = lop_mat_part(u, 0, at + width, at, width),
                                                    .c = lop_mat_cols(rows, at, width),
                                                    .alpha = 1.0f}));
    }
    return LOP_OK;
}
