/* verify_tensor.c - a tensor read from end to end: digest, zeros, pattern, mask, and the source beside it, bit for bit. */
#include "core/prune/verify_parts.h"

#include "core/base/memory.h"

#include <string.h>

enum { PIECE_BYTES = 4 << 20 };

/* What is held against each other, a piece of rows at a time. A vector is one row. */
typedef struct reading {
    const lop_tensor *t;      /* in the folder */
    const lop_tensor *before; /* in the source; NULL: not compared */
    const lop_mask_entry *mask;
    bool pruned;  /* zeros may stand where the source has none */
    bool changed; /* kept weights make up for others */
    lop_verify_grid grid;
    int64_t off_grid; /* weights that are no point of theirs */
    int64_t rows, cols;
    size_t word;
    unsigned char *values, *wanted, *bits;
    int64_t zeros, wrong;  /* counted; found not to be as they should */
    int64_t broken_groups; /* that keep more than the pattern allows */
    int64_t first[2];      /* the first wrong element */
    char what[200];        /* and why */
} reading;

static uint32_t word_at(const unsigned char *at, size_t word, int64_t i)
{
    uint32_t bits = 0;
    memcpy(&bits, at + (size_t)i * word, word);
    return bits;
}

static double number(lop_dtype dtype, uint32_t bits)
{
    float value = 0.0f;
    lop_dtype_convert(dtype, &bits, LOP_DTYPE_F32, &value, 1);
    return (double)value;
}

static void note_wrong(reading *r, int64_t row, int64_t col, const char *why, uint32_t have, uint32_t want)
{
    if (r->wrong++ > 0) return;
    r->first[0] = r->t->rank == 2 ? row : col;
    r->first[1] = col;
    (void)snprintf(r->what, sizeof r->what, "%s: %.9g (0x%x), expected %.9g (0x%x)", why,
                   number(r->t->dtype, have), have, number(r->t->dtype, want), want);
}

/* Without a mask, +0 in a pruned linear is taken for dropped. */
static bool is_kept(const reading *r, int64_t row, int64_t col, uint32_t have)
{
    if (r->bits == NULL) return !r->pruned || have != 0;
    const size_t line = ((size_t)r->cols + 7) / 8;
    return (r->bits[(size_t)row * line + (size_t)col / 8] >> (7 - col % 8) & 1) != 0;
}

/* One element: what the mask drops is +0 to the bit; what is kept is the source's to the bit, unless it lies on a grid
 * or has changed to make up for others. */
static void element_check(reading *r, int64_t row, int64_t col, uint32_t have, const unsigned char *wanted,
                          int64_t i)
{
    const bool kept = is_kept(r, row, col, have);
    if (!kept && have != 0) note_wrong(r, row, col, "the mask drops this weight", have, 0);
    if (!kept || wanted == NULL || r->changed || r->grid.scale != NULL) return;
    const uint32_t want = word_at(wanted, r->word, i);
    if (have != want) note_wrong(r, row, col, "is not the source's", have, want);
}

/* Row `row`, the `i`-th of the piece: each weight is a point of its grid, and what is kept the one next to the source's. */
static void grids_check(reading *r, int64_t row, int64_t i)
{
    const lop_verify_grid *grid = &r->grid;
    const size_t at = (size_t)(i * r->cols) * r->word;
    lop_verify_points points;
    lop_dtype_convert(r->t->dtype, r->values + at, LOP_DTYPE_F32, grid->have, (size_t)r->cols);
    if (r->wanted != NULL)
        lop_dtype_convert(r->t->dtype, r->wanted + at, LOP_DTYPE_F32, grid->source, (size_t)r->cols);
    for (int64_t col = 0; col < r->cols; col++) {
        if (col % grid->each == 0)
            lop_verify_points_of(grid, row * grid->of_row + col / grid->each, r->t->dtype, &points);
        const uint32_t have = word_at(r->values + at, r->word, col);
        const int32_t point = lop_verify_point_near(&points, (double)grid->have[col]);
        const uint32_t want = word_at(points.words, r->word, point);
        r->off_grid += have != want;
        if (have != want)
            note_wrong(r, row, col, "is no point of its grid, the nearest of which", have, want);
        if (r->wanted == NULL || !is_kept(r, row, col, have)) continue;
        const double source = (double)grid->source[col];
        if (lop_verify_is_nearest(&points, point, source)) continue;
        const int32_t near = lop_verify_point_near(&points, source);
        note_wrong(r, row, col, "is not the point next to the source's weight", have,
                   word_at(points.words, r->word, near));
    }
}

