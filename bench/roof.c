/* roof.c - the roofs of this device. */
#include "bench/roof.h"

#include "bench/line.h"
#include "core/base/memory.h"
#include "core/device/ops.h"

#include <math.h>

enum {
    COPY_ROWS = 8192,
    COPY_COLS = 8192,
    TYPES = 3,
    REPS = 3
}; /* 256 MiB a matrix of f32: beyond any cache */

static const char *const type_names[TYPES] = {"f32", "f16", "bf16"};

enum { SIDE_TRIED = 1024, SIDE_LEAST = 2048, SIDE_HOST = 4096, SIDE_ACCELERATOR = 8192, SLAB_ROWS = 64 };
#define SLOW_NS 2e9 /* a product that takes longer is too much to wait for: half the side then */

/* Small whole numbers: exact in every type, and no product of them overflows one. A slab comes from the host; the device
 * doubles it. */
static lop_status fill(lop_queue *q, lop_mat m)
{
    float *slab = NULL;
    int32_t have = m.rows < SLAB_ROWS ? m.rows : SLAB_ROWS;
    LOP_TRY(lop_alloc((size_t)have * (size_t)m.cols, sizeof *slab, &slab));
    for (int32_t r = 0; r < have; r++)
        for (int32_t c = 0; c < m.cols; c++)
            slab[(int64_t)r * m.cols + c] = (float)((r * 31 + c * 17) % 7 - 3);
    lop_status status = lop_upload(q, slab, lop_mat_rows(m, 0, have));
    lop_free(slab);
    while (status == LOP_OK && have < m.rows) {
        const int32_t more = m.rows - have < have ? m.rows - have : have;
        status = lop_cast(q, lop_mat_rows(m, 0, more), lop_mat_rows(m, have, more));
        have += more;
    }
    return status;
}

static lop_status run_gemm(void *user, lop_queue *q, int turn)
{
    (void)turn;
    return lop_gemm(q, user);
}

/* a and b are square; c = a b^T, as x W^T is. */
static lop_gemm_args product_of(lop_mat a, lop_mat b, lop_mat c)
{
    return (lop_gemm_args){.a = a, .b = b, .c = c, .tb = true, .alpha = 1.0f, .count = 1};
}

static lop_status choose_side(lop_queue *q, int32_t *out)
{
    double ns = 0.0;
    lop_arena *arena = NULL;
    lop_mat m[3];
    lop_status status = LOP_OK;
    *out = q->device->accelerator ? SIDE_ACCELERATOR : SIDE_HOST;
    LOP_TRY(lop_arena_open(q->device, LOP_ON_DEVICE, 0, &arena));
    for (int i = 0; i < 3; i++) {
        LOP_TRY_DONE(lop_arena_mat(arena, SIDE_TRIED, SIDE_TRIED, LOP_F32, &m[i]));
        LOP_TRY_DONE(fill(q, m[i]));
    }
    lop_gemm_args args = product_of(m[0], m[1], m[2]);
    for (int i = 0; i < 2; i++) LOP_TRY_DONE(bench_time_once(q, run_gemm, &args, i, &ns));
    while (*out > SIDE_LEAST && ns * pow((double)*out / SIDE_TRIED, 3.0) > SLOW_NS) *out /= 2;
done:
    lop_arena_close(arena);
    return status;
}

static lop_status place(lop_queue *q, bench_roofs *r)
{
    LOP_TRY(choose_side(q, &r->side));
    LOP_TRY(lop_arena_open(q->device, LOP_ON_DEVICE, 0, &r->arena));
    LOP_TRY(lop_arena_mat(r->arena, r->side, r->side, LOP_F32, &r->c));
    for (int t = 0; t < TYPES; t++) {
        if (t != LOP_F32 && (q->device->product_types >> t & 1u) == 0) continue;
        LOP_TRY(lop_arena_mat(r->arena, r->side, r->side, (lop_type)t, &r->a[t]));
        LOP_TRY(lop_arena_mat(r->arena, r->side, r->side, (lop_type)t, &r->b[t]));
    }
    LOP_TRY(fill(q, r->a[LOP_F32]));
    LOP_TRY(lop_cast(q, r->a[LOP_F32], r->b[LOP_F32]));
    for (int t = LOP_F32 + 1; t < TYPES; t++) {
        if (!lop_mat_present(r->a[t])) continue;
        LOP_TRY(lop_cast(q, r->a[LOP_F32], r->a[t]));
        LOP_TRY(lop_cast(q, r->a[LOP_F32], r->b[t]));
    }
    return LOP_OK;
}

lop_status bench_roofs_open(lop_queue *q, bench_roofs *out)
{
    *out = (bench_roofs){0};
    const lop_status status = place(q, out);
    if (status != LOP_OK) bench_roofs_close(out);
    return status;
}

void bench_roofs_close(bench_roofs *r)
{
    lop_arena_close(r->arena);
    r->arena = NULL;
}

