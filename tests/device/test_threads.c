/* test_threads.c - the same bits at any number of threads, and products that several threads ask for at once. */
#include "tests/device/device_groups.h"

#include <omp.h>
#include <string.h>

static const int counts[] = {1, 2, 3, 8};
enum { COUNTS = sizeof counts / sizeof counts[0] };

typedef struct shape {
    int32_t m, n, k, batch;
    bool ta, tb;
    float beta;
} shape;

static void products_do_not_depend_on_threads(void **state)
{
    rig *r = *state;
    static const shape shapes[] = {
        {1, 1000, 300, 1, false, true, 0.0f},    {3, 777, 129, 1, false, true, 1.0f},
        {700, 300, 257, 1, false, true, 0.0f},   {2048, 1100, 64, 1, false, true, 0.5f},
        {256, 300, 64, 9, false, true, 0.0f},    {256, 64, 300, 9, false, false, 0.0f},
        {513, 1030, 100, 1, true, false, -1.0f}, {100, 100, 100, 5, true, true, 0.0f},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const shape s = shapes[i];
        const lop_mat a = mat_open(r, s.batch * (s.ta ? s.k : s.m), s.ta ? s.m : s.k, 1);
        const lop_mat b = mat_open(r, s.batch * (s.tb ? s.n : s.k), s.tb ? s.k : s.n, 2);
        lop_mat first = LOP_NONE;
        for (int c = 0; c < COUNTS; c++) {
            const lop_mat out = mat_open(r, s.batch * s.m, s.n, 3);
            const lop_gemm_args g = {.a = lop_mat_rows(a, 0, a.rows / s.batch),
                                     .b = lop_mat_rows(b, 0, b.rows / s.batch),
                                     .c = lop_mat_rows(out, 0, s.m),
                                     .ta = s.ta,
                                     .tb = s.tb,
                                     .alpha = 1.0f,
                                     .beta = s.beta,
                                     .count = s.batch,
                                     .step_a = (int64_t)s.m * s.k,
                                     .step_b = (int64_t)s.n * s.k,
                                     .step_c = (int64_t)s.m * s.n};
            assert_int_equal(lop_device_threads(&r->device, counts[c]), LOP_OK);
            assert_int_equal(lop_gemm(&r->queue, &g), LOP_OK);
            if (c > 0) {
                assert_true(mats_equal(first, out));
                mat_close(out);
            } else {
                first = out;
            }
        }
        mat_close(first);
        mat_close(a);
        mat_close(b);
    }
}

/* Rows, reductions and a selection over the whole matrix, one after the other, into `out`. */
static void run_rows(rig *r, lop_mat x, lop_mat out)
{
    enum { ROWS = 300, COLS = 515 };
    const lop_mat y = mat_open(r, ROWS, COLS, 5), gain = mat_open(r, 1, COLS, 6),
                  part = mat_open(r, 3, COLS, 7);
    lop_mat scratch = mat_open(r, 1, lop_keep_all_scratch(ROWS), 8), keep = mat_open(r, ROWS, 17, 9);
    const lop_softmax_args causal = {.queries = 100, .first_query = 400, .scale = 1.5f};
    scratch.type = LOP_U32;
    keep.type = LOP_U8;
    keep.ld = keep.cols = 65;
    lop_queue *q = &r->queue;
    assert_int_equal(lop_rmsnorm(q, x, gain, 1e-5f, y), LOP_OK);
    assert_int_equal(lop_softmax_causal(q, y, &causal), LOP_OK);
    assert_int_equal(lop_gate(q, LOP_GATE_GELU, y, x, out), LOP_OK);
    assert_int_equal(lop_colsum_sq(q, out, part), LOP_OK);
    assert_int_equal(lop_colsum(q, part, gain), LOP_OK);
    assert_int_equal(lop_score_scaled(q, out, LOP_NONE, y), LOP_OK);
    assert_int_equal(lop_keep_all(q, y, 70000, false, scratch, keep), LOP_OK);
    assert_int_equal(lop_zero_dropped(q, keep, out), LOP_OK);
    assert_int_equal(lop_add_bias(q, out, gain), LOP_OK);
    mat_close(y);
    mat_close(gain);
    mat_close(part);
    mat_close(scratch);
    mat_close(keep);
}

