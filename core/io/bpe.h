/* bpe.h - byte-pair encoding of one piece of text: its characters become symbols, and the merge of lowest rank is done,
 * leftmost first, until none is left (Sennrich et al. 2016; order of ties and of stale candidates as in the Hugging
 * Face `tokenizers` package, so that ids agree). O(n log n) for a piece of n characters. */
#ifndef LOP_CORE_IO_BPE_H
#define LOP_CORE_IO_BPE_H

#include "core/base/status.h"
#include "core/base/text.h"
#include "core/io/char_pairs.h"
#include "core/io/tokenizer.h"
#include "core/io/vocabulary.h"
#include "core/io/word_cache.h"

#include <stdbool.h>
#include <stdint.h>

#define LOP_BPE_DIRECT_CHARS 0x800

typedef struct lop_merge {
    int32_t left, right; /* left -1: a free slot */
    int32_t rank, id;
} lop_merge;

/* Zero-initialise, fill the vocabulary, set the flags, call lop_bpe_seal, then add the merges. */
typedef struct lop_bpe {
    lop_vocabulary vocabulary;
    lop_merge *merges; /* open addressing */
    uint32_t merge_slots, merge_count;
    lop_char_pairs joints; /* last character of a merge's left side, first of its right */
    int32_t unknown;       /* for characters without a token; -1: they vanish */
    bool fuse_unknown;     /* neighbouring unknown characters are one token */
    bool byte_fallback;    /* characters without a token become <0xNN> tokens, if all are there */
    bool ignore_merges;    /* a piece that is a token is that token */
    int32_t byte_ids[256];
    int32_t char_ids[LOP_BPE_DIRECT_CHARS];
} lop_bpe;

void lop_bpe_seal(lop_bpe *b);

/* left + right -> id at this rank; a pair that is there already gets the new rank. */
LOP_CHECKED lop_status lop_bpe_merge_add(lop_bpe *b, int32_t left, int32_t right, int32_t rank, int32_t id);

/* The same by texts: the tokens left, right and leftright must exist (LOP_E_FORMAT). */
LOP_CHECKED lop_status lop_bpe_merge_add_texts(lop_bpe *b, lop_text left, lop_text right, int32_t rank);

/* One line "left right" of a merges list. */
LOP_CHECKED lop_status lop_bpe_merge_add_line(lop_bpe *b, lop_text line, int32_t rank);
void lop_bpe_close(lop_bpe *b);

/* The merges in the order of a merges list, b->merge_count of them. The caller frees *out with lop_free. */
LOP_CHECKED lop_status lop_bpe_list(const lop_bpe *b, lop_merge **out);

typedef struct lop_bpe_symbol {
    int32_t id;         /* -1: merged into the one before */
    int32_t prev, next; /* -1: none */
} lop_bpe_symbol;

typedef struct lop_bpe_candidate {
    int32_t rank, at, id;
} lop_bpe_candidate;

/* Scratch of one encoding, reused from piece to piece. Zero-initialise; lop_bpe_run_close frees. */
typedef struct lop_bpe_run {
    lop_bpe_symbol *symbols;
    lop_bpe_candidate *heap;
    size_t symbol_room, heap_count;
    lop_word_cache cache;
} lop_bpe_run;

LOP_CHECKED lop_status lop_bpe_encode(const lop_bpe *b, lop_bpe_run *run, lop_text piece, lop_ids *out);
void lop_bpe_run_close(lop_bpe_run *run);

#endif
