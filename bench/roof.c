/* roof.c - the roofs of this device. */
#include "bench/roof.h"

#include "bench/line.h"
#include "core/base/memory.h"
#include "core/device/ops.h"

enum {
    COPY_ROWS = 8192,
    COPY_COLS = 8192,
    TYPES = 3,
    REPS = 3
}; /* 256 MiB a matrix of f32: beyond any cache */

static const char *const type_names[TYPES] = {"f32", "f16", "bf16"};

/* Small whole numbers: exact in every type, and no product of them overflows one. */
static lop_status fill(lop_queue *q, lop_mat m)
{
    float *row = NULL;
    lop_status status = lop_alloc((size_t)m.cols, sizeof *row, &row);
    for (int32_t r = 0; status == LOP_OK && r < m.rows; r++) {
        for (int32_t c = 0; c < m.cols; c++) row[c] = (float)((r * 31 + c * 17) % 7 - 3);
        status = lop_upload(q, row, lop_mat_rows(m, r, 1));
    }
    lop_free(row);
    return status;
}

static lop_status place(lop_queue *q, bench_roofs *r)
{
    enum { N = BENCH_ROOF_SIDE };
    LOP_TRY(lop_arena_open(q->device, LOP_ON_DEVICE, 0, &r->arena));
    LOP_TRY(lop_arena_mat(r->arena, N, N, LOP_F32, &r->c));
    for (int t = 0; t < TYPES; t++) {
        if (t != LOP_F32 && (q->device->product_types >> t & 1u) == 0) continue;
        LOP_TRY(lop_arena_mat(r->arena, N, N, (lop_type)t, &r->a[t]));
        LOP_TRY(lop_arena_mat(r->arena, N, N, (lop_type)t, &r->b[t]));
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

static lop_status run_gemm(void *user, lop_queue *q, int turn)
{
    (void)turn;
    return lop_gemm(q, user);
}

lop_status bench_roofs_gemm(lop_queue *q, lop_type type, int reps, bench_roofs *r)
{
    if (!lop_mat_present(r->a[type])) return LOP_OK;
    lop_gemm_args args = {
        .a = r->a[type], .b = r->b[type], .c = r->c, .tb = true, .alpha = 1.0f, .count = 1}; /* as x W^T is */
    const double flops = 2.0 * BENCH_ROOF_SIDE * BENCH_ROOF_SIDE * (double)BENCH_ROOF_SIDE;
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

static lop_status run_copy(void *user, lop_queue *q, int turn)
{
    const copy *c = user;
    (void)turn;
    return lop_cast(q, c->from, c->to);
}

lop_status bench_roofs_copy(lop_queue *q, int reps, bench_roofs *r)
{
    copy c;
    lop_arena *arena = NULL;
    bench_stats stats;
    lop_status status = LOP_OK;
    LOP_TRY(lop_arena_open(q->device, LOP_ON_DEVICE, 0, &arena));
    LOP_TRY_DONE(lop_arena_mat(arena, COPY_ROWS, COPY_COLS, LOP_F32, &c.from));
    LOP_TRY_DONE(lop_arena_mat(arena, COPY_ROWS, COPY_COLS, LOP_F32, &c.to));
    LOP_TRY_DONE(fill(q, c.from));
    LOP_TRY_DONE(bench_time(q, reps, 0.0, run_copy, &c, &stats));
    const double gbps = 2.0 * sizeof(float) * COPY_ROWS * (double)COPY_COLS / stats.ns_min;
    if (gbps > r->copy_gbps) r->copy_gbps = gbps;
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
    return json_pack("{s:f, s:o}", "copy_gbps", r->copy_gbps, "gemm_tflops", gemm);
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
    lop_status status = bench_roofs_all(&b->queue, bench_reps(b, REPS), &r);
    if (status == LOP_OK && !b->call->json) status = say(b, &r);
    if (status == LOP_OK && b->call->json)
        status = bench_object_print(b,
                                    json_pack("{s:s, s:s, s:s, s:o}", "bench", "roof", "backend",
                                              b->device->backend->name, "device", b->device->name, "roofs",
                                              bench_roofs_json(&r)),
                                    true);
    bench_roofs_close(&r);
    return status;
}
