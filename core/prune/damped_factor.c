/* damped_factor.c - a factorisation that fails is tried again with ten times the damping, from the Gram matrix as it was. */
#include "core/prune/damped_factor.h"

#include "core/device/device.h"
#include "core/device/factor.h"
#include "core/prune/report.h"

#include <assert.h>

/* Tries in all; and what follows a damping of 0. */
enum { TRIES = 5 };
static const double damping_least = 0.001, damping_growth = 10.0;

lop_status lop_damped_place(lop_arena *a, int32_t n, int32_t tries, lop_damped_room *out)
{
    LOP_TRY(lop_arena_mat(a, n, n, LOP_F32, &out->u));
    LOP_TRY(lop_arena_mat(a, 1, n, LOP_F32, &out->diagonal));
    LOP_TRY(lop_arena_mat(a, 1, lop_inverse_factor_scratch(n), LOP_F32, &out->scratch));
    LOP_TRY(lop_arena_mat(a, 1, 1, LOP_F32, &out->mean));
    LOP_TRY(lop_arena_mat(a, tries, 2, LOP_I64, &out->said));
    return lop_arena_mat(a, 1, 1, LOP_U32, &out->dead_scratch);
}

lop_mat lop_damped_u(const lop_damped_room *room, int32_t n)
{
    return lop_mat_of(room->u.buf, room->u.at, n, n, LOP_F32);
}

lop_status lop_damped_tell(const lop_damped *damped, json_t *line)
{
    LOP_TRY(lop_json_put(line, "damping", json_real(damped->damping)));
    LOP_TRY(lop_json_put(line, "escalations", json_integer(damped->escalations)));
    return lop_json_put(line, "dead_columns", json_integer((json_int_t)damped->dead));
}

/* Row `at` of what is said: the count of dead columns, and behind it the pivot that failed. */
static lop_mat said_dead(const lop_damped_room *room, int32_t at)
{
    return lop_mat_part(room->said, at, 1, 0, 1);
}

static lop_mat said_bad(const lop_damped_room *room, int32_t at)
{
    return lop_mat_of(room->said.buf, 2 * (room->said.at + 2 * (int64_t)at + 1), 1, 2, LOP_I32);
}

lop_status lop_damped_try(lop_queue *q, lop_mat gram, double damping, const lop_damped_room *room, int32_t at)
{
    const lop_mat u = lop_damped_u(room, gram.rows), dead = said_dead(room, at);
    const lop_mat diagonal = lop_mat_cols(room->diagonal, 0, gram.cols);
    LOP_TRY(lop_diagonal(q, gram, diagonal));
    LOP_TRY(lop_mat_zero(q, dead));
    LOP_TRY(lop_count_zero(q, diagonal, room->dead_scratch, dead));
    LOP_TRY(lop_cast(q, gram, u));
    LOP_TRY(lop_damp(q, u, (float)damping, room->mean));
    LOP_TRY(lop_revive(q, u, LOP_DAMPED_DEAD));
    return lop_inverse_factor(q, u, room->scratch, said_bad(room, at));
}

lop_status lop_damped_read(lop_queue *q, const lop_damped_room *room, int32_t count, lop_damped_said *out)
{
    static_assert(sizeof *out == 2 * sizeof(int64_t), "a row of `said`");
    return lop_download(q, lop_mat_rows(room->said, 0, count), out);
}

static void failure_tell(lop_log *log, const char *name, const lop_bad *bad, double damping, double next)
{
    lop_log_say(log, LOP_EVENT_WARNING,
                "the Hessian of %s cannot be factored at damping %g: column %d has pivot %g; damping %g is "
                "tried",
                name, damping, bad->column, (double)bad->pivot, next);
}

lop_status lop_damped_factor(const lop_prune_block *block, const lop_prune_linear *linear, double damping,
                             const lop_damped_room *room, lop_damped *out)
{
    lop_damped_said said;
    lop_bad bad;
    *out = (lop_damped){.damping = damping};
    for (;;) {
        LOP_TRY(lop_damped_try(block->queue, linear->gram, out->damping, room, 0));
        LOP_TRY(lop_damped_read(block->queue, room, 1, &said));
        bad = lop_bad_of(said.bad);
        out->dead = said.dead;
        if (bad.column < 0) return LOP_OK;
        if (out->escalations + 1 == TRIES) break;
        const double next = out->damping > 0.0 ? out->damping * damping_growth : damping_least;
        failure_tell(block->log, linear->view->name, &bad, out->damping, next);
        out->damping = next;
        out->escalations++;
    }
    return LOP_FAIL(
        LOP_E_NUMERIC,
        "the Hessian of %s cannot be factored, not even at damping %g: column %d has pivot %g; more "
        "or other calibration data may do",
        linear->view->name, out->damping, bad.column, (double)bad.pivot);
}
