/* tokenizer.h - text to token ids and back: byte-pair encoding of both kinds (byte-level with split patterns;
 * SentencePiece-like with byte fallback), as tokenizer.json, vocab.json + merges.txt and GGUF metadata describe them.
 *
 * These are hostile-input parsers: a file that is not what it should be is LOP_E_FORMAT, a kind that is known and not
 * supported LOP_E_UNSUPPORTED, each with one sentence. A tokenizer is read-only once open. */
#ifndef LOP_CORE_IO_TOKENIZER_H
#define LOP_CORE_IO_TOKENIZER_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lop_tokenizer lop_tokenizer;

/* Token ids that grow. Zero-initialise; lop_ids_close frees. */
typedef struct lop_ids {
    int32_t *at;
    int64_t count, room;
} lop_ids;
LOP_CHECKED lop_status lop_ids_add(lop_ids *ids, const int32_t *at, int64_t count);
void lop_ids_close(lop_ids *ids);

/* From a model folder: tokenizer.json, else vocab.json + merges.txt (GPT-2's split, and the BOS rule that
 * tokenizer_config.json states). LOP_E_FILE if it has neither. */
LOP_CHECKED lop_status lop_tokenizer_open_folder(const char *folder, lop_tokenizer **out);
LOP_CHECKED lop_status lop_tokenizer_open_json(const char *path, lop_tokenizer **out);
LOP_CHECKED lop_status lop_tokenizer_open_merges(const char *vocab_path, const char *merges_path,
                                                 lop_tokenizer **out);

/* What GGUF metadata says of a tokenizer; all views belong to the caller and are copied. */
typedef struct lop_tokenizer_spec {
    lop_text model;         /* tokenizer.ggml.model: "gpt2" (byte-level) or "llama" (SentencePiece-like) */
    lop_text pre;           /* tokenizer.ggml.pre: "default", "llama-bpe", "smollm", "qwen2", "gpt-2", ... */
    const lop_text *tokens; /* count */
    const float *scores;    /* count, or NULL */
    const int32_t
        *types; /* count, or NULL: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte */
    int32_t count;
    const lop_text *merges; /* "left right" */
    int32_t merge_count;
    int32_t bos, eos, unknown, pad; /* -1: none */
    bool add_bos, add_eos, add_space_prefix;
    lop_text chat_template; /* empty: none */
} lop_tokenizer_spec;
LOP_CHECKED lop_status lop_tokenizer_open_spec(const lop_tokenizer_spec *spec, lop_tokenizer **out);

void lop_tokenizer_close(lop_tokenizer *t);

/* Appends the ids of a text (UTF-8, checked: LOP_E_FORMAT names the offset of the first bad byte); `special` adds what
 * the file's template adds (BOS, EOS). Added tokens that stand in the text become their ids, as the files say. */
LOP_CHECKED lop_status lop_tokenizer_encode(const lop_tokenizer *t, lop_text text, bool special,
                                            lop_ids *out);

/* Appends the ids that the file's template puts before a text: BOS, or none. */
LOP_CHECKED lop_status lop_tokenizer_begin(const lop_tokenizer *t, lop_ids *out);

/* Appends the text of ids; special tokens are left out. Bytes that are no UTF-8 become U+FFFD. */
LOP_CHECKED lop_status lop_tokenizer_decode(const lop_tokenizer *t, const int32_t *ids, int64_t count,
                                            lop_string *out);

const char *lop_tokenizer_kind(const lop_tokenizer *t); /* "byte-level BPE", "SentencePiece-like BPE" */
int32_t lop_tokenizer_size(const lop_tokenizer *t);     /* largest id + 1 */
int32_t lop_tokenizer_bos(const lop_tokenizer *t);      /* -1: none */
int32_t lop_tokenizer_eos(const lop_tokenizer *t);      /* -1: none */

/* The template of chats that a folder has, in tokenizer_config.json or chat_template.jinja; of several the one called
 * "default". Nothing is added when there is none. */
LOP_CHECKED lop_status lop_tokenizer_chat_template(const char *folder, lop_string *out);

/* Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json into a folder, so that transformers'
 * AutoTokenizer gives the same ids. For tokenizers that came from GGUF. */
LOP_CHECKED lop_status lop_tokenizer_write(const lop_tokenizer *t, const char *folder);

#endif
