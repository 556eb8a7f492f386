/* ops_select.c - scores of weights, and which of them stay. */
#include "core/device/check.h"
#include "core/device/device.h"
#include "core/device/launch.h"

/* Digits of a pass of keep_all; lanes of the one group that looks for a rank among them; elements of a span that a group
 * counts, no fewer, so that its own counts are not most of its work, and the most spans; u32 of what is found. */
enum {
    KEEP_BITS = 8,
    DIGITS = 2048,
    DIGIT_LANES = 512,
    SPAN_LEAST = 4 * DIGITS,
    SPANS_MOST = 1024,
    STATE = 8
};

static int32_t bytes_of(int32_t cols)
{
    return cols / KEEP_BITS + (cols % KEEP_BITS != 0);
}

lop_status lop_score_scaled(lop_queue *q, lop_mat w, lop_mat stat, lop_mat score)
{
    const lop_operand operands[] = {
        {"w", w, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"stat", stat, 1, w.cols, LOP_BIT(LOP_F32), LOP_READ_MAYBE},
        {"score", score, w.rows, w.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "score_scaled", operands);
    const lop_launch_shape shape = lop_by_rows(w.rows, w.cols, w.type);
    const lop_arg args[] = {LOP_M(w), LOP_M(stat), LOP_M(score), LOP_I(lop_mat_present(stat)), LOP_I(w.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_score_row, &shape, args);
}

lop_status lop_score_obs(lop_queue *q, lop_mat w, lop_mat u, int32_t degree, lop_mat score)
{
    const lop_operand operands[] = {
        {"w", w, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_READ},
        {"u", u, 1, w.cols, LOP_BIT(LOP_F32), LOP_READ},
        {"score", score, w.rows, w.cols, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "score_obs", operands);
    if (degree != 1 && degree != 2)
        return LOP_FAIL(LOP_E_ARGUMENT, "score_obs: degree %d, expected 1 or 2", degree);
    const lop_launch_shape shape = lop_by_rows(w.rows, w.cols, w.type);
    const lop_arg args[] = {LOP_M(w), LOP_M(u), LOP_M(score), LOP_I(degree), LOP_I(w.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_score_obs_row, &shape, args);
}

lop_status lop_keep_rows(lop_queue *q, lop_mat score, lop_mat drop, lop_mat keep)
{
    const lop_operand operands[] = {
        {"score", score, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"drop", drop, score.rows, 1, LOP_BIT(LOP_U32), LOP_READ},
        {"keep", keep, score.rows, bytes_of(score.cols), LOP_BIT(LOP_U8), LOP_WRITTEN},
    };
    LOP_CHECK(q, "keep_rows", operands);
    const lop_launch_shape shape = lop_by_rows(score.rows, score.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(score), LOP_M(drop), LOP_M(keep), LOP_I(score.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_keep_row, &shape, args);
}

lop_status lop_rank_value_rows(lop_queue *q, lop_mat score, lop_mat rank, lop_mat value)
{
    const lop_operand operands[] = {
        {"score", score, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"rank", rank, score.rows, 1, LOP_BIT(LOP_U32), LOP_READ},
        {"value", value, score.rows, 1, LOP_BIT(LOP_F32), LOP_WRITTEN},
    };
    LOP_CHECK(q, "rank_value_rows", operands);
    const lop_launch_shape shape = lop_by_rows(score.rows, score.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(score), LOP_M(rank), LOP_M(value), LOP_I(score.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_rank_value_row, &shape, args);
}

lop_status lop_keep_n_of_m(lop_queue *q, lop_mat score, int32_t n, int32_t m, lop_mat keep)
{
    const lop_operand operands[] = {
        {"score", score, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"keep", keep, score.rows, bytes_of(score.cols), LOP_BIT(LOP_U8), LOP_WRITTEN},
    };
    LOP_CHECK(q, "keep_n_of_m", operands);
    if (n < 1 || n > m || m > 64)
        return LOP_FAIL(LOP_E_ARGUMENT, "keep_n_of_m: %d of %d, expected 1 <= n <= m <= 64", n, m);
    if (score.cols % m != 0)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "keep_n_of_m: score is (%d, %d), expected (%d, %d) or another multiple of %d",
                        score.rows, score.cols, score.rows, score.cols / m * m, m);
    const lop_launch_shape shape = lop_by_rows(score.rows, score.cols, LOP_F32);
    const lop_arg args[] = {LOP_M(score), LOP_M(keep), LOP_I(n), LOP_I(m), LOP_I(score.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_keep_n_of_m, &shape, args);
}

/* ------------------------------------------------------------------------------------------------ the whole matrix */

typedef struct all_scratch { /* parts of the caller's scratch */
    lop_mat state, counts, ties;
} all_scratch;

int32_t lop_keep_all_scratch(int32_t rows)
{
    return rows < INT32_MAX - STATE - DIGITS ? STATE + DIGITS + rows : INT32_MAX;
}

static all_scratch scratch_split(lop_mat scratch, int32_t rows)
{
    return (all_scratch){
        .state = lop_mat_cols(scratch, 0, STATE),
        .counts = lop_mat_cols(scratch, STATE, DIGITS),
        .ties = lop_mat_cols(scratch, STATE + DIGITS, rows),
    };
}

/* Rows that follow one another without gaps are one row, if it has a length that a matrix can name. */
static lop_mat in_one_row(lop_mat m)
{
    const int64_t elements = lop_mat_elements(m);
    if (m.ld != m.cols || elements > INT32_MAX) return m;
    return lop_mat_of(m.buf, m.at, 1, (int32_t)elements, m.type);
}

/* Leaves the key of `rank` in the state: three passes of counting and finding a digit. */
static lop_status all_find(lop_queue *q, lop_mat score, int64_t rank, const all_scratch *s)
{
    static const int32_t shifts[] = {21, 10, 0};
    const lop_mat flat = in_one_row(score);
    const int64_t parts = lop_mat_elements(flat) / SPAN_LEAST;
    const int32_t spans = parts < 1 ? 1 : parts < SPANS_MOST ? (int32_t)parts : SPANS_MOST;
    const lop_launch_shape many = lop_by_rows(spans, flat.cols, LOP_F32);
    const lop_launch_shape one = {.groups = 1, .cols = DIGITS, .lanes = DIGIT_LANES, .word = LOP_F32};
    LOP_TRY(lop_mat_zero(q, s->counts));
    for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++) {
        const lop_arg count[] = {LOP_M(flat),      LOP_M(s->state), LOP_M(s->counts), LOP_I(flat.rows),
                                 LOP_I(flat.cols), LOP_I(spans),    LOP_I(shifts[i])};
        const lop_arg digit[] = {LOP_M(s->counts), LOP_M(s->state), LOP_L(rank), LOP_I(shifts[i])};
        LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_all_count, &many, count));
        LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_all_digit, &one, digit));
    }
    return LOP_OK;
}

static lop_status all_check(lop_queue *q, lop_mat score, int64_t drop, bool ties, lop_mat scratch,
                            lop_mat keep)
{
    const lop_operand operands[] = {
        {"score", score, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"scratch", scratch, LOP_FREE, LOP_FREE, LOP_BIT(LOP_U32), LOP_WRITTEN},
        {"keep", keep, score.rows, bytes_of(score.cols), LOP_BIT(LOP_U8), LOP_WRITTEN},
    };
    LOP_CHECK(q, "keep_all", operands);
    const int64_t elements = lop_mat_elements(score), most = elements - (ties && elements > 0 ? 1 : 0);
    if (drop < 0 || drop > most)
        return LOP_FAIL(LOP_E_ARGUMENT, "keep_all: drop %lld of score (%d, %d), expected 0 to %lld",
                        (long long)drop, score.rows, score.cols, (long long)most);
    if (scratch.rows < 1 || scratch.cols < lop_keep_all_scratch(score.rows))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "keep_all: scratch is (%d, %d), expected one row of %d for score (%d, %d)",
                        scratch.rows, scratch.cols, lop_keep_all_scratch(score.rows), score.rows, score.cols);
    if (score.rows > INT32_MAX - STATE - DIGITS || elements > (int64_t)UINT32_MAX)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "keep_all: score (%d, %d) has more elements than 32 bits count",
                        score.rows, score.cols);
    return LOP_OK;
}

