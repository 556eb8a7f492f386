/* bench.h - `lop bench`, as the program sees it: what was typed in, JSON lines out.
 *
 * Inside this room: parts.h (what the benches share), timing.[ch] (fences and statistics), line.[ch] (JSON lines),
 * roof.[ch] (what this device can do at best), and one file per bench. */
#ifndef LOP_BENCH_BENCH_H
#define LOP_BENCH_BENCH_H

#include "include/lop.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct bench_call {
    lop_session *session;
    const char *const *words; /* what is no option: the bench, then its arguments */
    int word_count;
    const lop_setting *settings; /* of bench_options, of lop_prune, and of the method that they name */
    int setting_count;
    char *const *argv;
    int argc;
    bool json; /* every line gets an "event", and the last is a result */
    FILE *out;
} bench_call;

/* Runs one bench and prints one JSON object a line to call->out, and nothing else (without `json`, `roof` prints a
 * sentence). LOP_E_ARGUMENT: no such bench (the sentence lists them), an option that it does not read;
 * LOP_E_VERIFY: `diff` found a difference. */
lop_status bench_run(const bench_call *call);

/* The options of the benches; those of lop_prune come on top. */
const lop_option *bench_options(int *count);

#endif
