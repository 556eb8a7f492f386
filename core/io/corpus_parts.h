/* corpus_parts.h - what corpus*.c share. Internal to core/io. */
#ifndef LOP_CORE_IO_CORPUS_PARTS_H
#define LOP_CORE_IO_CORPUS_PARTS_H

#include "core/io/corpus.h"
#include "core/io/documents.h"

/* Where a window was cut: ids [offset, offset + seqlen) of a document; of the stream, which is document 0. */
typedef struct lop_place {
    int64_t document, offset;
} lop_place;

/* Appends the ids of one text, each held against the vocabulary. */
LOP_CHECKED lop_status lop_corpus_encode(const lop_corpus_wish *wish, lop_text text, lop_ids *out);

/* Fills out->ids, tokens and documents, and places[windows], as the Python scripts draw (corpus_wanda.c). */
LOP_CHECKED lop_status lop_corpus_draw_wanda(const lop_corpus_wish *wish, const lop_documents *d,
                                             lop_place *places, lop_corpus *out);

/* Sets out->overlapping and same from the places, and says so (corpus_repeats.c). */
LOP_CHECKED lop_status lop_corpus_compare_places(const lop_corpus_wish *wish, const lop_place *places,
                                                 lop_corpus *out);

/* Sets out->repeated from the documents, and says so. */
LOP_CHECKED lop_status lop_corpus_find_repeats(const lop_corpus_wish *wish, const lop_documents *d,
                                               lop_corpus *out);

#endif
