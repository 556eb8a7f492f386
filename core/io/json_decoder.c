/* json_decoder.c - the "decoder" of a tokenizer.json. */
#include "core/io/tokenizer_json.h"

#include "core/io/unicode.h"

static lop_status read_replace(const json_t *value, lop_decoder *out)
{
    lop_decode_step *step;
    lop_text content = {"", 0};
    LOP_TRY(lop_decoder_add(out, LOP_DECODE_REPLACE, &step));
    LOP_TRY(lop_json_pattern(value, &step->pattern));
    LOP_TRY(lop_json_text(value, "content", &content));
    return lop_string_add(&step->text, content.at, content.size);
}

static lop_status read_strip(const json_t *value, lop_decoder *out)
{
    lop_decode_step *step;
    lop_text content = {" ", 1};
    int64_t start = 0, stop = 0;
    LOP_TRY(lop_decoder_add(out, LOP_DECODE_STRIP, &step));
    LOP_TRY(lop_json_text(value, "content", &content));
    LOP_TRY(lop_json_int(value, "start", 0, INT32_MAX, &start));
    LOP_TRY(lop_json_int(value, "stop", 0, INT32_MAX, &stop));
    if (content.size == 0) return LOP_FAIL(LOP_E_FORMAT, "the \"content\" of a Strip decoder is empty");
    step->start = (int32_t)start;
    step->stop = (int32_t)stop;
    return lop_string_add(&step->text, content.at, content.size);
}

static lop_status read_metaspace(const json_t *value, lop_decoder *out)
{
    lop_decode_step *step;
    lop_text replacement = {LOP_METASPACE, sizeof LOP_METASPACE - 1}, scheme = {"always", 6};
    bool prefix_space = true;
    LOP_TRY(lop_json_text(value, "replacement", &replacement));
    LOP_TRY(lop_json_text(value, "prepend_scheme", &scheme));
    LOP_TRY(lop_json_flag(value, "add_prefix_space", &prefix_space));
    LOP_TRY(lop_decoder_add(out, LOP_DECODE_METASPACE, &step));
    step->prefix = prefix_space && !lop_text_is(scheme, "never");
    return lop_pattern_open(replacement, true, &step->pattern);
}

static lop_status read_sequence(const json_t *value, lop_decoder *out)
{
    json_t *list = NULL;
    LOP_TRY(lop_json_need(value, "decoders"));
    LOP_TRY(lop_json_array(value, "decoders", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        LOP_TRY(lop_json_decoder(json_array_get(list, i), out));
    return LOP_OK;
}

lop_status lop_json_decoder(const json_t *value, lop_decoder *out)
{
    if (value == NULL || json_is_null(value)) return LOP_OK;
    lop_decode_step *step;
    lop_text type = {"", 0};
    LOP_TRY(lop_json_type(value, "decoder", &type));
    if (lop_text_is(type, "ByteLevel")) return lop_decoder_add(out, LOP_DECODE_BYTE_LEVEL, &step);
    if (lop_text_is(type, "ByteFallback")) return lop_decoder_add(out, LOP_DECODE_BYTE_FALLBACK, &step);
    if (lop_text_is(type, "Fuse")) return lop_decoder_add(out, LOP_DECODE_FUSE, &step);
    if (lop_text_is(type, "Replace")) return read_replace(value, out);
    if (lop_text_is(type, "Strip")) return read_strip(value, out);
    if (lop_text_is(type, "Metaspace")) return read_metaspace(value, out);
    if (lop_text_is(type, "Sequence")) return read_sequence(value, out);
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the tokenizer's decoder is of type \"%.*s\"; known are ByteFallback, ByteLevel, Fuse, Metaspace, "
        "Replace, Strip and Sequence",
        (int)(type.size < 64 ? type.size : 64), type.at);
}
