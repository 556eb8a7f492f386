/* result.c - results as JSON objects. */
#include "core/lop/result.h"

#include "core/base/memory.h"
#include "core/io/json.h"

#include <stdlib.h>
#include <string.h>

struct lop_result {
    json_t *object;
    char *text; /* one line; jansson's memory */
};

static lop_status no_memory(void)
{
    return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for a result");
}

/* `event` stands first, so that a reader of lines knows what it reads. */
static json_t *with_event(json_t *object)
{
    json_t *whole = json_pack("{s:s}", "event", "result");
    if (whole == NULL || object == NULL || json_object_update(whole, object) != 0) {
        json_decref(whole);
        whole = NULL;
    }
    json_decref(object);
    return whole;
}

lop_status lop_result_take(json_t *object, lop_result **out)
{
    lop_result *result = NULL;
    *out = NULL;
    json_t *whole = with_event(object);
    char *text = whole ? json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    if (text == NULL || lop_alloc(1, sizeof *result, &result) != LOP_OK) {
        free(text);
        json_decref(whole);
        return no_memory();
    }
    result->object = whole;
    result->text = text;
    *out = result;
    return LOP_OK;
}

lop_status lop_result_take_text(char *text, lop_result **out)
{
    json_t *object = NULL;
    *out = NULL;
    const lop_status status = lop_json_parse(text, strlen(text), &object);
    lop_free(text);
    LOP_TRY(status);
    return lop_result_take(object, out);
}

const char *lop_result_json(const lop_result *result)
{
    return result->text;
}

/* The value at "a.b.c"; NULL if there is none. */
static const json_t *find(const json_t *object, const char *key)
{
    while (object != NULL) {
        const char *dot = strchr(key, '.');
        if (dot == NULL) return json_object_get(object, key);
        object = json_object_getn(object, key, (size_t)(dot - key));
        key = dot + 1;
    }
    return NULL;
}

lop_status lop_result_number(const lop_result *result, const char *key, double *out)
{
    const json_t *value = find(result->object, key);
    if (!json_is_number(value)) return LOP_FAIL(LOP_E_ARGUMENT, "the result has no number \"%s\"", key);
    *out = json_number_value(value);
    return LOP_OK;
}

void lop_result_close(lop_result *result)
{
    if (result == NULL) return;
    json_decref(result->object);
    free(result->text);
    lop_free(result);
}