static void rows_check(reading *r, int64_t first, int64_t rows, const lop_target *pattern)
{
    const uint32_t size = r->word == 2 ? 0x7fffu : 0x7fffffffu;
    for (int64_t row = 0; row < rows; row++) {
        int32_t kept = 0;
        for (int64_t col = 0; col < r->cols; col++) {
            const int64_t i = row * r->cols + col;
            const uint32_t have = word_at(r->values, r->word, i);
            r->zeros += (have & size) == 0;
            kept += (have & size) != 0;
            element_check(r, first + row, col, have, r->wanted, i);
            if (pattern->group == 0 || (col + 1) % pattern->group != 0) continue;
            r->broken_groups += kept > pattern->keep;
            kept = 0;
        }
        if (r->grid.scale != NULL) grids_check(r, first + row, row);
    }
}

/* Reads all rows; the digest is of the stored bytes. */
static lop_status rows_read(lop_verifying *v, reading *r, const lop_target *pattern,
                            char digest[LOP_SHA256_TEXT])
{
    lop_sha256 h = {NULL};
    lop_status status = LOP_OK;
    const size_t line = (size_t)r->cols * r->word;
    const int64_t step = line == 0 || line >= PIECE_BYTES ? 1 : (int64_t)(PIECE_BYTES / line);
    LOP_TRY_DONE(lop_sha256_open(&h));
    LOP_TRY_DONE(lop_alloc_aligned((size_t)step * line, 64, &r->values));
    if (r->before != NULL) LOP_TRY_DONE(lop_alloc_aligned((size_t)step * line, 64, &r->wanted));
    for (int64_t first = 0; first < r->rows; first += step) {
        const int64_t n = r->rows - first < step ? r->rows - first : step;
        const int64_t from = r->t->rank == 2 ? first : 0, count = r->t->rank == 2 ? n : r->cols;
        LOP_TRY_DONE(lop_log_check_stop(v->log));
        LOP_TRY_DONE(
            lop_checkpoint_read_stored(v->file, r->t, (uint64_t)first * line, (size_t)n * line, r->values));
        if (r->before != NULL)
            LOP_TRY_DONE(lop_checkpoint_read(v->source, r->before, from, count, r->t->dtype, r->wanted));
        LOP_TRY_DONE(lop_sha256_add(&h, r->values, (size_t)n * line));
        rows_check(r, first, n, pattern);
    }
    LOP_TRY_DONE(lop_sha256_text(&h, digest));
done:
    lop_sha256_close(&h);
    lop_free(r->wanted);
    lop_free(r->values);
    r->wanted = r->values = NULL;
    return status;
}

static lop_status digest_check(lop_verifying *v, const char *name, const char *digest)
{
    const char *want = lop_verify_digest(v, name);
    if (v->report == NULL) return LOP_OK;
    if (want == NULL) return lop_verify_fail(v, name, NULL, 0, "the report does not speak of this tensor");
    if (strcmp(want, digest) == 0) return LOP_OK;
    return lop_verify_fail(v, name, NULL, 0, "its bytes have sha256 %s, the report says %s", digest, want);
}

static lop_status wrong_report(lop_verifying *v, const reading *r)
{
    if (r->wrong == 0) return LOP_OK;
    return lop_verify_fail(v, r->t->name, r->first, r->t->rank == 2 ? 2 : 1, "%s; %lld such elements",
                           r->what, (long long)r->wrong);
}

/* The source's tensor of this name, held against shape. */
static lop_status source_find(lop_verifying *v, reading *r)
{
    if (v->source == NULL) return LOP_OK;
    r->before = lop_checkpoint_find(v->source, r->t->name);
    if (r->before == NULL) return lop_verify_fail(v, r->t->name, NULL, 0, "the source has no such tensor");
    bool same = r->before->rank == r->t->rank;
    for (int32_t i = 0; same && i < r->t->rank; i++) same = r->before->shape[i] == r->t->shape[i];
    if (same) return LOP_OK;
    r->before = NULL;
    return lop_verify_fail(v, r->t->name, NULL, 0, "it has another shape than in the source");
}

static lop_status mask_find(lop_verifying *v, reading *r)
{
    if (!v->has_masks || r->t->rank != 2) return LOP_OK;
    r->mask = lop_masks_find(&v->masks, r->t->name);
    if (r->mask == NULL) return LOP_OK;
    if (r->mask->rows != r->rows || r->mask->cols != r->cols) {
        r->mask = NULL;
        return lop_verify_fail(v, r->t->name, NULL, 0, "its mask has another shape");
    }
    LOP_TRY(lop_alloc(r->mask->bytes, 1, &r->bits));
    const lop_status status = lop_masks_read(&v->masks, r->mask, r->bits);
    if (status == LOP_OK) return LOP_OK;
    lop_free(r->bits);
    r->bits = NULL;
    return lop_verify_soften(v, r->t->name, status);
}

