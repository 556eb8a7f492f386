/* account_blocks.c - the blocks of a report: linears, rows, what a learner did, and the columns that linears of several
 * blocks share. */
#include "core/prune/account_parts.h"

#include "core/base/memory.h"

#include <inttypes.h>
#include <string.h>

#define LOSS_MOST    1e30
#define SECONDS_MOST 1e12

enum { SIDE_MOST = 1 << 28, STEPS_MOST = 1 << 22 };

/* ---- columns */

/* Where in a name the number of its block stands as a whole element; NULL: nowhere. */
static const char *number_in(const char *name, int64_t index, size_t *size)
{
    char number[24];
    lop_text_print(number, sizeof number, "%" PRId64, index);
    *size = strlen(number);
    for (const char *at = name; at != NULL; at = strchr(at, '.')) {
        at += *at == '.';
        if (strncmp(at, number, *size) == 0 && at[*size] == '.') return at;
    }
    return NULL;
}

static lop_status key_of(const char *name, int64_t index, lop_account_column *out)
{
    static const char weight[] = ".weight";
    lop_string key = {0};
    size_t size = 0;
    const char *number = number_in(name, index, &size), *rest = number != NULL ? number + size : name;
    lop_status status = LOP_OK;
    if (number != NULL) {
        LOP_TRY_DONE(lop_string_add(&key, name, (size_t)(number - name)));
        LOP_TRY_DONE(lop_string_add(&key, "*", 1));
    }
    LOP_TRY_DONE(lop_string_add(&key, rest, strlen(rest)));
    const char *tail = number != NULL ? rest + 1 : rest;
    size_t length = strlen(tail);
    if (length > sizeof weight - 1 && strcmp(tail + length - (sizeof weight - 1), weight) == 0)
        length -= sizeof weight - 1;
    LOP_TRY_DONE(lop_memdup_text(tail, length, &out->short_key));
    out->key = key.at;
    const char *dot = strrchr(out->short_key, '.');
    out->label = dot != NULL && dot[1] != '\0' ? dot + 1 : out->short_key;
    return LOP_OK;
done:
    lop_string_close(&key);
    return status;
}

static lop_status column_of(lop_account *a, const char *name, int64_t index, int32_t *out)
{
    lop_account_column column = {0};
    LOP_TRY(key_of(name, index, &column));
    for (*out = 0; *out < a->column_count; ++*out)
        if (strcmp(a->columns[*out].key, column.key) == 0) break;
    if (*out < a->column_count || a->column_count == LOP_ACCOUNT_COLUMNS) {
        lop_free(column.key);
        lop_free(column.short_key);
    } else {
        a->columns[a->column_count++] = column;
    }
    if (*out < a->column_count) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "its blocks have more than %d linears of different names",
                    LOP_ACCOUNT_COLUMNS);
}

/* "out" of attention and "out" of the rest are told apart by what stands before. */
static void labels_part(lop_account *a)
{
    for (int32_t c = 0; c < a->column_count; c++)
        for (int32_t other = 0; other < c; other++) {
            if (strcmp(a->columns[c].label, a->columns[other].label) != 0) continue;
            a->columns[c].label = a->columns[c].short_key;
            a->columns[other].label = a->columns[other].short_key;
        }
}

/* ---- a linear */

static lop_status shape_read(const json_t *line, lop_account_linear *l)
{
    json_t *shape = NULL;
    LOP_TRY(lop_json_need(line, "shape"));
    LOP_TRY(lop_json_array(line, "shape", &shape));
    if (json_array_size(shape) != 2)
        return LOP_FAIL(LOP_E_FORMAT, "\"shape\" has %zu sides, expected 2", json_array_size(shape));
    LOP_TRY(lop_json_value_int(json_array_get(shape, 0), "shape", 1, SIDE_MOST, &l->rows));
    return lop_json_value_int(json_array_get(shape, 1), "shape", 1, SIDE_MOST, &l->cols);
}

static lop_status rows_read(const json_t *line, lop_account_linear *l)
{
    json_t *rows = NULL;
    int64_t sum = 0;
    LOP_TRY(lop_json_array(line, "row_sparsity", &rows));
    if (rows == NULL) return LOP_OK;
    if (json_array_size(rows) != LOP_ROW_BINS)
        return LOP_FAIL(LOP_E_FORMAT, "\"row_sparsity\" has %zu bins, expected %d", json_array_size(rows),
                        LOP_ROW_BINS);
    for (size_t i = 0; i < LOP_ROW_BINS; i++) {
        LOP_TRY(lop_json_value_int(json_array_get(rows, i), "row_sparsity", 0, l->rows, &l->row_sparsity[i]));
        sum += l->row_sparsity[i];
    }
    if (sum != l->rows)
        return LOP_FAIL(LOP_E_FORMAT, "\"row_sparsity\" counts %lld rows of %lld", (long long)sum,
                        (long long)l->rows);
    l->has_rows = true;
    return LOP_OK;
}