static void kernels_do_not_depend_on_threads(void **state)
{
    rig *r = *state;
    const lop_mat x = mat_open(r, 300, 515, 4), first = mat_open(r, 300, 515, 4),
                  again = mat_open(r, 300, 515, 4);
    for (int c = 0; c < COUNTS; c++) {
        assert_int_equal(lop_device_threads(&r->device, counts[c]), LOP_OK);
        run_rows(r, x, c == 0 ? first : again);
        if (c > 0) assert_true(mats_equal(first, again));
    }
    mat_close(x);
    mat_close(first);
    mat_close(again);
}

/* CBLAS is called from all threads of a team at once; a library that keeps its buffers in common would mix them up, in
 * one product of some thousands. */
static void products_at_once_do_not_mix(void **state)
{
    rig *r = *state;
    enum { TIMES = 20, BATCH = 20000, SIDE = 8, EACH = SIDE * SIDE };
    const lop_mat a = mat_open(r, BATCH, EACH, 10), b = mat_open(r, BATCH, EACH, 11);
    const lop_mat want = mat_open(r, BATCH, EACH, 12), got = mat_open(r, BATCH, EACH, 13);
    lop_gemm_args g = {.a = lop_mat_of(a.buf, 0, SIDE, SIDE, LOP_F32),
                       .b = lop_mat_of(b.buf, 0, SIDE, SIDE, LOP_F32),
                       .c = lop_mat_of(want.buf, 0, SIDE, SIDE, LOP_F32),
                       .tb = true,
                       .alpha = 1.0f,
                       .count = BATCH,
                       .step_a = EACH,
                       .step_b = EACH,
                       .step_c = EACH};
    assert_int_equal(lop_device_threads(&r->device, 1), LOP_OK);
    assert_int_equal(lop_gemm(&r->queue, &g), LOP_OK);
    g.c.buf = got.buf;
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(lop_device_threads(&r->device, i % 2 ? 8 : 2), LOP_OK);
        memset(lop_mat_host(got), 0xff, (size_t)lop_mat_elements(got) * sizeof(float));
        assert_int_equal(lop_gemm(&r->queue, &g), LOP_OK);
        assert_true(mats_equal(want, got));
    }
    mat_close(a);
    mat_close(b);
    mat_close(want);
    mat_close(got);
}

/* Two queues of one device, each in its own thread, each with its own team. */
static void queues_of_two_threads_do_not_mix(void **state)
{
    rig *r = *state;
    int wrong = 0;
    assert_int_equal(lop_device_threads(&r->device, 2), LOP_OK);
    const lop_mat a = mat_open(r, 300, 200, 20), b = mat_open(r, 1100, 200, 21),
                  want = mat_open(r, 300, 1100, 22);
    const lop_mat got[2] = {mat_open(r, 300, 1100, 23), mat_open(r, 300, 1100, 24)};
    assert_int_equal(lop_linear(&r->queue, a, b, LOP_NONE, want), LOP_OK);
#pragma omp parallel for num_threads(2) reduction(+ : wrong)
    for (int t = 0; t < 2; t++) {
        lop_queue q;
        wrong += lop_queue_open(&r->device, &q) != LOP_OK;
        for (int i = 0; i < 10; i++) {
            wrong += lop_linear(&q, a, b, LOP_NONE, got[t]) != LOP_OK;
            wrong += !mats_equal(want, got[t]);
        }
        lop_queue_close(&q);
    }
    assert_int_equal(wrong, 0);
    for (int t = 0; t < 2; t++) mat_close(got[t]);
    mat_close(a);
    mat_close(b);
    mat_close(want);
}

int test_threads(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_do_not_depend_on_threads),
        cmocka_unit_test(kernels_do_not_depend_on_threads),
        cmocka_unit_test(products_at_once_do_not_mix),
        cmocka_unit_test(queues_of_two_threads_do_not_mix),
    };
    return cmocka_run_group_tests_name("threads", tests, rig_open, rig_close);
}
