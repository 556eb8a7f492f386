/* diff.c - lop bench diff OLD NEW: two files of results, matched by what was timed, where, and at which shape. A bench
 * differs when its medians do by more than 5 % and the intervals from the least time to the ninth of ten do not meet: one
 * alone is what a machine does that others use too. */
#include "bench/line.h"
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/json.h"

#include <math.h>
#include <string.h>

#define FILE_MOST ((uint64_t)64 << 20)
#define TOLERANCE 0.05

typedef struct results {
    json_t **at;
    int count;
} results;

static void results_close(results *r)
{
    for (int i = 0; i < r->count; i++) lop_json_close(r->at[i]);
    lop_free(r->at);
    *r = (results){0};
}

static lop_status add_line(const char *line, size_t size, results *r)
{
    json_t *o = NULL;
    LOP_TRY(lop_json_parse(line, size, &o));
    if (!json_is_number(json_object_get(o, "ns_med")) || !json_is_array(json_object_get(o, "shape"))) {
        lop_json_close(o); /* a result without one time: a block, a model, the end of the lines */
        return LOP_OK;
    }
    const lop_status status = lop_realloc((size_t)r->count + 1, sizeof(json_t *), &r->at);
    if (status == LOP_OK)
        r->at[r->count++] = o;
    else
        lop_json_close(o);
    return status;
}

static lop_status results_open(const char *path, results *out)
{
    char *text = NULL;
    size_t size = 0;
    int number = 0;
    lop_status status = LOP_OK;
    LOP_TRY(lop_file_read(path, FILE_MOST, &text, &size));
    for (size_t at = 0; status == LOP_OK && at < size; number++) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - (text + at)) : size - at;
        if (n > 0) status = add_line(text + at, n, out);
        at += n + 1;
    }
    lop_free(text);
    if (status != LOP_OK) lop_note("in line %d of %s", number, path);
    return status;
}

static bool same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"bench", "backend", "device", "shape"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i]))) return false;
    return true;
}

/* The last of equal ones: a file of results may have grown. */
static const json_t *find(const results *r, const json_t *like)
{
    for (int i = r->count - 1; i >= 0; i--)
        if (same(r->at[i], like)) return r->at[i];
    return NULL;
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static bool differs(const json_t *before, const json_t *after)
{
    const double ratio = number(after, "ns_med") / number(before, "ns_med");
    const bool apart = number(after, "ns_min") > number(before, "ns_p90") ||
                       number(after, "ns_p90") < number(before, "ns_min");
    return !(fabs(ratio - 1.0) <= TOLERANCE) && apart;
}

static lop_status print_pair(const bench *b, const json_t *before, const json_t *after, bool *out)
{
    *out = differs(before, after);
    json_t *o =
        json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:f, s:b}", "bench", json_object_get(after, "bench"),
                  "backend", json_object_get(after, "backend"), "device", json_object_get(after, "device"),
                  "shape", json_object_get(after, "shape"), "ns_med_old", json_object_get(before, "ns_med"),
                  "ns_med_new", json_object_get(after, "ns_med"), "ratio",
                  number(after, "ns_med") / number(before, "ns_med"), "differs", *out);
    return bench_object_print(b, o, false);
}

static lop_status print_all(const bench *b, const results *before, const results *after, int *pairs,
                            int *differ)
{
    for (int i = 0; i < after->count; i++) {
        const json_t *old = find(before, after->at[i]);
        bool apart = false;
        if (old == NULL || find(after, after->at[i]) != after->at[i]) continue;
        LOP_TRY(print_pair(b, old, after->at[i], &apart));
        *pairs += 1;
        *differ += apart;
    }
    return LOP_OK;
}

lop_status bench_diff(bench *b)
{
    results before = {0}, after = {0};
    int pairs = 0, differ = 0;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(results_open(b->call->words[1], &before));
    LOP_TRY_DONE(results_open(b->call->words[2], &after));
    LOP_TRY_DONE(print_all(b, &before, &after, &pairs, &differ));
    if (pairs == 0)
        status = LOP_FAIL(LOP_E_FORMAT, "%s and %s have no bench, device and shape in common",
                          b->call->words[1], b->call->words[2]);
    else if (differ > 0)
        status = LOP_FAIL(LOP_E_VERIFY, "%d of %d benches differ by more than 5 %% beyond their intervals",
                          differ, pairs);
    else
        status = bench_lines_end(b, "diff", pairs);
done:
    results_close(&after);
    results_close(&before);
    return status;
}
