/* gguf_put.c - numbers and texts appended as GGUF has them: little-endian, texts behind their length. */
#include "core/io/gguf_put.h"

lop_status lop_gguf_append_u32(lop_string *s, uint32_t value)
{
    return lop_string_add(s, (const char *)&value, sizeof value);
}

lop_status lop_gguf_append_u64(lop_string *s, uint64_t value)
{
    return lop_string_add(s, (const char *)&value, sizeof value);
}

lop_status lop_gguf_append_text(lop_string *s, lop_text text)
{
    LOP_TRY(lop_gguf_append_u64(s, text.size));
    return text.size > 0 ? lop_string_add(s, text.at, text.size) : LOP_OK;
}

static lop_status add_key(gguf_metadata *m, lop_text key, gguf_type type)
{
    m->count++;
    LOP_TRY(lop_gguf_append_text(&m->bytes, key));
    return lop_gguf_append_u32(&m->bytes, (uint32_t)type);
}

static lop_status add_array(gguf_metadata *m, const char *key, gguf_type element, uint64_t count)
{
    LOP_TRY(add_key(m, lop_text_of(key), GGUF_ARRAY));
    LOP_TRY(lop_gguf_append_u32(&m->bytes, (uint32_t)element));
    return lop_gguf_append_u64(&m->bytes, count);
}

lop_status lop_gguf_put_u32(gguf_metadata *m, const char *key, uint32_t value)
{
    LOP_TRY(add_key(m, lop_text_of(key), GGUF_U32));
    return lop_gguf_append_u32(&m->bytes, value);
}

lop_status lop_gguf_put_f32(gguf_metadata *m, const char *key, float value)
{
    LOP_TRY(add_key(m, lop_text_of(key), GGUF_F32));
    return lop_string_add(&m->bytes, (const char *)&value, sizeof value);
}

lop_status lop_gguf_put_flag(gguf_metadata *m, const char *key, bool value)
{
    LOP_TRY(add_key(m, lop_text_of(key), GGUF_BOOL));
    return lop_string_add(&m->bytes, value ? "\1" : "\0", 1);
}

lop_status lop_gguf_put_text(gguf_metadata *m, const char *key, lop_text value)
{
    LOP_TRY(add_key(m, lop_text_of(key), GGUF_TEXT));
    return lop_gguf_append_text(&m->bytes, value);
}

lop_status lop_gguf_put_texts(gguf_metadata *m, const char *key, const lop_text *at, int32_t count)
{
    LOP_TRY(add_array(m, key, GGUF_TEXT, (uint64_t)count));
    for (int32_t i = 0; i < count; i++) LOP_TRY(lop_gguf_append_text(&m->bytes, at[i]));
    return LOP_OK;
}

lop_status lop_gguf_put_words(gguf_metadata *m, const char *key, gguf_type element, const void *at,
                              int32_t count)
{
    LOP_TRY(add_array(m, key, element, (uint64_t)count));
    return lop_string_add(&m->bytes, at, (size_t)count * 4);
}

lop_status lop_gguf_put_entry(gguf_metadata *m, const gguf_entry *e)
{
    LOP_TRY(add_key(m, e->key, e->type));
    return lop_string_add(&m->bytes, (const char *)e->value, e->value_bytes);
}
