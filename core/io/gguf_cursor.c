/* gguf_cursor.c - checked reads from the beginning of a GGUF file. */
#include "core/io/gguf_cursor.h"

#include <inttypes.h>
#include <string.h>

uint32_t lop_gguf_load_u32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

uint64_t lop_gguf_load_u64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

lop_status lop_gguf_take(gguf_cursor *c, uint64_t bytes, const char *what, const unsigned char **out)
{
    if (bytes > c->end - c->at)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: %s at byte %" PRIu64 " takes %" PRIu64
                        " bytes, but the file ends at byte %" PRIu64 ": it is cut short or damaged",
                        c->path, what, c->at, bytes, c->end);
    if (bytes > c->have - c->at) {
        c->wanted = c->at + bytes;
        return LOP_FAIL(LOP_E_FORMAT, "%s: %s at byte %" PRIu64 " ends beyond the header that is in memory",
                        c->path, what, c->at);
    }
    *out = c->base + c->at;
    c->at += bytes;
    return LOP_OK;
}

lop_status lop_gguf_take_u32(gguf_cursor *c, const char *what, uint32_t *out)
{
    const unsigned char *at = c->base + c->at;
    LOP_TRY(lop_gguf_take(c, sizeof *out, what, &at));
    *out = lop_gguf_load_u32(at);
    return LOP_OK;
}

lop_status lop_gguf_take_u64(gguf_cursor *c, const char *what, uint64_t *out)
{
    const unsigned char *at = c->base + c->at;
    LOP_TRY(lop_gguf_take(c, sizeof *out, what, &at));
    *out = lop_gguf_load_u64(at);
    return LOP_OK;
}

lop_status lop_gguf_take_text(gguf_cursor *c, const char *what, lop_text *out)
{
    uint64_t size;
    const unsigned char *at = NULL;
    LOP_TRY(lop_gguf_take_u64(c, what, &size));
    LOP_TRY(lop_gguf_take(c, size, what, &at));
    *out = (lop_text){(const char *)at, (size_t)size};
    return LOP_OK;
}

lop_status lop_gguf_take_name(gguf_cursor *c, const char *what, uint64_t most, lop_text *out)
{
    const uint64_t start = c->at;
    LOP_TRY(lop_gguf_take_text(c, what, out));
    bool printable = lop_utf8_valid(out->at, out->size, NULL);
    for (size_t i = 0; i < out->size; i++)
        printable &= (unsigned char)out->at[i] >= ' ' && out->at[i] != 0x7f;
    if (out->size >= 1 && out->size <= most && printable) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT,
                    "%s: %s at byte %" PRIu64 " has %zu bytes%s; expected 1 to %" PRIu64
                    " printable characters",
                    c->path, what, start, out->size, printable ? "" : ", not all of them printable", most);
}
