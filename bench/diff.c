/* diff.c - lop bench diff OLD NEW: two files of results, matched by what was timed, on which device, at which shape and in
 * which word. A bench differs when its medians do by more than 5 % and the intervals from the least time to the ninth of
 * ten do not meet: one alone is what a machine does that others use too. */
#include "bench/line.h"
#include "bench/results.h"

#include <math.h>
#include <string.h>

#define TOLERANCE 0.05

/* ---- what was timed: an object {bench, backend, device, shape, word, ns_min, ns_med, ns_p90} each */

static lop_status add(json_t *timed, json_t *o)
{
    if (o != NULL && json_array_append_new(timed, o) == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for results");
}

/* One time of a line that has several, in milliseconds: "block.wanda.forward" at "llama-7b 2048". */
static lop_status add_part(const json_t *line, const char *name, json_t *timed, double least, double median,
                           double p90)
{
    char whole[96], shape[96];
    const char *method = bench_text(line, "method");
    (void)snprintf(whole, sizeof whole, "%s%s%s%s%s", bench_text(line, "bench"), method[0] ? "." : "", method,
                   name[0] ? "." : "", name);
    (void)snprintf(shape, sizeof shape, "%s %.0f", bench_text(line, "shape"), bench_number(line, "seqlen"));
    return add(timed, json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f}", "bench", whole, "backend",
                                bench_text(line, "backend"), "device", bench_text(line, "device"), "shape",
                                shape, "word", bench_word(line), "ns_min", least * 1e6, "ns_med",
                                median * 1e6, "ns_p90", p90 * 1e6));
}

static lop_status add_stages(const json_t *line, json_t *timed)
{
    const char *stage;
    json_t *median, *stages = json_object_get(line, "ms_per_sample");
    json_object_foreach(stages, stage, median)
    {
        const json_t *least = json_object_get(json_object_get(line, "ms_per_sample_min"), stage);
        const json_t *p90 = json_object_get(json_object_get(line, "ms_per_sample_p90"), stage);
        LOP_TRY(add_part(line, stage, timed, json_number_value(least), json_number_value(median),
                         json_number_value(p90 ? p90 : median)));
    }
    return LOP_OK;
}

static lop_status add_line(const json_t *line, json_t *timed)
{
    if (json_is_number(json_object_get(line, "ns_med")) && json_is_array(json_object_get(line, "shape")))
        return add(timed, json_deep_copy(line));
    if (json_is_object(json_object_get(line, "ms_per_sample"))) return add_stages(line, timed);
    if (json_is_object(json_object_get(line, "ms")))
        return add_part(line, "", timed, bench_number(line, "ms.min"), bench_number(line, "ms.med"),
                        bench_number(line, "ms.p90"));
    return LOP_OK; /* roofs, a whole prune, a device that was not there */
}

static lop_status read_timed(const char *path, json_t **out)
{
    size_t i;
    json_t *line, *lines = json_array();
    *out = json_array();
    lop_status status = bench_results_read(path, lines);
    json_array_foreach(lines, i, line)
    {
        if (status == LOP_OK) status = add_line(line, *out);
    }
    json_decref(lines);
    return status;
}

/* ---- pairs */

static bool same_member(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    if (x != NULL && y != NULL) return json_equal(x, y) != 0;
    /* A line without a word is from when operations were timed in f32 alone. */
    return x == y || (strcmp(key, "word") == 0 && strcmp(json_string_value(x ? x : y), "f32") == 0);
}

static bool same(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"bench", "backend", "device", "shape", "word"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!same_member(a, b, keys[i])) return false;
    return true;
}

/* The last of equal ones: a file of results may have grown. */
static const json_t *find(const json_t *timed, const json_t *like)
{
    for (size_t i = json_array_size(timed); i-- > 0;)
        if (same(json_array_get(timed, i), like)) return json_array_get(timed, i);
    return NULL;
}

static bool differs(const json_t *before, const json_t *after)
{
    const double ratio = bench_number(after, "ns_med") / bench_number(before, "ns_med");
    const bool apart = bench_number(after, "ns_min") > bench_number(before, "ns_p90") ||
                       bench_number(after, "ns_p90") < bench_number(before, "ns_min");
    return !(fabs(ratio - 1.0) <= TOLERANCE) && apart;
}

static lop_status print_pair(const bench *b, const json_t *before, const json_t *after, bool *out)
{
    *out = differs(before, after);
    json_t *o = json_object();
    static const char *const keys[] = {"bench", "backend", "device", "shape", "word"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_object_get(after, keys[i]))
            (void)json_object_set(o, keys[i], json_object_get(after, keys[i]));
    json_t *rest = json_pack("{s:O, s:O, s:f, s:b}", "ns_med_old", json_object_get(before, "ns_med"),
                             "ns_med_new", json_object_get(after, "ns_med"), "ratio",
                             bench_number(after, "ns_med") / bench_number(before, "ns_med"), "differs", *out);
    (void)json_object_update(o, rest);
    json_decref(rest);
    return bench_object_print(b, o, false);
}

static lop_status print_all(const bench *b, const json_t *before, const json_t *after, int *pairs,
                            int *differ)
{
    size_t i;
    const json_t *line;
    json_array_foreach(after, i, line)
    {
        const json_t *old = find(before, line);
        bool apart = false;
        if (old == NULL || find(after, line) != line) continue;
        LOP_TRY(print_pair(b, old, line, &apart));
        *pairs += 1;
        *differ += apart;
    }
    return LOP_OK;
}

static lop_status fail_apart(const bench *b, const json_t *before, const json_t *after)
{
    const json_t *x = json_array_get(before, 0), *y = json_array_get(after, 0);
    return LOP_FAIL(
        LOP_E_FORMAT,
        "%s and %s have no bench, device, shape and word in common; the first has %s on %s: %s, the second "
        "%s on %s: %s",
        b->call->words[1], b->call->words[2], x ? bench_text(x, "bench") : "no times",
        bench_text(x, "backend"), bench_text(x, "device"), y ? bench_text(y, "bench") : "no times",
        bench_text(y, "backend"), bench_text(y, "device"));
}

lop_status bench_diff(bench *b)
{
    json_t *before = NULL, *after = NULL;
    int pairs = 0, differ = 0;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(read_timed(b->call->words[1], &before));
    LOP_TRY_DONE(read_timed(b->call->words[2], &after));
    LOP_TRY_DONE(print_all(b, before, after, &pairs, &differ));
    if (pairs == 0)
        status = fail_apart(b, before, after);
    else if (differ > 0)
        status = LOP_FAIL(LOP_E_VERIFY, "%d of %d benches differ by more than 5 %% beyond their intervals",
                          differ, pairs);
    else
        status = bench_lines_end(b, "diff", pairs);
done:
    json_decref(after);
    json_decref(before);
    return status;
}
