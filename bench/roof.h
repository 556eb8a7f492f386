/* roof.h - what this device can do at best, measured: the copy of a large matrix, and the vendor's product of square ones.
 * A fraction of a roof means the same on every machine. Internal to bench. */
#ifndef LOP_BENCH_ROOF_H
#define LOP_BENCH_ROOF_H

#include "bench/parts.h"
#include "core/device/arena.h"

/* The best seen so far. Rates of products by lop_type (F32, F16, BF16); 0: the device does not take it. */
typedef struct bench_roofs {
    double copy_gbps; /* read + written */
    int32_t
        side; /* of the square product: 8192 on an accelerator, 4096 on a host, half or a quarter where it takes seconds */
    double gemm_gflops[3];
    lop_arena *arena;
    lop_mat a[3], b[3], c; /* of products */
} bench_roofs;

/* Chooses the side and places what the products need. Close with bench_roofs_close. */
LOP_CHECKED lop_status bench_roofs_open(lop_queue *q, bench_roofs *out);
void bench_roofs_close(bench_roofs *r);

/* One more look, the better of what was seen stays: a machine that others use too is seldom quiet all the time, so benches
 * look again between their own runs. */
LOP_CHECKED lop_status bench_roofs_copy(lop_queue *q, int reps, bench_roofs *r);
LOP_CHECKED lop_status bench_roofs_gemm(lop_queue *q, lop_type type, int reps, bench_roofs *r);

/* Both, for everything the device takes. */
LOP_CHECKED lop_status bench_roofs_all(lop_queue *q, int reps, bench_roofs *r);

/* {copy_gbps, gemm_tflops {f32, ...}, gemm_side} */
json_t *bench_roofs_json(const bench_roofs *r);

/* The line of the roofs alone. */
LOP_CHECKED lop_status bench_roofs_print(const bench *b, const bench_roofs *r, bool last);

#endif
