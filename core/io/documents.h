/* documents.h - a text file as a list of documents: .txt is one, .jsonl one a line (a field of an object), .json a list of
 * strings. Internal to core/io; corpus.h is what others use. */
#ifndef LOP_CORE_IO_DOCUMENTS_H
#define LOP_CORE_IO_DOCUMENTS_H

#include "core/base/hash.h"
#include "core/base/status.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lop_documents {
    lop_text *at;
    int64_t count;
    bool whole;                   /* the file is one text, not a list */
    char *bytes;                  /* what `at` points into */
    char sha256[LOP_SHA256_TEXT]; /* of the file */
} lop_documents;

/* `field` is the key of .jsonl; NULL: "text". A .json file that begins with an object is read as .jsonl, as C4's is.
 * LOP_E_FILE; LOP_E_FORMAT: not UTF-8 (which byte), no JSON, no such field (which line); LOP_E_UNSUPPORTED: packed. */
LOP_CHECKED lop_status lop_documents_open(const char *path, const char *field, lop_documents *out);
void lop_documents_close(lop_documents *d);

#endif
