/* corpus.h - calibration and evaluation text as windows of token ids.
 *
 * Files: .txt (one text), .jsonl (a field of each line's object) and .json (a list of strings) are tokenised document by
 * document with the model's BOS rule, in file order, into one stream of ids; .i32 is such a stream as raw little-endian
 * ids. Any other name is read as .txt.
 *
 * Failures are LOP_E_FILE, or LOP_E_FORMAT: not UTF-8 (which byte), ids outside the vocabulary (which, where), too few
 * tokens (how many there are, how many are needed). */
#ifndef LOP_CORE_IO_CORPUS_H
#define LOP_CORE_IO_CORPUS_H

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/io/tokenizer.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum lop_sampler {
    LOP_SAMPLER_STREAM, /* windows at offsets of the stream, drawn by Philox from the seed */
    LOP_SAMPLER_WANDA /* as the Python scripts of Wanda and SparseGPT draw: a document longer than the window, then an
                           offset in it, by Python's `random`; of a .txt only the offset, as they do for WikiText-2 */
} lop_sampler;

typedef struct lop_corpus_wish {
    const char *path;
    const char *text_field;         /* of .jsonl; NULL: "text" */
    const lop_tokenizer *tokenizer; /* not needed for .i32 */
    int32_t vocab;                  /* ids are in [0, vocab) */
    int32_t seqlen;                 /* ids of a window, >= 2 */
    int64_t windows;                /* how many; for lop_corpus_cut 0 means all there are */
    lop_sampler sampler;
    uint64_t seed; /* below 2^32 for LOP_SAMPLER_WANDA */
    lop_log *log;  /* told of text that repeats, and of progress; NULL: silent */
} lop_corpus_wish;

typedef struct lop_corpus {
    int32_t *ids; /* (windows, seqlen) */
    int64_t windows;
    int32_t seqlen;
    int64_t tokens, documents; /* read from the file (by LOP_SAMPLER_WANDA: of the documents it looked at) */
    int64_t overlapping;       /* windows that share ids with another one */
    int64_t same;              /* windows that are another one over again */
    double repeated; /* 0..1: part of the text that stands in the file more than once, by documents or, in a
                                     .txt, by lines */
    char sha256[LOP_SHA256_TEXT]; /* of the file */
} lop_corpus;

/* Windows for calibration: drawn by the sampler; of an .i32 the first ones, in order. */
LOP_CHECKED lop_status lop_corpus_draw(const lop_corpus_wish *wish, lop_corpus *out);

/* Windows for evaluation: in order, without overlap; ids at the end that fill no window are left out. */
LOP_CHECKED lop_status lop_corpus_cut(const lop_corpus_wish *wish, lop_corpus *out);

/* The whole stream: what `lop tokenize` writes. Of the wish, path, text_field, tokenizer, vocab and log count. The caller
 * closes *out. */
LOP_CHECKED lop_status lop_corpus_ids(const lop_corpus_wish *wish, lop_ids *out);

void lop_corpus_close(lop_corpus *c);

#endif