static lop_status counts_read(const json_t *line, lop_account_linear *l)
{
    const int64_t weights = l->rows * l->cols;
    LOP_TRY(lop_json_need(line, "zeros"));
    LOP_TRY(lop_json_need(line, "sparsity"));
    LOP_TRY(lop_account_int(line, "zeros", weights, &l->zeros));
    LOP_TRY(lop_account_int(line, "dropped", weights, &l->dropped));
    LOP_TRY(lop_account_int(line, "zeros_before", weights, &l->zeros_before));
    LOP_TRY(lop_account_real(line, "sparsity", 1.0, &l->sparsity));
    return rows_read(line, l);
}

/* Why a linear was left dense; NULL: it was not. The text is the report's. */
static const char *reason_of(const json_t *reasons, const char *name)
{
    const json_t *line = json_object_get(reasons, name);
    const char *reason = json_string_value(json_object_get(line, "reason"));
    return line == NULL ? NULL : reason != NULL ? reason : "no reason is given";
}

static lop_status linear_read(lop_account *a, const json_t *line, const json_t *reasons,
                              const lop_account_block *block, lop_account_linear *l)
{
    *l = (lop_account_linear){.expected = -1.0};
    if (!json_is_object(line))
        return LOP_FAIL(LOP_E_FORMAT, "a linear is %s, expected an object", lop_json_kind(line));
    LOP_TRY(lop_json_need(line, "name"));
    LOP_TRY(lop_account_text(line, "name", &l->name));
    for (const lop_account_linear *other = block->linears; other < l; other++)
        if (strcmp(other->name, l->name) == 0)
            return LOP_FAIL(LOP_E_FORMAT, "%.200s stands there twice", l->name);
    l->dense = reason_of(reasons, l->name);
    LOP_TRY(shape_read(line, l));
    const lop_status status = counts_read(line, l);
    if (status != LOP_OK) lop_note("in %.200s", l->name);
    LOP_TRY(status);
    return column_of(a, l->name, block->index, &l->column);
}

static lop_status linears_read(lop_account *a, const json_t *line, const json_t *reasons,
                               lop_account_block *block)
{
    json_t *linears = NULL;
    LOP_TRY(lop_json_need(line, "linears"));
    LOP_TRY(lop_json_array(line, "linears", &linears));
    const size_t count = json_array_size(linears);
    if (count > LOP_ACCOUNT_LINEARS)
        return LOP_FAIL(LOP_E_FORMAT, "it has %zu linears, expected at most %d", count, LOP_ACCOUNT_LINEARS);
    LOP_TRY(LOP_NEW(&block->linears, count));
    for (size_t i = 0; i < count; i++) {
        LOP_TRY(linear_read(a, json_array_get(linears, i), reasons, block, &block->linears[i]));
        block->linear_count++;
    }
    return LOP_OK;
}

/* ---- what a learner did */

static lop_status step_value(const json_t *value, double most, double *out)
{
    *out = -1.0;
    if (json_is_null(value)) return LOP_OK;
    if (json_is_number(value)) *out = json_number_value(value);
    if (*out >= 0.0 && *out <= most) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "a learning step holds %s, expected numbers from 0 to %g",
                    json_is_number(value) ? "a number out of range" : lop_json_kind(value), most);
}

static lop_status steps_read(const json_t *learn, lop_account_block *block)
{
    json_t *steps = NULL;
    LOP_TRY(lop_json_array(learn, "steps", &steps));
    const size_t count = json_array_size(steps);
    if (count > LOP_ACCOUNT_STEPS)
        return LOP_FAIL(LOP_E_FORMAT, "it has %zu learning steps, expected at most %d", count,
                        LOP_ACCOUNT_STEPS);
    LOP_TRY(LOP_NEW(&block->steps, count));
    for (size_t i = 0; i < count; i++) {
        const json_t *step = json_array_get(steps, i);
        lop_account_step *s = &block->steps[i];
        if (!json_is_array(step) || json_array_size(step) != 2)
            return LOP_FAIL(LOP_E_FORMAT, "a learning step is %s of %zu, expected [loss, sparsity]",
                            lop_json_kind(step), json_array_size(step));
        LOP_TRY(step_value(json_array_get(step, 0), LOSS_MOST, &s->loss));
        LOP_TRY(step_value(json_array_get(step, 1), 1.0, &s->sparsity));
        block->step_count++;
    }
    return LOP_OK;
}