lop_status lop_keep_all(lop_queue *q, lop_mat score, int64_t drop, bool ties, lop_mat scratch, lop_mat keep)
{
    LOP_TRY(all_check(q, score, drop, ties, scratch, keep));
    if (lop_mat_elements(score) == 0) return LOP_OK;
    const all_scratch s = scratch_split(scratch, score.rows);
    LOP_TRY(all_find(q, score, ties || drop == 0 ? drop : drop - 1, &s));
    const lop_launch_shape rows = lop_by_rows(score.rows, score.cols, LOP_F32);
    const lop_launch_shape one = lop_by_rows(1, score.rows, LOP_F32);
    const lop_arg count[] = {LOP_M(score), LOP_M(s.state), LOP_M(s.ties),
                             LOP_L(drop),  LOP_I(ties),    LOP_I(score.cols)};
    const lop_arg share[] = {LOP_M(s.state), LOP_M(s.ties), LOP_L(drop), LOP_I(ties), LOP_I(score.rows)};
    const lop_arg write[] = {LOP_M(score), LOP_M(s.state), LOP_M(s.ties), LOP_M(keep), LOP_I(score.cols)};
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_all_ties, &rows, count));
    LOP_TRY(LOP_LAUNCH(q, LOP_KERNEL_all_share, &one, share));
    return LOP_LAUNCH(q, LOP_KERNEL_all_keep, &rows, write);
}

