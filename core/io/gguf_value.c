/* gguf_value.c - GGUF metadata values: extents and scalars. */
#include "core/io/gguf_value.h"

#include <inttypes.h>
#include <string.h>

#define KEY_MOST   65535 /* bytes, as the format says */
#define KEY_SHOWN  96
#define DEPTH_MOST 4 /* arrays in arrays; no known file has any */

typedef struct type_row {
    const char *name;
    uint32_t bytes; /* of a value; the fewest, where values differ */
    char kind;      /* u unsigned, i signed, f floating, b bool; 0: values differ in size */
} type_row;

static const type_row types[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = {"u8", 1, 'u'},   [GGUF_I8] = {"i8", 1, 'i'},      [GGUF_U16] = {"u16", 2, 'u'},
    [GGUF_I16] = {"i16", 2, 'i'}, [GGUF_U32] = {"u32", 4, 'u'},    [GGUF_I32] = {"i32", 4, 'i'},
    [GGUF_F32] = {"f32", 4, 'f'}, [GGUF_BOOL] = {"bool", 1, 'b'},  [GGUF_TEXT] = {"text", 8, 0},
    [GGUF_U64] = {"u64", 8, 'u'}, [GGUF_ARRAY] = {"array", 12, 0}, [GGUF_I64] = {"i64", 8, 'i'},
    [GGUF_F64] = {"f64", 8, 'f'},
};

const char *lop_gguf_type_name(gguf_type type)
{
    return types[type].name;
}

/* How many bytes of a key a message shows, so that a long key does not push the rest of the sentence out. */
static int shown(lop_text key)
{
    return key.size < KEY_SHOWN ? (int)key.size : KEY_SHOWN;
}

static lop_status take_type(gguf_cursor *c, lop_text key, gguf_type *out)
{
    uint32_t number;
    LOP_TRY(lop_gguf_take_u32(c, "the type of a metadata value", &number));
    if (number >= GGUF_TYPE_COUNT)
        return LOP_FAIL(LOP_E_FORMAT, "%s: metadata %.*s has value type %" PRIu32 "; GGUF has types 0 to %d",
                        c->path, shown(key), key.at, number, GGUF_TYPE_COUNT - 1);
    *out = (gguf_type)number;
    return LOP_OK;
}

/* The element type and count of an array; a count that the rest of the file cannot hold is refused here, before
 * anything is counted or allocated by it. */
static lop_status take_array(gguf_cursor *c, lop_text key, gguf_type *element, uint64_t *count)
{
    LOP_TRY(take_type(c, key, element));
    LOP_TRY(lop_gguf_take_u64(c, "the length of an array", count));
    if (*count > (c->end - c->at) / types[*element].bytes)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: metadata %.*s is an array of %" PRIu64 " %s, more than the %" PRIu64
                        " bytes left in the file can hold",
                        c->path, shown(key), key.at, *count, types[*element].name, c->end - c->at);
    return LOP_OK;
}

/* Moves past `count` values of a type. Each turn consumes at least eight bytes, so the work is bounded by the file. */
static lop_status skip(gguf_cursor *c, lop_text key, gguf_type type, uint64_t count, int depth)
{
    const unsigned char *at;
    if (types[type].kind) return lop_gguf_take(c, count * types[type].bytes, "a metadata value", &at);
    if (type == GGUF_ARRAY && depth == DEPTH_MOST)
        return LOP_FAIL(LOP_E_FORMAT, "%s: metadata %.*s nests arrays more than %d deep", c->path, shown(key),
                        key.at, DEPTH_MOST);
    for (uint64_t i = 0; i < count; i++) {
        gguf_type element = GGUF_U8;
        uint64_t inner = 0;
        lop_text text;
        if (type == GGUF_TEXT) {
            LOP_TRY(lop_gguf_take_text(c, "a text in metadata", &text));
        } else {
            LOP_TRY(take_array(c, key, &element, &inner));
            LOP_TRY(skip(c, key, element, inner, depth + 1));
        }
    }
    return LOP_OK;
}

static lop_status take_value(gguf_cursor *c, gguf_entry *e)
{
    lop_text text;
    LOP_TRY(take_type(c, e->key, &e->type));
    e->element = e->type;
    e->count = 1;
    e->value = c->base + c->at;
    if (e->type == GGUF_TEXT) {
        LOP_TRY(lop_gguf_take_text(c, "a text in metadata", &text));
        e->at = (const unsigned char *)text.at;
        e->count = text.size;
        return LOP_OK;
    }
    if (e->type == GGUF_ARRAY) LOP_TRY(take_array(c, e->key, &e->element, &e->count));
    e->at = c->base + c->at;
    return skip(c, e->key, e->element, e->count, 1);
}

lop_status lop_gguf_take_entry(gguf_cursor *c, gguf_entry *out)
{
    LOP_TRY(lop_gguf_take_name(c, "a metadata key", KEY_MOST, &out->key));
    LOP_TRY(take_value(c, out));
    out->value_bytes = (size_t)(c->base + c->at - out->value);
    if (out->type == GGUF_BOOL && out->at[0] > 1)
        return LOP_FAIL(LOP_E_FORMAT, "%s: metadata %.*s is a bool of value %d; expected 0 or 1", c->path,
                        shown(out->key), out->key.at, out->at[0]);
    return LOP_OK;
}

bool lop_gguf_entry_uint(const gguf_entry *e, uint64_t *out)
{
    const type_row row = types[e->type];
    if (row.kind != 'u' && row.kind != 'i') return false;
    uint64_t bits = 0;
    memcpy(&bits, e->at, row.bytes);
    if (row.kind == 'i' && bits >> (8 * row.bytes - 1)) return false;
    *out = bits;
    return true;
}

bool lop_gguf_entry_uint_at(const gguf_entry *e, uint64_t index, uint64_t *out)
{
    const bool whole = e->element == GGUF_U32 || e->element == GGUF_I32;
    if (e->type != GGUF_ARRAY || !whole || index >= e->count) return false;
    const uint32_t bits = lop_gguf_load_u32(e->at + 4 * index);
    *out = bits;
    return e->element == GGUF_U32 || bits <= INT32_MAX;
}

bool lop_gguf_entry_real(const gguf_entry *e, double *out)
{
    float narrow;
    if (e->type == GGUF_F64) {
        memcpy(out, e->at, sizeof *out);
        return true;
    }
    if (e->type != GGUF_F32) return false;
    memcpy(&narrow, e->at, sizeof narrow);
    *out = (double)narrow;
    return true;
}
