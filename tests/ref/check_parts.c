/* check_parts.c - the parts of the reference that the golden llama does not reach: scaled rotary positions,
 * sliding windows, biases, and the selections, each from its definition on a case small enough to do by
 * hand. */
#include "tests/ref/checks.h"
#include "tests/ref/ref_model.h"
#include "tests/ref/ref_ops.h"
#include "tests/ref/ref_prune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T = 6, D = 8 };

/* Numbers in (-1, 1) that do not repeat soon. */
static void fill(int n, double phase, double *x)
{
    for (int i = 0; i < n; i++) x[i] = sin(1.7 * i + phase + 0.3 * (double)i * i);
}

static int near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

void model_rope_scaling(void **state)
{
    (void)state;
    const ref_rope plain = {.kind = REF_ROPE_PLAIN, .theta = 500000.0};
    const ref_rope linear = {.kind = REF_ROPE_LINEAR, .theta = 500000.0, .factor = 4.0};
    /* Llama 3.1's own numbers. */
    const ref_rope llama3 = {REF_ROPE_LLAMA3, 500000.0, 8.0, 1.0, 4.0, 8192.0};
    assert_true(near(ref_rope_frequency(&plain, 128, 0), 1.0));
    assert_true(near(ref_rope_frequency(&plain, 128, 32), 1.0 / sqrt(500000.0)));
    assert_true(near(ref_rope_frequency(&linear, 128, 32), 0.25 / sqrt(500000.0)));
    double before = 2.0;
    for (int j = 0; j < 64; j++) {
        const double f = ref_rope_frequency(&plain, 128, j), scaled = ref_rope_frequency(&llama3, 128, j);
        const double turns = 8192.0 * f / (2.0 * 3.14159265358979323846); /* within the original positions */
        if (turns > 4.0) assert_true(near(scaled, f));
        if (turns < 1.0) assert_true(near(scaled, f / 8.0));
        assert_true(scaled <= f && scaled >= f / 8.0 && scaled < before);
        before = scaled;
    }
}

/* A product of a rotated query and a rotated key depends on the distance of their positions alone. */
void model_rope_is_relative(void **state)
{
    (void)state;
    const ref_rope rope = {.kind = REF_ROPE_PLAIN, .theta = 100.0};
    double q[T * D], k[T * D], one[D], two[D];
    fill(D, 0.1, one), fill(D, 0.7, two);
    for (int t = 0; t < T; t++) memcpy(q + t * D, one, sizeof one), memcpy(k + t * D, two, sizeof two);
    ref_rope_apply(&rope, T, 1, D, q);
    ref_rope_apply(&rope, T, 1, D, k);
    double apart[2] = {0.0, 0.0};
    for (int d = 0; d < D; d++) {
        apart[0] += q[2 * D + d] * k[0 * D + d];
        apart[1] += q[5 * D + d] * k[3 * D + d];
    }
    assert_true(near(apart[0], apart[1]));
    assert_memory_equal(q, one, sizeof one);
}

void model_window(void **state)
{
    (void)state;
    double q[T * D], k[T * D], v[T * D], all[T * D], wide[T * D], own[T * D], two[T * D];
    fill(T * D, 0.0, q), fill(T * D, 1.0, k), fill(T * D, 2.0, v);
    ref_attention_apply(&(ref_attention){T, 1, 1, D, 0}, q, k, v, all);
    ref_attention_apply(&(ref_attention){T, 1, 1, D, T}, q, k, v, wide);
    ref_attention_apply(&(ref_attention){T, 1, 1, D, 1}, q, k, v, own);
    assert_memory_equal(all, wide, sizeof all);
    assert_memory_equal(own, v, sizeof v); /* a query that sees itself alone gets its own value */
    /* A window of two: the last row is what attention over the last two rows alone gives. */
    ref_attention_apply(&(ref_attention){T, 1, 1, D, 2}, q, k, v, two);
    double last[2 * D];
    const int from = (T - 2) * D;
    ref_attention_apply(&(ref_attention){2, 1, 1, D, 0}, q + from, k + from, v + from, last);
    for (int d = 0; d < D; d++) assert_true(near(two[(T - 1) * D + d], last[D + d]));
}

/* Four query heads over two key heads equal four over four whose keys and values are written out twice. */
void model_grouped_heads(void **state)
{
    (void)state;
    enum { H = 4, K = 2 };
    double q[T * H * D], k[T * K * D], v[T * K * D], k4[T * H * D], v4[T * H * D], y[T * H * D],
        y4[T * H * D];
    fill(T * H * D, 0.0, q), fill(T * K * D, 1.0, k), fill(T * K * D, 2.0, v);
    for (int t = 0; t < T; t++) {
        for (int h = 0; h < H; h++) {
            memcpy(k4 + (t * H + h) * D, k + (t * K + h / 2) * D, sizeof(double) * D);
            memcpy(v4 + (t * H + h) * D, v + (t * K + h / 2) * D, sizeof(double) * D);
        }
    }
    ref_attention_apply(&(ref_attention){T, H, K, D, 0}, q, k, v, y);
    ref_attention_apply(&(ref_attention){T, H, H, D, 0}, q, k4, v4, y4);
    assert_memory_equal(y, y4, sizeof y);
}

