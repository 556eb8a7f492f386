/* verify_grid.c - the weights of a linear whose report speaks of grids: each a point of its own, and the one nearest to the
 * source's weight. */
#include "core/prune/verify_parts.h"

#include "core/base/memory.h"

#include <math.h>

/* A list of numbers; LOP_E_FORMAT: it has another length, or one is out of range. */
static lop_status numbers_take(const json_t *list, int64_t count, bool whole, double most, float **out)
{
    if (!json_is_array(list) || (int64_t)json_array_size(list) != count)
        return LOP_FAIL(LOP_E_FORMAT, "the report has %zu numbers of grids, expected %lld",
                        json_array_size(list), (long long)count);
    LOP_TRY(LOP_NEW(out, count));
    for (int64_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(list, (size_t)i);
        const double value = json_number_value(number);
        const bool kind = whole ? json_is_integer(number) : json_is_real(number) && value > 0.0;
        if (!kind || value < 0.0 || value > most || (double)(float)value != value)
            return LOP_FAIL(LOP_E_FORMAT, "the report's grid %lld is none", (long long)i);
        (*out)[i] = (float)value;
    }
    return LOP_OK;
}

lop_status lop_verify_grid_open(const json_t *line, int64_t rows, int64_t cols, lop_verify_grid *out)
{
    const json_t *quant = json_object_get(line, "quant");
    int64_t bits = 0, group = 0;
    *out = (lop_verify_grid){0};
    if (quant == NULL) return LOP_OK;
    LOP_TRY(lop_json_int(quant, "bits", LOP_QUANT_BITS_LEAST, LOP_QUANT_BITS_MOST, &bits));
    LOP_TRY(lop_json_int(quant, "group", 0, INT32_MAX, &group));
    if (group != 0 && cols % group != 0)
        return LOP_FAIL(LOP_E_FORMAT, "the report's groups of %lld do not divide %lld columns",
                        (long long)group, (long long)cols);
    out->each = group == 0 ? cols : group;
    out->most = lop_quant_most((int32_t)bits);
    out->of_row = out->each == 0 ? 0 : cols / out->each;
    const int64_t count = rows * out->of_row;
    LOP_TRY(LOP_NEW(&out->have, cols));
    LOP_TRY(LOP_NEW(&out->source, cols));
    LOP_TRY(numbers_take(json_object_get(quant, "scale"), count, false, 3e38, &out->scale));
    return numbers_take(json_object_get(quant, "zero"), count, true, out->most, &out->zero);
}

void lop_verify_grid_close(lop_verify_grid *grid)
{
    lop_free(grid->source);
    lop_free(grid->have);
    lop_free(grid->zero);
    lop_free(grid->scale);
    *grid = (lop_verify_grid){0};
}

void lop_verify_points_of(const lop_verify_grid *grid, int64_t at, lop_dtype dtype, lop_verify_points *out)
{
    float values[LOP_VERIFY_POINTS_MOST];
    out->scale = (double)grid->scale[at];
    out->least = -(int32_t)grid->zero[at];
    out->count = grid->most + 1;
    for (int32_t n = 0; n < out->count; n++) values[n] = grid->scale[at] * (float)(out->least + n);
    lop_dtype_convert(LOP_DTYPE_F32, values, dtype, out->words, (size_t)out->count);
}

/* Rounding to 16 bits moves the last of 255 steps by less than half of one: the nearest is the point, or none is. */
int32_t lop_verify_point_near(const lop_verify_points *points, double value)
{
    const double n = nearbyint(value / points->scale) - points->least;
    if (!(n > 0.0)) return 0;
    return n < points->count ? (int32_t)n : points->count - 1;
}

/* The source may have been rounded to 16 bits before it was put on the grid, or since. */
bool lop_verify_is_nearest(const lop_verify_points *points, int32_t point, double source)
{
    const double v = source / points->scale, at = point + points->least,
                 slack = 0.5 + 1e-3 + fabs(v) * 0x1p-8;
    const bool above_least = point == 0 || v >= at - slack;
    const bool below_last = point == points->count - 1 || v <= at + slack;
    return above_least && below_last;
}
