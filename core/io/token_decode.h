/* token_decode.h - from token texts to text: the decoders of the Hugging Face `tokenizers` package, as steps that turn
 * one list of texts into another. */
#ifndef LOP_CORE_IO_TOKEN_DECODE_H
#define LOP_CORE_IO_TOKEN_DECODE_H

#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/pattern.h"

#include <stdbool.h>

#define LOP_DECODE_STEPS_MAX 16

typedef enum lop_decode_kind {
    LOP_DECODE_BYTE_LEVEL, /* characters of the byte alphabet become bytes; all texts become one */
    LOP_DECODE_REPLACE,    /* in each text */
    LOP_DECODE_BYTE_FALLBACK, /* runs of <0xNN> become what their bytes say, or U+FFFD each if that is no UTF-8 */
    LOP_DECODE_FUSE,          /* all texts become one */
    LOP_DECODE_STRIP,         /* at most so many of `text` at the start and the end of each text */
    LOP_DECODE_METASPACE      /* `text` becomes a blank; in the first text it vanishes if `prefix` */
} lop_decode_kind;

typedef struct lop_decode_step {
    lop_decode_kind kind;
    lop_pattern *pattern;
    lop_string text;
    int32_t start, stop;
    bool prefix;
} lop_decode_step;

/* Zero-initialise; lop_decoder_close frees. */
typedef struct lop_decoder {
    lop_decode_step steps[LOP_DECODE_STEPS_MAX];
    int count;
} lop_decoder;

LOP_CHECKED lop_status lop_decoder_add(lop_decoder *d, lop_decode_kind kind, lop_decode_step **out);
LOP_CHECKED lop_status lop_decoder_add_replace(lop_decoder *d, const char *from, const char *to);
void lop_decoder_close(lop_decoder *d);

/* Texts one after another; the i-th ends at ends[i]. Zero-initialise; lop_token_texts_close frees. */
typedef struct lop_token_texts {
    lop_string bytes;
    size_t *ends;
    size_t count, room;
} lop_token_texts;
LOP_CHECKED lop_status lop_token_texts_add(lop_token_texts *t, lop_text text);
void lop_token_texts_close(lop_token_texts *t);

/* Appends the text that the tokens' texts stand for; `texts` is used up. Bytes that are no UTF-8 become U+FFFD, one for
 * each longest start of a character, as Unicode recommends. */
LOP_CHECKED lop_status lop_decode_texts(const lop_decoder *d, lop_token_texts *texts, lop_string *out);

#endif
