/* ref_word.c - rounding to storage words, from the definition: a multiple of 2^(exponent - bits + 1). */
#include "tests/ref/ref_ops.h"

#include <math.h>

const ref_word ref_f32 = {24, -126, 0x1.fffffep127};
const ref_word ref_f16 = {11, -14, 65504.0};
const ref_word ref_bf16 = {8, -126, 0x1.fep127};

/* The exponent of the last place of a word around x. */
static int last_place(const ref_word *word, double x)
{
    int exponent = word->least;
    if (x != 0.0 && isfinite(x)) {
        const int own = ilogb(x);
        if (own > exponent) exponent = own;
    }
    return exponent - word->bits + 1;
}

double ref_word_round(const ref_word *word, double x)
{
    if (!isfinite(x) || x == 0.0) return x;
    const int place = last_place(word, x);
    const double rounded = ldexp(nearbyint(ldexp(x, -place)), place); /* the mode is to nearest even */
    return fabs(rounded) > word->largest ? copysign(INFINITY, x) : rounded;
}

double ref_word_half_ulp(const ref_word *word, double x)
{
    return ldexp(0.5, last_place(word, x));
}
