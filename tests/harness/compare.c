/* compare.c - errors against bounds. */
#include "tests/harness/compare.h"

#include "tests/harness/words.h"

#include <float.h>
#include <math.h>

double compare_bound(const ref_mat *want, int64_t i, lop_type type)
{
    if (want->terms == 0.0) return 0.0;
    const double eps = 0x1p-24;
    /* What underflows on the way is lost whole: up to the least normal f32 a term. */
    const double lost = (1.0 + want->terms) * (double)FLT_MIN;
    const double walk = sqrt(want->terms), growth = want->cut ? fmax(walk, want->terms / 2.0) : walk;
    const double computed = 4.0 * eps * (1.0 + growth) * want->magnitude[i] + lost;
    const ref_word *word = word_of(type);
    if (word == NULL || type == LOP_F32) return computed;
    return computed + ref_word_half_ulp(word, fabs(want->at[i]) + computed);
}

static bool close_enough(double got, double want, double bound, bool exact, lop_type type)
{
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (exact) return got == want && signbit(got) == signbit(want);
    const ref_word *word = word_of(type);
    if (isinf(got)) {
        /* Right where the value is infinite, or so near the end of the word that it may round up to
         * infinity. */
        return signbit(got) == signbit(want) &&
               (isinf(want) || (word != NULL && fabs(want) + bound > word->largest));
    }
    return fabs(got - want) <= bound;
}

bool compare_view(const view *v, const ref_mat *want, difference *first)
{
    const size_t one = lop_type_bytes(v->mat.type);
    for (int32_t r = 0; r < v->mat.rows; r++) {
        const unsigned char *row = view_row(v, r);
        for (int32_t c = 0; c < v->mat.cols; c++) {
            const int64_t i = (int64_t)r * v->mat.cols + c;
            const double got = word_get(v->mat.type, row + (size_t)c * one);
            const double bound = compare_bound(want, i, v->mat.type);
            if (close_enough(got, want->at[i], bound, want->terms == 0.0, v->mat.type)) continue;
            *first = (difference){r, c, got, want->at[i], bound};
            return false;
        }
    }
    return true;
}
