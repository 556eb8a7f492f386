/* line.c - JSON lines. The build and the commit are those that the build files name. */
#include "bench/line.h"

#include <stdlib.h>

enum { DIGITS = 6 };

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
    if (text == NULL) return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for a line of results");
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

lop_status bench_object_print(const bench *b, json_t *object, bool last)
{
    if (object != NULL && (json_object_set_new(object, "build", json_string(LOP_BENCH_BUILD)) != 0 ||
                           json_object_set_new(object, "commit", json_string(LOP_BENCH_COMMIT)) != 0 ||
                           json_object_set_new(object, "argv", argv_json(b->call)) != 0)) {
        json_decref(object);
        object = NULL;
    }
    return print(b, object, last ? "result" : "bench");
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
    json_t *shape = json_array(), *fraction = roof_json(l, &roof);
    for (int i = 0; i < l->shape_rank; i++) (void)json_array_append_new(shape, json_integer(l->shape[i]));
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:i, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "bench", l->name,
                          "backend", b->device ? b->device->backend->name : "host", "device",
                          b->device ? b->device->name : "host", "shape", shape, "reps", s->reps, "ns_min",
                          (json_int_t)s->ns_min, "ns_med", (json_int_t)s->ns_med, "ns_p90",
                          (json_int_t)s->ns_p90, "bytes", (json_int_t)l->bytes, "flops", (json_int_t)l->flops,
                          "gbps", l->bytes / s->ns_min, "gflops", l->flops / s->ns_min);
    if (o != NULL && fraction != NULL) {
        (void)json_object_set_new(o, "roof", json_string(roof));
        (void)json_object_set_new(o, "roof_frac", fraction);
    } else {
        json_decref(fraction);
    }
    return bench_object_print(b, o, false);
}

lop_status bench_lines_end(const bench *b, const char *name, int lines)
{
    if (!b->call->json) return LOP_OK;
    return print(b, json_pack("{s:s, s:i}", "bench", name, "lines", lines), "result");
}
