/* sparsegpt_factor.c - the factor that compensation needs, once for each distinct input. A scale of H is a scale of all scores
 * and leaves what weights become as it is, so the plain sum over tokens stands for the mean.
 *
 * A factorisation that fails is tried again with ten times the damping, from the Gram matrix as it was. */
#include "core/prune/sparsegpt_parts.h"

#include "core/device/device.h"
#include "core/device/factor.h"

/* Tries in all; and what follows a damping of 0. */
enum { TRIES = 5 };
static const double damping_least = 0.001, damping_growth = 10.0;

/* What stands on the diagonal for an input that was always 0: so far below any damped column that its weights go first, the
 * least of them before the others, and cost nothing. Its root and that of its inverse are exact. */
static const float dead_diagonal = 0x1p-80f;

static lop_status dead_count(lop_sparsegpt *s, lop_mat gram, int64_t *out)
{
    lop_queue *q = s->block->queue;
    const lop_mat diagonal = lop_mat_cols(s->diagonal, 0, gram.cols);
    LOP_TRY(lop_diagonal(q, gram, diagonal));
    LOP_TRY(lop_mat_zero(q, s->dead));
    LOP_TRY(lop_count_zero(q, diagonal, s->dead_scratch, s->dead));
    return lop_download(q, s->dead, out);
}

static lop_status try_once(lop_sparsegpt *s, lop_mat gram, double damping, lop_bad *bad)
{
    lop_queue *q = s->block->queue;
    const lop_mat u = lop_mat_of(s->u.buf, s->u.at, gram.rows, gram.cols, LOP_F32);
    LOP_TRY(lop_cast(q, gram, u));
    LOP_TRY(lop_damp(q, u, (float)damping, s->mean));
    LOP_TRY(lop_revive(q, u, dead_diagonal));
    LOP_TRY(lop_inverse_factor(q, u, s->factor_scratch, s->bad));
    return lop_bad_read(q, s->bad, bad);
}

static void failure_tell(const lop_sparsegpt *s, const char *name, const lop_bad *bad, double damping,
                         double next)
{
    lop_log_say(s->block->log, LOP_EVENT_WARNING,
                "the Hessian of %s cannot be factored at damping %g: column %d has pivot %g; damping %g is "
                "tried",
                name, damping, bad->column, (double)bad->pivot, next);
}

lop_status lop_sparsegpt_factorise(lop_sparsegpt *s, int32_t index, lop_sparsegpt_factor *out)
{
    const lop_prune_linear *linear = &s->block->linears[index];
    lop_bad bad = {.column = -1};
    *out = (lop_sparsegpt_factor){.damping = s->options.damping};
    for (;;) {
        LOP_TRY(try_once(s, linear->gram, out->damping, &bad));
        if (bad.column < 0) return dead_count(s, linear->gram, &out->dead);
        if (out->escalations + 1 == TRIES) break;
        const double next = out->damping > 0.0 ? out->damping * damping_growth : damping_least;
        failure_tell(s, linear->view->name, &bad, out->damping, next);
        out->damping = next;
        out->escalations++;
    }
    return LOP_FAIL(
        LOP_E_NUMERIC,
        "the Hessian of %s cannot be factored, not even at damping %g: column %d has pivot %g; more "
        "or other calibration data may do",
        linear->view->name, out->damping, bad.column, (double)bad.pivot);
}
