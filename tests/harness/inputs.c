/* inputs.c - the kinds of input. */
#include "tests/harness/inputs.h"

#include "tests/harness/words.h"

#include <math.h>

uint64_t draw_bits(draw *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double draw_unit(draw *d)
{
    return (double)(draw_bits(d) >> 11) * 0x1p-53;
}

const char *kind_name(case_kind kind)
{
    static const char *const names[KIND_COUNT] = {"uniform", "heavy-tailed",  "all equal", "few values",
                                                  "zeros",   "huge and tiny", "one NaN"};
    return names[kind];
}

static double uniform(draw *d)
{
    return 2.0 * draw_unit(d) - 1.0;
}

/* One value of a kind; NaNs are placed afterwards, one to a matrix. */
static double of_kind(case_kind kind, lop_type type, draw *d)
{
    const int up = type == LOP_F16 ? 12 : 40, down = type == LOP_F16 ? -12 : -40;
    switch (kind) {
    case KIND_HEAVY:
        return tan(3.14159265358979 * (draw_unit(d) - 0.5));
    case KIND_EQUAL:
        return 0.75;
    case KIND_FEW:
        return 0.25 * (double)((int)(draw_bits(d) % 9) - 4);
    case KIND_ZERO:
        return draw_bits(d) & 1 ? 0.0 : -0.0;
    case KIND_HUGE_TINY:
        return ldexp(uniform(d), draw_bits(d) & 1 ? up : down);
    case KIND_UNIFORM:
    case KIND_NAN:
    case KIND_COUNT:
        break;
    }
    return uniform(d);
}

static double scaled(case_kind kind, lop_type type, double scale, draw *d)
{
    const double value = scale * of_kind(kind, type, d);
    return kind == KIND_HEAVY ? fmin(fmax(value, -10000.0), 10000.0) : value;
}

static double one(const case_mat *m, case_kind kind, int32_t c, draw *d)
{
    const double scale = m->high == 0.0 ? 1.0 : m->high;
    const double turn = 6.28318530717959 * draw_unit(d);
    switch (m->fill) {
    case FILL_KIND:
        return scaled(kind, m->type, scale, d);
    case FILL_NONNEG:
        return fabs(scaled(kind, m->type, scale, d));
    case FILL_PLAIN:
        return uniform(d);
    case FILL_INT:
        return m->low + floor(draw_unit(d) * (m->high - m->low + 1.0));
    case FILL_ANGLE:
        return c < m->cols / 2 ? cos(turn) : sin(turn);
    case FILL_NAN:
        return (double)NAN;
    case FILL_RANK: /* made of another matrix, in instance.c */
    case FILL_KEEP:
        break;
    }
    const int columns = (int)m->high - 8 * c; /* bits of this byte that stand for columns */
    const unsigned past = columns >= 8 ? 0u : 0xffu >> columns;
    return (double)(draw_bits(d) & 0xffu & ~past);
}

void input_fill(const case_mat *m, case_kind kind, draw *d, double *values)
{
    const int64_t n = (int64_t)m->rows * m->cols;
    for (int64_t i = 0; i < n; i++) {
        values[i] = one(m, kind, (int32_t)(i % m->cols), d);
        if (word_of(m->type) != NULL) values[i] = ref_word_round(word_of(m->type), values[i]);
    }
    const bool follows = m->fill == FILL_KIND || m->fill == FILL_NONNEG;
    if (kind == KIND_NAN && follows && n > 0) values[draw_bits(d) % (uint64_t)n] = (double)NAN;
}