/* [first, last] */
static lop_status together_read(const json_t *learn, lop_account_block *block)
{
    json_t *blocks = NULL;
    block->last = block->index;
    LOP_TRY(lop_json_array(learn, "blocks", &blocks));
    if (blocks == NULL) return LOP_OK;
    const json_t *last = json_array_get(blocks, 1);
    if (json_is_integer(last)) block->last = json_integer_value(last);
    if (json_is_integer(last) && block->last >= block->index && block->last <= INT32_MAX) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "it was learned with \"blocks\" that are not [first, last]");
}

static lop_status expected_read(const json_t *learn, const lop_account_block *block)
{
    json_t *linears = NULL;
    LOP_TRY(lop_json_array(learn, "linears", &linears));
    if (json_array_size(linears) > LOP_ACCOUNT_LINEARS)
        return LOP_FAIL(LOP_E_FORMAT, "it learned %zu linears, expected at most %d", json_array_size(linears),
                        LOP_ACCOUNT_LINEARS);
    for (size_t i = 0; i < json_array_size(linears); i++) {
        const json_t *line = json_array_get(linears, i);
        const char *name = json_string_value(json_object_get(line, "name"));
        double expected;
        LOP_TRY(lop_account_real(line, "expected", 1.0, &expected));
        for (int32_t l = 0; name != NULL && l < block->linear_count; l++)
            if (strcmp(block->linears[l].name, name) == 0) block->linears[l].expected = expected;
    }
    return LOP_OK;
}

/* ---- a block */

static lop_status block_read(lop_account *a, const json_t *line, const json_t *reasons,
                             lop_account_block *block)
{
    json_t *learn = NULL;
    if (!json_is_object(line))
        return LOP_FAIL(LOP_E_FORMAT, "it is %s, expected an object", lop_json_kind(line));
    LOP_TRY(lop_json_need(line, "index"));
    LOP_TRY(lop_account_int(line, "index", INT32_MAX, &block->index));
    LOP_TRY(lop_account_real(line, "seconds", SECONDS_MOST, &block->seconds));
    LOP_TRY(lop_account_real(line, "loss_before", LOSS_MOST, &block->loss_before));
    LOP_TRY(lop_account_real(line, "loss_after", LOSS_MOST, &block->loss_after));
    LOP_TRY(linears_read(a, line, reasons, block));
    LOP_TRY(lop_json_object(line, "learn", &learn));
    LOP_TRY(together_read(learn, block));
    LOP_TRY(steps_read(learn, block));
    return expected_read(learn, block);
}

/* The lines of `skipped` by name; a later one of the same name wins. */
static lop_status reasons_read(const lop_account *a, json_t *reasons)
{
    json_t *skipped = NULL;
    LOP_TRY(lop_json_array(a->report, "skipped", &skipped));
    for (size_t i = 0; i < json_array_size(skipped); i++) {
        json_t *line = json_array_get(skipped, i);
        const char *name = NULL, *reason = NULL;
        LOP_TRY(lop_json_need(line, "name"));
        LOP_TRY(lop_account_text(line, "name", &name));
        LOP_TRY(lop_account_text(line, "reason", &reason));
        LOP_TRY(lop_json_put(reasons, name, json_incref(line)));
    }
    return LOP_OK;
}

static lop_status each_block(lop_account *a, const json_t *blocks, const json_t *reasons)
{
    const size_t count = json_array_size(blocks);
    int64_t steps = 0;
    if (count > LOP_ACCOUNT_BLOCKS)
        return LOP_FAIL(LOP_E_FORMAT, "it has %zu blocks, expected at most %d", count, LOP_ACCOUNT_BLOCKS);
    LOP_TRY(LOP_NEW(&a->blocks, count));
    for (size_t i = 0; i < count; i++) {
        a->block_count++;
        const lop_status status = block_read(a, json_array_get(blocks, i), reasons, &a->blocks[i]);
        if (status != LOP_OK) lop_note("in entry %zu of blocks", i);
        LOP_TRY(status);
        steps += a->blocks[i].step_count;
        if (steps > STEPS_MOST)
            return LOP_FAIL(LOP_E_FORMAT, "it has more than %d learning steps", STEPS_MOST);
    }
    labels_part(a);
    return LOP_OK;
}

lop_status lop_account_blocks(lop_account *a)
{
    json_t *blocks = NULL, *reasons = json_object();
    lop_status status = LOP_OK;
    if (reasons == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    LOP_TRY_DONE(reasons_read(a, reasons));
    LOP_TRY_DONE(lop_json_need(a->report, "blocks"));
    LOP_TRY_DONE(lop_json_array(a->report, "blocks", &blocks));
    LOP_TRY_DONE(each_block(a, blocks, reasons));
done:
    json_decref(reasons);
    return status;
}