static lop_status grid_find(lop_verifying *v, reading *r)
{
    const lop_status status =
        lop_verify_grid_open(lop_verify_line(v, r->t->name), r->rows, r->cols, &r->grid);
    if (status != LOP_OK) lop_verify_grid_close(&r->grid);
    return lop_verify_soften(v, r->t->name, status);
}

static reading reading_of(const lop_tensor *t)
{
    reading r = {.t = t, .rows = 1, .cols = 1, .word = lop_dtype_group_bytes(t->dtype)};
    if (t->rank == 2) r.rows = t->shape[0];
    for (int32_t i = t->rank == 2; i < t->rank; i++) r.cols *= t->shape[i];
    return r;
}

/* A type that is compared as bytes only: positions of tokens and the like. */
static lop_status stored_check(lop_verifying *v, reading *r)
{
    char digest[LOP_SHA256_TEXT];
    unsigned char *values = NULL, *wanted = NULL;
    lop_status status = LOP_OK;
    const size_t bytes = (size_t)r->t->bytes;
    LOP_TRY_DONE(lop_alloc(bytes + 1, 1, &values));
    LOP_TRY_DONE(lop_checkpoint_read_stored(v->file, r->t, 0, bytes, values));
    LOP_TRY_DONE(lop_sha256_memory(values, bytes, digest));
    LOP_TRY_DONE(digest_check(v, r->t->name, digest));
    if (r->before == NULL || r->before->bytes != r->t->bytes) goto done;
    LOP_TRY_DONE(lop_alloc(bytes + 1, 1, &wanted));
    LOP_TRY_DONE(lop_checkpoint_read_stored(v->source, r->before, 0, bytes, wanted));
    int64_t at = 0;
    while (at < (int64_t)bytes && values[at] == wanted[at]) at++;
    if (at == (int64_t)bytes) goto done;
    at /= (int64_t)r->word;
    v->untouched_identical = false;
    LOP_TRY_DONE(lop_verify_fail(v, r->t->name, &at, 1, "is not the source's"));
done:
    lop_free(wanted);
    lop_free(values);
    return status;
}

/* A bias has a zero for every row that is gone. */
static lop_status bias_check(lop_verifying *v, const reading *r, const json_t *line)
{
    const int64_t dropped = json_integer_value(json_object_get(line, "dropped"));
    if (r->zeros >= dropped) return LOP_OK;
    return lop_verify_fail(v, r->t->name, NULL, 0, "holds %lld zeros, the report says that %lld are dropped",
                           (long long)r->zeros, (long long)dropped);
}

lop_status lop_verify_untouched(lop_verifying *v, const lop_tensor *t)
{
    const lop_target none = {0};
    char digest[LOP_SHA256_TEXT];
    reading r = reading_of(t);
    const json_t *bias = lop_verify_bias_line(v, t->name);
    LOP_TRY(source_find(v, &r));
    if (v->source != NULL && r.before == NULL) v->untouched_identical = false;
    if (!lop_dtype_is_float(t->dtype) || lop_dtype_is_quantised(t->dtype)) return stored_check(v, &r);
    r.pruned = bias != NULL;
    r.changed = json_is_true(json_object_get(bias, "changed"));
    LOP_TRY(rows_read(v, &r, &none, digest));
    if (r.wrong > 0) v->untouched_identical = false;
    LOP_TRY(wrong_report(v, &r));
    LOP_TRY(bias_check(v, &r, bias));
    return digest_check(v, t->name, digest);
}

/* True if the report, or the masks where there is no report, say that this linear was left alone. */
static bool is_left_alone(const lop_verifying *v, const reading *r)
{
    const char *name;
    size_t i;
    json_t *skipped = v->report != NULL ? json_object_get(v->report, "skipped") : NULL, *line;
    json_array_foreach(skipped, i, line)
    {
        name = json_string_value(json_object_get(line, "name"));
        if (name != NULL && strcmp(name, r->t->name) == 0) return true;
    }
    return v->report == NULL && v->has_masks && r->mask == NULL;
}