/* ------------------------------------------------------------------------------------------------ ranks, masks */

/* Groups of one lane take large digits; lanes that count side by side have room for small ones. */
static int32_t digit_bits(const lop_device *device)
{
    return device->lanes_max == 1 ? 8 : 4;
}

lop_status lop_rank_rows(lop_queue *q, lop_mat score, lop_mat scratch, lop_mat order)
{
    const lop_operand operands[] = {
        {"score", score, LOP_FREE, LOP_FREE, LOP_BIT(LOP_F32), LOP_READ},
        {"scratch", scratch, score.rows, score.cols, LOP_BIT(LOP_U32), LOP_WRITTEN},
        {"order", order, score.rows, score.cols, LOP_BIT(LOP_U16), LOP_WRITTEN},
    };
    LOP_CHECK(q, "rank_rows", operands);
    if (score.cols > UINT16_MAX + 1)
        return LOP_FAIL(LOP_E_ARGUMENT, "rank_rows: score (%d, %d) has more columns than u16 can name",
                        score.rows, score.cols);
    const int32_t bits = digit_bits(q->device);
    const int32_t lanes = q->device->lanes_max < 512 ? q->device->lanes_max : 512;
    const lop_launch_shape shape = {.groups = score.rows,
                                    .cols = score.cols,
                                    .word = LOP_F32,
                                    .local_bytes = ((size_t)lanes << bits) * sizeof(uint32_t)};
    const lop_arg args[] = {LOP_M(score), LOP_M(scratch), LOP_M(order), LOP_I(bits), LOP_I(score.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_rank_row, &shape, args);
}

lop_status lop_zero_dropped(lop_queue *q, lop_mat keep, lop_mat w)
{
    const lop_operand operands[] = {
        {"w", w, LOP_FREE, LOP_FREE, LOP_WORDS_ANY, LOP_WRITTEN},
        {"keep", keep, w.rows, bytes_of(w.cols), LOP_BIT(LOP_U8), LOP_READ},
    };
    LOP_CHECK(q, "zero_dropped", operands);
    const lop_launch_shape shape = lop_by_rows(w.rows, w.cols, w.type);
    const lop_arg args[] = {LOP_M(keep), LOP_M(w), LOP_I(w.cols)};
    return LOP_LAUNCH(q, LOP_KERNEL_zero_dropped, &shape, args);
}
