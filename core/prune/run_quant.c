/* run_quant.c - weights on grids: where grids lie, and how weights come to lie on them, whatever method chose which stay. */
#include "core/prune/run_parts.h"

/* What a report holds beside its grids: names, shapes and counts of a linear. */
enum { LINE_BYTES = 4096 };

static int64_t grids_of(const lop_run *run, const lop_quant *quant)
{
    int64_t grids = 0;
    for (int32_t b = 0; b < run->choice.blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &run->net.blocks[b].linear[i];
            if (lop_choice_takes(&run->choice, &run->net, b, (lop_linear_id)i))
                grids += (int64_t)l->out * lop_quant_grids(quant, l->in);
        }
    return grids;
}

static bool report_holds(const lop_run *run, int64_t grids)
{
    const int64_t lines = (int64_t)run->choice.blocks * LOP_LINEAR_COUNT * LINE_BYTES;
    return grids * LOP_REPORT_GRID_BYTES + lines <= (int64_t)LOP_REPORT_MOST;
}

/* Every grid stands in the report, which is read as a whole. */
static lop_status report_check(const lop_run *run)
{
    const lop_quant *quant = &run->options.quant, rows = {.bits = quant->bits};
    const int64_t grids = grids_of(run, quant);
    if (report_holds(run, grids)) return LOP_OK;
    if (quant->group != 0 && report_holds(run, grids_of(run, &rows)))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "the report would hold %lld grids, more than fit into its %llu MiB: give a "
                        "--quantize-group larger than %d, or leave it out for one grid a row",
                        (long long)grids, (unsigned long long)(LOP_REPORT_MOST >> 20), quant->group);
    return LOP_FAIL(
        LOP_E_ARGUMENT,
        "the report would hold %lld grids, more than fit into its %llu MiB, and even one a row are "
        "too many: prune fewer blocks at a time (--layers a:b)",
        (long long)grids, (unsigned long long)(LOP_REPORT_MOST >> 20));
}

lop_status lop_run_quant_check(const lop_run *run)
{
    const lop_quant *quant = &run->options.quant;
    if (quant->bits == 0) return LOP_OK;
    for (int32_t b = 0; b < run->choice.blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &run->net.blocks[b].linear[i];
            if (lop_choice_takes(&run->choice, &run->net, b, (lop_linear_id)i))
                LOP_TRY(lop_quant_fits(quant, l->weight->name, l->in));
        }
    return report_check(run);
}

/* A linear whose columns no group divides is none that is chosen. */
lop_status lop_run_quant_place(const lop_run *run, lop_mat w, lop_quant_grid *grid)
{
    const lop_quant *quant = &run->options.quant;
    *grid = (lop_quant_grid){.bits = quant->bits};
    if (quant->bits == 0) return LOP_OK;
    LOP_TRY(lop_arena_mat(run->arena, w.rows, lop_quant_grids(quant, w.cols), LOP_F32, &grid->scale));
    return lop_arena_mat(run->arena, w.rows, lop_quant_grids(quant, w.cols), LOP_F32, &grid->zero);
}

typedef struct passing {
    lop_mat low, high; /* (R, G) f32 */
    lop_mat rounded;   /* (R, C) W */
} passing;

static lop_status passing_place(const lop_run *run, lop_mat w, passing *out)
{
    const int32_t grids = lop_quant_grids(&run->options.quant, w.cols);
    LOP_TRY(lop_arena_mat(run->arena, w.rows, grids, LOP_F32, &out->low));
    LOP_TRY(lop_arena_mat(run->arena, w.rows, grids, LOP_F32, &out->high));
    return lop_arena_mat(run->arena, w.rows, w.cols, w.type, &out->rounded);
}

lop_status lop_run_quant_measure(const lop_run *run, lop_mat w, lop_type out)
{
    passing p;
    w.type = out == LOP_F32 ? LOP_F32 : w.type;
    return passing_place(run, w, &p);
}

/* To the nearest, on the grid of a range that all of its dense weights are in, whether they stay or not. */
static lop_status round_nearest(lop_run *run, const lop_prune_linear *linear)
{
    passing p;
    const lop_mat w = linear->view->w;
    LOP_TRY(passing_place(run, w, &p));
    LOP_TRY(lop_quant_range(&run->queue, w, p.low, p.high));
    LOP_TRY(lop_quant_scale(&run->queue, p.low, p.high, LOP_NONE, &linear->grid));
    LOP_TRY(lop_quant_round(&run->queue, w, &linear->grid, p.rounded));
    return lop_cast(&run->queue, p.rounded, w);
}

lop_status lop_run_quant_apply(lop_run *run, const lop_prune_linear *linear)
{
    if (lop_mat_present(linear->changed)) return LOP_OK;
    const lop_arena_mark mark = lop_arena_here(run->arena);
    const lop_status status = round_nearest(run, linear);
    lop_arena_reset(run->arena, mark);
    return status;
}

/* A 16-bit word holds a point but for rounding, which a cast would carry along: the point is found again in the other word. */
lop_status lop_run_quant_exact(lop_run *run, const lop_quant_grid *grid, lop_mat w, lop_mat out)
{
    lop_mat near;
    if (w.type == LOP_F32) return lop_cast(&run->queue, w, out);
    const lop_arena_mark mark = lop_arena_here(run->arena);
    lop_status status = lop_arena_mat(run->arena, w.rows, w.cols, out.type, &near);
    if (status == LOP_OK) status = lop_cast(&run->queue, w, near);
    if (status == LOP_OK) status = lop_quant_round(&run->queue, near, grid, out);
    lop_arena_reset(run->arena, mark);
    return status;
}
