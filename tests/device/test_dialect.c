/* test_dialect.c - the dialect's functions in C11, as each instruction set compiles them, held against double precision
 * over all floats; and the 16-bit words, all of them. */
#include "tests/device/device_groups.h"

#include "kernels/dialect.h"

#include <math.h>
#include <stdio.h>

/* One compilation of exp and erf over an array, as a kernel's loop would be. */
#define COMPILED(name, target)                                                                               \
    target static void name(const float *x, float *e, float *s, int n)                                       \
    {                                                                                                        \
        EACH(i, n) e[i] = f_exp(x[i]);                                                                       \
        EACH(i, n) s[i] = f_erf(x[i]);                                                                       \
    }
COMPILED(baseline, )
#if defined(__x86_64__)
COMPILED(avx2, __attribute__((target("avx2,fma"))))
COMPILED(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))))
#endif

static const struct {
    const char *name;
    void (*run)(const float *x, float *e, float *s, int n);
} sets[] = {
    {"baseline", baseline},
#if defined(__x86_64__)
    {"avx2", avx2},
    {"avx512", avx512},
#endif
};
enum { SETS = sizeof sets / sizeof sets[0], BLOCK = 4096 };

static bool here(int set)
{
#if defined(__x86_64__)
    if (set == 1) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (set == 2) return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#endif
    return set == 0;
}

/* |got - want| in units in the last place of want as a float. */
static double ulps(float got, double want)
{
    if (isnan(want)) return isnan(got) ? 0.0 : HUGE_VAL;
    if (fabs(want) >= 0x1.ffffffp127) return isinf(got) && (got > 0) == (want > 0) ? 0.0 : HUGE_VAL;
    int exponent = -149;
    if (want != 0.0) (void)frexp(want, &exponent);
    exponent = want == 0.0 || exponent - 24 < -149 ? -149 : exponent - 24;
    return fabs((double)got - want) / ldexp(1.0, exponent);
}

static void functions_hold_their_bounds(void **state)
{
    (void)state;
    static float x[BLOCK], e[SETS][BLOCK], s[SETS][BLOCK];
    const uint32_t step = 251; /* every 251st float of either sign, infinities and NaN too */
    double worst_exp[SETS] = {0}, worst_erf[SETS] = {0};
    uint64_t at = 0;
    while (at <= UINT32_MAX) {
        int n = 0;
        for (; n < BLOCK && at <= UINT32_MAX; n++, at += step) x[n] = f_from((u32)at);
        for (int k = 0; k < SETS; k++)
            if (here(k)) sets[k].run(x, e[k], s[k], n);
        for (int i = 0; i < n; i++) {
            const double want_exp = exp((double)x[i]), want_erf = erf((double)x[i]);
            for (int k = 0; k < SETS; k++) {
                if (!here(k)) continue;
                worst_exp[k] = fmax(worst_exp[k], ulps(e[k][i], want_exp));
                worst_erf[k] = fmax(worst_erf[k], ulps(s[k][i], want_erf));
            }
        }
    }
    for (int k = 0; k < SETS; k++) {
        if (here(k)) printf("%s: exp %.3f ulp, erf %.3f ulp\n", sets[k].name, worst_exp[k], worst_erf[k]);
        assert_true(worst_exp[k] <= 2.0 && worst_erf[k] <= 4.0);
    }
}

/* Every half is a float, and every float between two halves goes to the nearer, halfway to the even one. */
static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    for (u32 h = 0; h < 0x10000u; h++) {
        const float value = lop_from_f16((u16)h);
        if ((h & 0x7fffu) > 0x7c00u) {
            assert_true(isnan(value) && isnan(lop_from_f16(lop_to_f16(value))));
            continue;
        }
        assert_int_equal(lop_to_f16(value), h);
        if ((h & 0x7fffu) >= 0x7bffu) continue;
        const double next = (double)lop_from_f16((u16)(h + 1)), middle = ((double)value + next) / 2;
        assert_int_equal(lop_to_f16((float)middle), (h & 1u) ? h + 1 : h);
        assert_int_equal(lop_to_f16(nextafterf((float)middle, value)), h);
        assert_int_equal(lop_to_f16(nextafterf((float)middle, (float)next)), h + 1);
    }
    assert_int_equal(lop_to_f16(65519.996f), 0x7bff);
    assert_int_equal(lop_to_f16(65520.0f), 0x7c00);
    assert_int_equal(lop_to_f16(-1e30f), 0xfc00);
    assert_int_equal(lop_to_f16(1e-30f), 0);
    assert_true(lop_from_f16(1) == 0x1p-24f);
}

static void bfloats_round_to_nearest_even(void **state)
{
    (void)state;
    for (u32 b = 0; b < 0x10000u; b++) {
        const float value = lop_from_bf16((u16)b);
        if ((b & 0x7fffu) > 0x7f80u) {
            assert_true(isnan(value) && isnan(lop_from_bf16(lop_to_bf16(value))));
            continue;
        }
        assert_int_equal(lop_to_bf16(value), b);
        if ((b & 0x7fffu) >= 0x7f80u) continue;
        const u32 middle = (b << 16) + 0x8000u;
        assert_int_equal(lop_to_bf16(f_from(middle)), (b & 1u) ? b + 1 : b);
        assert_int_equal(lop_to_bf16(f_from(middle - 1)), b);
        assert_int_equal(lop_to_bf16(f_from(middle + 1)), b + 1);
    }
    assert_true(isnan(lop_from_bf16(lop_to_bf16(f_from(0x7f800001u)))));
}

int test_dialect(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_hold_their_bounds),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(bfloats_round_to_nearest_even),
    };
    return cmocka_run_group_tests_name("dialect", tests, NULL, NULL);
}
