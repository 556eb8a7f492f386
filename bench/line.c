/* line.c - JSON lines. The build and the commit are those that the build files name. */
#include "bench/line.h"

#include <stdlib.h>
#include <time.h>

enum { DIGITS = 6 };

static lop_status fail_memory(void)
{
    return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for a line of results");
}

/* Takes the object. */
static lop_status print(const bench *b, json_t *object, const char *event)
{
    if (object != NULL && b->call->json) {
        /* The event comes first, for people who read along. */
        json_t *with = json_pack("{s:s}", "event", event);
        if (with != NULL && json_object_update(with, object) != 0) {
            json_decref(with);
            with = NULL;
        }
        json_decref(object);
        object = with;
    }
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) : NULL;
    json_decref(object);
    if (text == NULL) return fail_memory();
    const bool printed = fprintf(b->call->out, "%s\n", text) > 0 && fflush(b->call->out) == 0;
    free(text); /* jansson's */
    return printed ? LOP_OK : LOP_FAIL(LOP_E_OUTPUT, "a line of results cannot be written");
}

static json_t *argv_json(const bench_call *call)
{
    json_t *array = json_array();
    for (int i = 0; i < call->argc; i++) {
        json_t *text = json_string(call->argv[i]); /* NULL when it is not UTF-8 */
        (void)json_array_append_new(array, text ? text : json_null());
    }
    return array;
}

static json_t *date_json(void)
{
    char text[32] = "";
    struct tm utc;
    const time_t now = time(NULL);
    if (gmtime_r(&now, &utc) != NULL) (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

/* What a driver calls its device need not be UTF-8. */
static json_t *name_json(const char *name)
{
    json_t *text = json_string(name);
    return text ? text : json_string("(a name that is not UTF-8)");
}

json_t *bench_object(const bench *b, const char *name)
{
    return json_pack("{s:s, s:s, s:o}", "bench", name, "backend",
                     b->device ? b->device->backend->name : "host", "device",
                     name_json(b->device ? b->device->name : "host"));
}

lop_status bench_object_print(const bench *b, json_t *object, bool last)
{
    if (object != NULL && ((b->entry && json_object_set_new(object, "asked", json_string(b->entry)) != 0) ||
                           json_object_set_new(object, "build", json_string(LOP_BENCH_BUILD)) != 0 ||
                           json_object_set_new(object, "commit", json_string(LOP_BENCH_COMMIT)) != 0 ||
                           json_object_set_new(object, "date", date_json()) != 0 ||
                           json_object_set_new(object, "argv", argv_json(b->call)) != 0)) {
        json_decref(object);
        object = NULL;
    }
    if (object == NULL) return fail_memory();
    const bool kept = json_array_append(b->lines, object) == 0;
    if (!kept || b->tabled) {
        json_decref(object);
        return kept ? LOP_OK : fail_memory();
    }
    return print(b, object, last && b->entry == NULL ? "result" : "bench");
}

/* The roof that allows less, and how near the least time comes to it. */
static json_t *roof_json(const bench_line *l, const char **name)
{
    const double by_memory = l->copy_gbps > 0 ? l->bytes / l->copy_gbps : 0;
    const double by_product = l->gemm_gflops > 0 ? l->flops / l->gemm_gflops : 0;
    const double floor_ns = by_memory > by_product ? by_memory : by_product;
    *name = by_memory > by_product ? "memory" : "product";
    return floor_ns > 0 ? json_real(floor_ns / l->stats.ns_min) : NULL;
}

lop_status bench_line_print(const bench *b, const bench_line *l)
{
    const bench_stats *s = &l->stats;
    const char *roof = NULL;
    json_t *shape = json_array(), *fraction = roof_json(l, &roof), *o = bench_object(b, l->name);
    for (int i = 0; i < l->shape_rank; i++) (void)json_array_append_new(shape, json_integer(l->shape[i]));
    json_t *rest =
        json_pack("{s:o, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "shape", shape, "reps", s->reps,
                  "launches", s->launches, "ns_min", (json_int_t)s->ns_min, "ns_med", (json_int_t)s->ns_med,
                  "ns_p90", (json_int_t)s->ns_p90, "bytes", (json_int_t)l->bytes, "flops",
                  (json_int_t)l->flops, "gbps", l->bytes / s->ns_min, "gflops", l->flops / s->ns_min);
    if (o != NULL && l->word) (void)json_object_set_new(o, "word", json_string(l->word));
    if (o != NULL && (rest == NULL || json_object_update(o, rest) != 0)) {
        json_decref(o);
        o = NULL;
    }
    json_decref(rest);
    if (o != NULL && fraction != NULL) {
        (void)json_object_set_new(o, "roof", json_string(roof));
        (void)json_object_set_new(o, "roof_frac", fraction);
    } else {
        json_decref(fraction);
    }
    return bench_object_print(b, o, false);
}

lop_status bench_result_print(const bench *b, json_t *object)
{
    if (b->call->json) return print(b, object, "result");
    json_decref(object);
    return LOP_OK;
}

lop_status bench_lines_end(const bench *b, const char *name, int lines)
{
    if (b->entry != NULL) return LOP_OK;
    return bench_result_print(b, json_pack("{s:s, s:i}", "bench", name, "lines", lines));
}
