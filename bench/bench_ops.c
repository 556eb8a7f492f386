/* bench_ops.c - lop bench ops: one line for each operation, word and length of rows, behind a line of the roofs. Operands
 * are rotated, so that the caches hold nothing of the turn before. */
#include "bench/line.h"
#include "bench/ops_cases.h"
#include "bench/roof.h"
#include "core/base/text.h"

#include <string.h>

enum {
    SETS_LEAST = 2,
    SETS_MOST = 8,
    ROOF_REPS = 3,
    LIST_MOST = 8,
    ROWS_ACCELERATOR = 16384,
    COLS_STEP = 64
};
#define ROTATED_BYTES ((size_t)256 << 20) /* between two uses of one operand: beyond any last-level cache */
#define SECONDS       0.5                 /* of one operation */

typedef struct ops_bench {
    bench *b;
    int32_t rows, cols[LIST_MOST];
    lop_type words[LIST_MOST];
    int cols_count, word_count;
    bench_roofs roofs;
    lop_arena *arena;
    ops_set sets[SETS_MOST];
    int set_count;
    bool first; /* of the widths of a word */
    const ops_case *at;
    int lines;
} ops_bench;

/* ---- what is asked for */

static lop_status read_cols(const char *text, size_t size, void *out)
{
    int32_t *cols = out;
    char number[16] = "";
    int64_t n = 0;
    if (size < sizeof number) memcpy(number, text, size);
    if (lop_parse_int(number, &n) != LOP_OK || n < OPS_TOKENS || n > 65536 || n % COLS_STEP != 0)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "--cols has \"%.*s\": expected multiples of %d from %d to 65536, parted by commas",
                        (int)size, text, COLS_STEP, OPS_TOKENS);
    *cols = (int32_t)n;
    return LOP_OK;
}

static lop_status read_word(const char *text, size_t size, void *out)
{
    lop_type *word = out;
    for (int t = 0; t < 3; t++) {
        *word = (lop_type)t;
        if (lop_text_is((lop_text){text, size}, lop_type_name(*word))) return LOP_OK;
    }
    return LOP_FAIL(LOP_E_ARGUMENT, "--word has \"%.*s\": expected f32, f16 or bf16, parted by commas",
                    (int)size, text);
}

/* Reads a list parted by commas into `out`, an array of LIST_MOST elements of `size` bytes. */
static lop_status read_list(const bench *b, const char *name, size_t size,
                            lop_status (*read)(const char *text, size_t n, void *out), void *out, int *count)
{
    const char *at = lop_settings_text(&b->settings, name);
    for (*count = 0;; *count += 1) {
        const size_t n = strcspn(at, ",");
        if (*count == LIST_MOST) return LOP_FAIL(LOP_E_ARGUMENT, "--%s lists more than %d", name, LIST_MOST);
        LOP_TRY(read(at, n, (char *)out + (size_t)*count * size));
        if (at[n] == '\0') break;
        at += n + 1;
    }
    *count += 1;
    return LOP_OK;
}

static lop_status read_call(ops_bench *o)
{
    const lop_settings *s = &o->b->settings;
    o->rows = o->b->device->accelerator ? ROWS_ACCELERATOR : OPS_TOKENS;
    if (lop_settings_given(s, "rows")) o->rows = (int32_t)lop_settings_int(s, "rows");
    if (o->rows % OPS_TOKENS != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "--rows is %d: expected a multiple of %d", o->rows, OPS_TOKENS);
    LOP_TRY(read_list(o->b, "cols", sizeof o->cols[0], read_cols, o->cols, &o->cols_count));
    return read_list(o->b, "word", sizeof o->words[0], read_word, o->words, &o->word_count);
}

/* ---- timing */

static lop_status place_sets(ops_bench *o, int32_t C, lop_type word)
{
    const size_t operand = (size_t)o->rows * (size_t)C * lop_type_bytes(word);
    const size_t wanted = (ROTATED_BYTES + operand - 1) / operand;
    o->set_count = wanted < SETS_LEAST ? SETS_LEAST : wanted > SETS_MOST ? SETS_MOST : (int)wanted;
    for (int i = 0; i < o->set_count; i++)
        LOP_TRY(ops_set_open(&o->b->queue, o->arena, o->rows, C, word, 97u + 16u * (uint32_t)i, &o->sets[i]));
    return LOP_OK;
}

