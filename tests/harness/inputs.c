/* inputs.c - the kinds of input. */
#include "tests/harness/inputs.h"

#include "tests/harness/words.h"

#include <math.h>
#include <stdlib.h>

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
    case FILL_POSITIVE:
    case FILL_UPPER:
    case FILL_KEEP:
        break;
    }
    const int columns = (int)m->high - 8 * c; /* bits of this byte that stand for columns */
    const unsigned past = columns >= 8 ? 0u : 0xffu >> columns;
    return (double)(draw_bits(d) & 0xffu & ~past);
}

/* The lower triangle of a Gram matrix of 2 n rows of uniform numbers, its diagonal about 1, and 0.01 more on it. */
static void gram_fill(int64_t n, draw *d, double *values)
{
    double *row = calloc((size_t)n + 1, sizeof *row);
    if (row == NULL) exit(1);
    for (int64_t i = 0; i < n; i++) values[i * n + i] = 0.01;
    for (int64_t t = 0; t < 2 * n; t++) {
        for (int64_t i = 0; i < n; i++) row[i] = uniform(d) * sqrt(1.5 / (double)n);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j <= i; j++) values[i * n + j] += row[i] * row[j];
    }
    free(row);
}

/* Of uniform numbers a Gram matrix, whose condition is some 30. Of other kinds what they are below the diagonal, and on it 1
 * and twice the magnitudes of its row and column: with the diagonal scaled to ones a condition below 3. */
static void positive_fill(const case_mat *m, case_kind kind, draw *d, double *values)
{
    const int64_t n = m->cols;
    for (int64_t i = 0; i < n * n; i++) values[i] = i % n > i / n ? (double)NAN : 0.0;
    if (kind == KIND_UNIFORM) {
        gram_fill(n, d, values);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        values[i * n + i] += 1.0;
        for (int64_t j = 0; j < i; j++) {
            const double v = scaled(kind, m->type, 1.0, d);
            values[i * n + j] = v;
            values[i * n + i] += 2.0 * fabs(v);
            values[j * n + j] += 2.0 * fabs(v);
        }
    }
}

static void upper_fill(const case_mat *m, draw *d, double *values)
{
    const int64_t n = m->cols;
    for (int64_t i = 0; i < n * n; i++)
        values[i] = i % n < i / n    ? (double)NAN
                    : i % n == i / n ? 0.5 + draw_unit(d)
                                     : 2.0 * uniform(d) / (double)n;
}

void input_fill(const case_mat *m, case_kind kind, draw *d, double *values)
{
    const int64_t n = (int64_t)m->rows * m->cols;
    const bool whole = m->fill == FILL_POSITIVE || m->fill == FILL_UPPER;
    if (m->fill == FILL_POSITIVE) positive_fill(m, kind, d, values);
    if (m->fill == FILL_UPPER) upper_fill(m, d, values);
    for (int64_t i = 0; i < n; i++) {
        if (!whole) values[i] = one(m, kind, (int32_t)(i % m->cols), d);
        if (word_of(m->type) != NULL) values[i] = ref_word_round(word_of(m->type), values[i]);
    }
    const bool follows = m->fill == FILL_KIND || m->fill == FILL_NONNEG;
    if (kind == KIND_NAN && follows && n > 0) values[draw_bits(d) % (uint64_t)n] = (double)NAN;
}
