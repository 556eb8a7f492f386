/* factor_own.c - factors where a backend brings a factorisation of its own, played by plain loops: all that is asked of
 * factors holds whoever finds them. */
#include "core/device/device.h"
#include "tests/harness/harness.h"
#include "tests/ops/ops_checks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Row by row. Stops at a pivot that is not positive, leaving the rest as it was; does not see NaN. */
static int32_t rows_factor(float *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = (double)a[i * n + j];
            for (int64_t k = 0; k < j; k++) sum -= (double)a[i * n + k] * (double)a[j * n + k];
            if (i == j && sum <= 0.0) return (int32_t)i + 1;
            a[i * n + j] = (float)(i == j ? sqrt(sum) : sum / (double)a[j * n + j]);
        }
    return 0;
}

static int factored;

static lop_status own_chol(lop_queue *q, lop_mat h, lop_mat info, bool *taken)
{
    const int64_t n = h.cols;
    float *a = malloc((size_t)(n * n) * sizeof *a);
    lop_status status = LOP_OK;
    assert_non_null(a);
    LOP_TRY_DONE(lop_download(q, h, a));
    const int32_t said = rows_factor(a, n);
    LOP_TRY_DONE(lop_upload(q, a, h));
    LOP_TRY_DONE(lop_upload(q, &said, info));
    *taken = true;
    factored++;
done:
    free(a);
    return status;
}

static lop_status own_declines(lop_queue *q, lop_mat h, lop_mat info, bool *taken)
{
    (void)q, (void)h, (void)info;
    *taken = false;
    return LOP_OK;
}

static void table_check(harness *h)
{
    for (int i = 0; i < cases_factor.count; i++)
        if (!harness_run(h, &cases_factor.at[i])) fail_msg("%s", h->why);
}

void factor_by_backend(void **state)
{
    static const lop_fast own = {.chol = own_chol}, declines = {.chol = own_declines};
    harness *h = *state;
    const lop_fast *kept = h->device.fast;
    h->device.fast = &declines;
    factor_known(state);
    factored = 0;
    h->device.fast = &own;
    table_check(h);
    factor_known(state);
    factor_pivots(state);
    factor_large(state);
    h->device.fast = kept;
    assert_true(factored > 0);
}
