/* requests.h - zero-shot sets: questions with several answers each, as log-likelihood requests, one JSON object a line:
 *
 *     {"doc_id": 7, "idx": 0, "label": 1, "request": {"context": "Question: ...\nAnswer:", "continuation": " a"}, ...}
 *
 * `doc_id` names the question, `idx` the answer (0, 1, ... without a gap), `label` the right one; other keys are let be.
 * A doc_id of 1,000,000 or more is an unconditional request, which is skipped. Blank lines are nothing. */
#ifndef LOP_CORE_IO_REQUESTS_H
#define LOP_CORE_IO_REQUESTS_H

#include "core/base/hash.h"
#include "core/base/status.h"
#include "core/base/text.h"

#include <stdint.h>

#define LOP_REQUESTS_UNCONDITIONAL 1000000 /* the first doc_id that is one */

typedef struct lop_request {
    lop_text context,
        continuation;      /* equal contexts of neighbouring lines are one view; no continuation is empty */
    int64_t question;      /* doc_id */
    int32_t answer, label; /* idx; the right one's */
    int64_t line;          /* of the file, from 1 */
} lop_request;

typedef struct lop_requests {
    lop_request *at; /* by question, then answer */
    int64_t count, questions;
    int64_t unconditional;        /* requests that were skipped */
    char *texts;                  /* what the views point into */
    char sha256[LOP_SHA256_TEXT]; /* of the file as it lies there */
} lop_requests;

/* LOP_E_FILE, LOP_E_FORMAT: what lines.h refuses, no JSON, missing keys, a question whose labels differ or name none of
 * its answers, an answer that is there twice or not at all. The sentence names the line. */
LOP_CHECKED lop_status lop_requests_open(const char *path, lop_requests *out);
void lop_requests_close(lop_requests *r);

#endif