static lop_status linear_line(lop_verifying *v, const reading *r, const lop_target *claimed)
{
    json_t *pattern =
        claimed->group == 0 ? json_null() : json_sprintf("%d:%d", (int)claimed->keep, (int)claimed->group);
    json_t *holds = claimed->group == 0 ? json_null() : json_boolean(r->broken_groups == 0);
    json_t *on_grid = r->grid.scale == NULL ? json_null() : json_boolean(r->off_grid == 0);
    json_t *line = json_pack("{s:s, s:[I,I], s:I, s:o, s:o, s:o}", "name", r->t->name, "shape",
                             (json_int_t)r->rows, (json_int_t)r->cols, "zeros", (json_int_t)r->zeros,
                             "pattern_claimed", pattern, "pattern_holds", holds, "on_grid", on_grid);
    if (line == NULL || json_array_append_new(v->linears, line) != 0)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the result");
    if (r->broken_groups == 0) return LOP_OK;
    return lop_verify_fail(v, r->t->name, NULL, 0, "%lld groups keep more than %d of %d",
                           (long long)r->broken_groups, claimed->keep, claimed->group);
}

/* What the report says of rows against the bins of the mask; an older report says nothing. */
static lop_status row_bins_check(lop_verifying *v, const reading *r, const json_t *line, const int64_t *bins)
{
    const json_t *rows = json_object_get(line, "row_sparsity");
    if (rows == NULL) return LOP_OK;
    for (size_t i = 0; i < LOP_ROW_BINS; i++) {
        const int64_t says = json_integer_value(json_array_get(rows, i));
        if (says == bins[i]) continue;
        return lop_verify_fail(v, r->t->name, NULL, 0,
                               "of %lld rows the mask drops %zu/%d to %zu/%d, the report says of %lld",
                               (long long)bins[i], i, LOP_ROW_BINS, i + 1, LOP_ROW_BINS, (long long)says);
    }
    return LOP_OK;
}

/* A linear has lost the same part as the units that it is of. */
static lop_status units_check(lop_verifying *v, const reading *r, const json_t *line)
{
    const char *kind = NULL;
    const json_t *units = lop_verify_units(v, r->t, &kind);
    const int64_t kept = json_integer_value(json_object_get(units, "kept")),
                  of = json_integer_value(json_object_get(units, "of")),
                  dropped = json_integer_value(json_object_get(line, "dropped"));
    if (units == NULL || (of > 0 && dropped % (r->rows * r->cols / of) == 0 &&
                          dropped / (r->rows * r->cols / of) == of - kept))
        return LOP_OK;
    return lop_verify_fail(
        v, r->t->name, NULL, 0,
        "%lld of its weights are dropped, and the report says that %lld of %lld %s are kept",
        (long long)dropped, (long long)kept, (long long)of, kind);
}

/* The report's counts of a linear against what the file and the mask show. */
static lop_status line_check(lop_verifying *v, const reading *r)
{
    int64_t bins[LOP_ROW_BINS];
    const json_t *line = lop_verify_line(v, r->t->name);
    if (line == NULL) return LOP_OK;
    LOP_TRY(units_check(v, r, line));
    const int64_t zeros = json_integer_value(json_object_get(line, "zeros"));
    const int64_t dropped = json_integer_value(json_object_get(line, "dropped"));
    if (zeros != r->zeros)
        LOP_TRY(lop_verify_fail(v, r->t->name, NULL, 0, "holds %lld zeros, the report says %lld",
                                (long long)r->zeros, (long long)zeros));
    if (r->bits == NULL) return LOP_OK;
    const int64_t shown = lop_keep_count_rows(r->bits, (int32_t)r->rows, (int32_t)r->cols, bins);
    if (shown == dropped) return row_bins_check(v, r, line, bins);
    return lop_verify_fail(v, r->t->name, NULL, 0, "its mask drops %lld weights, the report says %lld",
                           (long long)shown, (long long)dropped);
}

lop_status lop_verify_linear(lop_verifying *v, const lop_tensor *t)
{
    lop_status status = LOP_OK;
    char digest[LOP_SHA256_TEXT];
    reading r = reading_of(t);
    LOP_TRY_DONE(source_find(v, &r));
    LOP_TRY_DONE(mask_find(v, &r));
    const bool alone = is_left_alone(v, &r);
    const lop_target claimed = alone ? (lop_target){0} : v->pattern;
    r.pruned = !alone;
    r.changed = !alone && json_is_true(json_object_get(lop_verify_line(v, t->name), "changed"));
    LOP_TRY_DONE(grid_find(v, &r));
    LOP_TRY_DONE(rows_read(v, &r, &claimed, digest));
    v->zeros += r.zeros;
    if (alone && r.wrong > 0) v->untouched_identical = false;
    LOP_TRY_DONE(wrong_report(v, &r));
    LOP_TRY_DONE(digest_check(v, t->name, digest));
    LOP_TRY_DONE(line_check(v, &r));
    LOP_TRY_DONE(linear_line(v, &r, &claimed));
done:
    lop_verify_grid_close(&r.grid);
    lop_free(r.bits);
    return status;
}