lop_status bench_roofs_gemm(lop_queue *q, lop_type type, int reps, bench_roofs *r)
{
    if (!lop_mat_present(r->a[type])) return LOP_OK;
    lop_gemm_args args = product_of(r->a[type], r->b[type], r->c);
    const double flops = 2.0 * r->side * r->side * (double)r->side;
    for (int i = 0; i < reps; i++) {
        double ns = 0.0;
        LOP_TRY(bench_time_once(q, run_gemm, &args, i, &ns));
        if (flops / ns > r->gemm_gflops[type]) r->gemm_gflops[type] = flops / ns;
    }
    return LOP_OK;
}

typedef struct copy {
    lop_mat from, to;
} copy;

static lop_status run_cast(void *user, lop_queue *q, int turn)
{
    const copy *c = user;
    (void)turn;
    return lop_cast(q, c->from, c->to);
}

static lop_status run_copy(void *user, lop_queue *q, int turn)
{
    const copy *c = user;
    const size_t size = lop_type_bytes(c->from.type), bytes = (size_t)lop_mat_elements(c->from) * size;
    (void)turn;
    return q->device->backend->copy(q, c->to.buf, (size_t)c->to.at * size, c->from.buf,
                                    (size_t)c->from.at * size, bytes);
}

/* The better of a kernel's copy and the backend's own. */
static lop_status time_copies(lop_queue *q, int reps, copy *c, bench_roofs *r)
{
    bench_fn *const ways[] = {run_cast, run_copy};
    for (int i = 0; i < 2; i++) {
        bench_stats stats;
        LOP_TRY(bench_time(q, reps, 0.0, ways[i], c, &stats));
        const double gbps = 2.0 * sizeof(float) * COPY_ROWS * (double)COPY_COLS / stats.ns_min;
        if (gbps > r->copy_gbps) r->copy_gbps = gbps;
    }
    return LOP_OK;
}

lop_status bench_roofs_copy(lop_queue *q, int reps, bench_roofs *r)
{
    copy c;
    lop_arena *arena = NULL;
    lop_status status = LOP_OK;
    LOP_TRY(lop_arena_open(q->device, LOP_ON_DEVICE, 0, &arena));
    LOP_TRY_DONE(lop_arena_mat(arena, COPY_ROWS, COPY_COLS, LOP_F32, &c.from));
    LOP_TRY_DONE(lop_arena_mat(arena, COPY_ROWS, COPY_COLS, LOP_F32, &c.to));
    LOP_TRY_DONE(fill(q, c.from));
    status = time_copies(q, reps, &c, r);
done:
    lop_arena_close(arena);
    return status;
}

lop_status bench_roofs_all(lop_queue *q, int reps, bench_roofs *r)
{
    LOP_TRY(bench_roofs_copy(q, 2 * reps, r));
    for (int t = 0; t < TYPES; t++) {
        double unseen = r->gemm_gflops[t];
        LOP_TRY(bench_roofs_gemm(q, (lop_type)t, 1, r));
        r->gemm_gflops[t] = unseen; /* the first product of a shape may choose or compile something */
        LOP_TRY(bench_roofs_gemm(q, (lop_type)t, reps, r));
    }
    return LOP_OK;
}

json_t *bench_roofs_json(const bench_roofs *r)
{
    json_t *gemm = json_object();
    for (int t = 0; t < TYPES; t++)
        if (r->gemm_gflops[t] > 0.0)
            (void)json_object_set_new(gemm, type_names[t], json_real(r->gemm_gflops[t] * 1e-3));
    return json_pack("{s:f, s:o, s:i}", "copy_gbps", r->copy_gbps, "gemm_tflops", gemm, "gemm_side", r->side);
}

lop_status bench_roofs_print(const bench *b, const bench_roofs *r, bool last)
{
    json_t *o = bench_object(b, "roof");
    if (o != NULL) (void)json_object_set_new(o, "roofs", bench_roofs_json(r));
    return bench_object_print(b, o, last);
}

static lop_status say(const bench *b, const bench_roofs *r)
{
    FILE *out = b->call->out;
    (void)fprintf(out, "%s: %s: copies %.1f GB/s (read + written)", b->device->backend->name, b->device->name,
                  r->copy_gbps);
    for (int t = 0; t < TYPES; t++)
        if (r->gemm_gflops[t] > 0.0)
            (void)fprintf(out, ", %s products %.1f GFLOP/s", type_names[t], r->gemm_gflops[t]);
    if (fprintf(out, "\n") < 0) return LOP_FAIL(LOP_E_OUTPUT, "the roofs cannot be written");
    return LOP_OK;
}

lop_status bench_roof(bench *b)
{
    bench_roofs r;
    LOP_TRY(bench_roofs_open(&b->queue, &r));
    const bool to_people = !b->call->json && b->entry == NULL && !lop_settings_given(&b->settings, "report");
    lop_status status = bench_roofs_all(&b->queue, bench_reps(b, REPS), &r);
    if (status == LOP_OK) status = to_people ? say(b, &r) : bench_roofs_print(b, &r, true);
    bench_roofs_close(&r);
    return status;
}