void model_bias(void **state)
{
    (void)state;
    double w[3 * D], bias[3] = {1.0, -2.0, 0.5}, x[T * D], without[T * 3], with[T * 3];
    fill(3 * D, 0.0, w), fill(T * D, 1.0, x);
    ref_linear_apply(&(ref_linear){3, D, w, NULL}, T, x, without);
    ref_linear_apply(&(ref_linear){3, D, w, bias}, T, x, with);
    for (int i = 0; i < T * 3; i++) assert_true(near(with[i], without[i] + bias[i % 3]));
    double sum = 0.0;
    for (int d = 0; d < D; d++) sum += x[5 * D + d] * w[2 * D + d];
    assert_true(near(without[5 * 3 + 2], sum));
}

void cut_by_hand(void **state)
{
    (void)state;
    const double score[8] = {3, 1, 1, 2, /* row 1 */ 1, 5, 4, 4};
    static const struct {
        ref_rule rule;
        uint8_t keep[8];
    } cases[] = {
        {{0, REF_CUT_THRESHOLD, 0.25, 0, 0}, {1, 0, 0, 1, 0, 1, 1, 1}}, /* sorted[2] is 1: all ones go */
        {{0, REF_CUT_MATRIX, 0.25, 0, 0}, {1, 0, 0, 1, 1, 1, 1, 1}},
        {{0, REF_CUT_MATRIX, 0.0, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 1}},
        {{0, REF_CUT_MATRIX, 1.0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 0}},
        {{0, REF_CUT_ROWS, 0.7, 0, 0}, {1, 0, 0, 1, 0, 1, 0, 1}},   /* two of each row, the earlier 4 */
        {{0, REF_CUT_BUDGET, 0.7, 0, 0}, {1, 0, 0, 0, 0, 1, 0, 0}}, /* two of each row, then 2 and 4 */
        {{0, REF_CUT_GROUPS, 0.5, 1, 2}, {1, 0, 0, 1, 0, 1, 0, 1}},
        {{0, REF_CUT_GROUPS, 0.5, 2, 4}, {1, 0, 0, 1, 0, 1, 0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t keep[8];
        ref_keep(&cases[i].rule, 2, 4, score, keep);
        assert_memory_equal(keep, cases[i].keep, sizeof keep);
    }
}

void cut_budget_is_exact(void **state)
{
    (void)state;
    enum { R = 37, C = 53 };
    double score[R * C];
    uint8_t keep[R * C];
    fill(R * C, 0.4, score);
    for (int i = 0; i < R * C; i++) score[i] = floor(8.0 * fabs(score[i])); /* many ties */
    for (int percent = 0; percent <= 100; percent += 7) {
        const ref_rule rule = {0, REF_CUT_BUDGET, percent / 100.0, 0, 0};
        ref_keep(&rule, R, C, score, keep);
        int dropped = 0;
        for (int r = 0; r < R; r++) {
            int of_row = 0;
            for (int c = 0; c < C; c++) of_row += !keep[r * C + c];
            const int each = (int)(C * percent / 100.0 + 1e-9);
            assert_in_range(of_row, each, each + 1);
            dropped += of_row;
        }
        assert_int_equal(dropped, (int)round(R * C * percent / 100.0));
    }
}

/* Masks at probability one half under seed 42: the words are known answers of Philox 4x32-10. */
void masks_by_counters(void **state)
{
    (void)state;
    static const struct {
        uint32_t step, sample, unit;
        double keep[4];
    } known[] = {
        {0, 0, 0, {1, 1, 1, 1}}, {0, 0, 4, {0, 1, 1, 0}}, {0, 1, 0, {0, 1, 0, 1}}, {1, 0, 0, {0, 0, 1, 0}}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        double half[4] = {1 << 29, 1 << 29, 1 << 29, 1 << 29}, now = known[i].step, got[4];
        const ref_chance chance = {42, 0x4D41534B, known[i].sample, known[i].unit};
        const ref_mat p = {1, 4, half, NULL, 0.0, false}, step = {1, 1, &now, NULL, 0.0, false};
        ref_mat keep = {1, 4, got, NULL, 0.0, false};
        ref_bernoulli(&chance, &p, &step, &keep);
        assert_memory_equal(got, known[i].keep, sizeof got);
    }
}