static lop_status run_case(void *user, lop_queue *q, int turn)
{
    const ops_bench *o = user;
    return o->at->run(q, &o->sets[turn % o->set_count]);
}

static bool has_word(const ops_bench *o, lop_type word)
{
    const bool product = (o->b->device->product_types >> word & 1u) != 0;
    switch (o->at->words) {
    case OPS_EVERY:
        return true;
    case OPS_F32:
        return word == LOP_F32;
    case OPS_HALVES:
        return word != LOP_F32;
    case OPS_PRODUCT:
        return product;
    case OPS_SQUARE:
        return word == LOP_F32 && o->first;
    case OPS_GRAM:
        return product && o->first;
    case OPS_OF_LOGITS:
        return word == LOP_F32 && o->first;
    }
    return false;
}

static lop_status time_case(ops_bench *o, int32_t C, lop_type word)
{
    const bool square = o->at->words == OPS_SQUARE || o->at->words == OPS_GRAM;
    const bool product = square || o->at->words == OPS_PRODUCT; /* others have the roof of copies alone */
    const bool logits = o->at->words == OPS_OF_LOGITS;
    const int32_t rows = product ? OPS_TOKENS : logits ? OPS_LOGITS : o->rows;
    const int32_t cols = square ? OPS_TOKENS : logits ? OPS_RATES : C;
    const double elements = (double)rows * cols;
    const double each = o->at->word * (double)lop_type_bytes(word) + o->at->plain;
    bench_line line = {.name = o->at->name,
                       .word = lop_type_name(word),
                       .shape = {rows, cols},
                       .shape_rank = 2,
                       .bytes = each * elements,
                       .flops = o->at->flops_each * elements,
                       .copy_gbps = o->roofs.copy_gbps,
                       .gemm_gflops = product ? o->roofs.gemm_gflops[word] : 0.0};
    const lop_status status =
        bench_time(&o->b->queue, bench_reps(o->b, 0), SECONDS, run_case, o, &line.stats);
    if (status != LOP_OK) {
        lop_note("while timing %s", o->at->name);
        return status;
    }
    o->lines++;
    return bench_line_print(o->b, &line);
}

static lop_status time_list(ops_bench *o, const ops_list *list, int32_t C, lop_type word)
{
    for (int i = 0; i < list->count; i++) {
        o->at = &list->at[i];
        if (has_word(o, word)) LOP_TRY(time_case(o, C, word));
    }
    return LOP_OK;
}

static lop_status time_width(ops_bench *o, int32_t C, lop_type word)
{
    lop_status status = LOP_OK;
    LOP_TRY(lop_arena_open(o->b->device, LOP_ON_DEVICE, 0, &o->arena));
    LOP_TRY_DONE(place_sets(o, C, word));
    LOP_TRY_DONE(time_list(o, &ops_cases, C, word));
    LOP_TRY_DONE(time_list(o, &ops_rows, C, word));
done:
    lop_arena_close(o->arena);
    o->arena = NULL;
    return status;
}

lop_status bench_ops(bench *b)
{
    ops_bench o = {.b = b};
    lop_status status = LOP_OK;
    LOP_TRY(read_call(&o));
    LOP_TRY(bench_roofs_open(&b->queue, &o.roofs));
    LOP_TRY_DONE(bench_roofs_all(&b->queue, ROOF_REPS, &o.roofs));
    LOP_TRY_DONE(bench_roofs_print(b, &o.roofs, false));
    bench_roofs_close(&o.roofs);
    for (int w = 0; w < o.word_count; w++)
        for (int i = 0; i < o.cols_count; i++) {
            o.first = i == 0;
            LOP_TRY_DONE(time_width(&o, o.cols[i], o.words[w]));
        }
    status = bench_lines_end(b, "ops", o.lines);
done:
    bench_roofs_close(&o.roofs);
    return status;
}
