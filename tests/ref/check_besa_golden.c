/* check_besa_golden.c - BESA's reference against what the authors' code logged on the shared models: errors and expected
 * sparsities of the first steps of block 0; with LOP_LONG=1 of all steps of all blocks, and what came out of them.
 *
 * The log is of floats. Doubles stay beside it to the end layer by layer; row by row one of thousands of counts may fall to
 * the other side of a whole number, and what follows is another path. To begin with s is so near its target that what a
 * float leaves of the difference weighs: the authors' penalty takes s as a float, and so must who follows them. With s in
 * doubles row 122 of gate_proj loses a weight less at step 14 of block 0, and the error is 1.2e-3 away before step 20.
 *
 * Row by row the opt model has two more such places. Columns 44 and 122 of row 101 of block 0's k_proj have the same score
 * as a float; here the lower column goes first, in the log the other did. That alone puts the row 0.006 of a weight beside
 * theirs at step 17, across a whole number, and two weights of fc1 are others at the end. And their s is summed in floats,
 * up to two last places from ours. A block whose input differs by two weights has errors that differ by 1e-3 from its first
 * step, so each begins where the authors' masks lead. */
#include "tests/harness/shared_data.h"
#include "tests/ref/checks.h"
#include "tests/ref/ref_besa_block.h"
#include "tests/ref/ref_load.h"
#include "tests/ref/ref_prune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

enum { T = 256, WINDOWS = 64, FIRST = 20 };

/* A shared model, and its linears as the golden files name and order them. */
typedef struct golden_model {
    const char *path;
    int count;
    struct {
        ref_linear_name linear;
        const char *name;
    } at[REF_LINEARS];
} golden_model;

static const golden_model llama = {"data/models/TinyStories-656K",
                                   7,
                                   {{REF_Q, "self_attn.q_proj"},
                                    {REF_K, "self_attn.k_proj"},
                                    {REF_V, "self_attn.v_proj"},
                                    {REF_O, "self_attn.o_proj"},
                                    {REF_GATE, "mlp.gate_proj"},
                                    {REF_UP, "mlp.up_proj"},
                                    {REF_DOWN, "mlp.down_proj"}}};
static const golden_model opt = {"data/models/tiny-opt",
                                 6,
                                 {{REF_K, "self_attn.k_proj"},
                                  {REF_V, "self_attn.v_proj"},
                                  {REF_Q, "self_attn.q_proj"},
                                  {REF_O, "self_attn.out_proj"},
                                  {REF_UP, "fc1"},
                                  {REF_DOWN, "fc2"}}};

typedef struct golden_run {
    const golden_model *model;
    const char *name, *log, *masks;
    int group_rows;
    double d_coef, masks_equal; /* share of keep bits that must be equal */
    int beside;                 /* steps that floats cannot be told from */
    bool exact;                 /* s stays a double; never beyond the first steps */
    bool their_way; /* the tie as the authors had it, and every block begins where their masks lead */
} golden_run;

#define FILES(key) "golden/" key "_log.json", "golden/" key "_keepbits.u8"
static const golden_run runs[] = {
    {&llama, "row", FILES("llama_besa_row_50"), 1, 5.0, 0.995, FIRST, false, false},
    {&llama, "layer", FILES("llama_besa_layer_50"), 0, 0.05, 0.999, WINDOWS, false, false},
    {&llama, "row, s in doubles", FILES("llama_besa_row_50"), 1, 5.0, 0.995, 14, true, false},
    {&opt, "opt's layer", FILES("opt_besa_layer_50"), 0, 0.05, 0.999, WINDOWS, false, false},
    {&opt, "opt's row", FILES("opt_besa_row_50"), 1, 5.0, 0.995, 19, false, true},
};

/* Two weights of opt's block 0, row by row, that are next to each other in the order by column alone. */
enum { TIE_ROW = 101, TIE_PLACE = 68 };

static bool is_long(const golden_run *run)
{
    const char *wanted = getenv("LOP_LONG");
    return !run->exact && wanted != NULL && strcmp(wanted, "1") == 0;
}

static double number_at(const json_t *list, int i)
{
    const json_t *value = json_array_get(list, (size_t)i);
    assert_true(json_is_real(value));
    return json_real_value(value);
}

/* Largest differences over the steps [from, to): of errors, relative, and of sparsities. */
static ref_besa_step furthest(const ref_besa_step *log, const json_t *golden, int from, int to)
{
    ref_besa_step worst = {0.0, 0.0};
    for (int i = from; i < to; i++) {
        const json_t *step = json_array_get(golden, (size_t)i);
        worst.error = fmax(worst.error, fabs(log[i].error / number_at(step, 0) - 1.0));
        worst.sparsity = fmax(worst.sparsity, fabs(log[i].sparsity - number_at(step, 1)));
    }
    return worst;
}

static void steps_check(const golden_run *run, int block, const ref_besa_step *log, int steps,
                        const json_t *golden)
{
    const int beside = run->beside < steps ? run->beside : steps;
    const ref_besa_step first = furthest(log, golden, 0, beside), rest = furthest(log, golden, beside, steps);
    print_message("%s, block %d: errors off by %.2e in %d steps, sparsities by %.2e; then by %.2e, %.2e\n",
                  run->name, block, first.error, beside, first.sparsity, rest.error, rest.sparsity);
    assert_true(first.error < 1e-6 && first.sparsity < 1e-6);
    assert_true(fmax(first.error, rest.error) < 1e-2 && fmax(first.sparsity, rest.sparsity) < 1e-4);
}

static void sparsities_check(const golden_model *m, const ref_besa *b, const json_t *golden)
{
    for (int i = 0; i < m->count; i++) {
        const ref_besa_linear *l = &b->linear[m->at[i].linear];
        double sum = 0.0;
        for (int r = 0; r < l->rows; r++) sum += ref_besa_row_alpha(l, r);
        const double off = sum / l->rows - json_real_value(json_object_get(golden, m->at[i].name));
        print_message("    %-18s off by %+.2e\n", m->at[i].name, off);
        assert_true(fabs(off) < 2e-3);
    }
}

/* The next C keep bits of the file. */
static void keep_read(FILE *file, int C, uint8_t *keep)
{
    for (int c = 0; c < C; c += 8) {
        const int byte = fgetc(file);
        assert_true(byte != EOF);
        for (int bit = 0; bit < 8; bit++) keep[c + bit] = byte >> (7 - bit) & 1;
    }
}

/* How many keep bits of a linear, next in the file, are others; w, unless NULL, becomes what the file's leave of `dense`. */
static int64_t linear_differs(const ref_besa_linear *l, FILE *file, const double *dense, double *w)
{
    const int C = l->cols;
    uint8_t *keep = malloc((size_t)C), *theirs = malloc((size_t)C);
    int64_t other = 0;
    assert_true(keep != NULL && theirs != NULL);
    for (int64_t r = 0; r < l->rows; r++) {
        ref_besa_keep(C, l->order + r * C, l->count[r], keep);
        keep_read(file, C, theirs);
        for (int c = 0; c < C; c++) {
            other += keep[c] != theirs[c];
            if (w != NULL) w[r * C + c] = theirs[c] ? dense[r * C + c] : 0.0;
        }
    }
    free(theirs), free(keep);
    return other;
}

/* The same of a block, which becomes the file's if it is to go on their way. */
static int64_t masks_differ(const golden_run *run, ref_besa *b, FILE *file)
{
    int64_t other = 0;
    for (int i = 0; i < run->model->count; i++) {
        const ref_linear_name which = run->model->at[i].linear;
        double *w = run->their_way ? b->student.block[0].linear[which].w : NULL;
        other += linear_differs(&b->linear[which], file, b->dense->linear[which].w, w);
    }
    return other;
}

/* That the two scores are one float, and puts them into the authors' order. */
static void tie_turn(const ref_model *m, const double *x, ref_besa *b)
{
    const ref_besa_linear *l = &b->linear[REF_K];
    int32_t *order = l->order + (int64_t)TIE_ROW * l->cols + TIE_PLACE, columns[] = {order[0], order[1]};
    const double *w = b->dense->linear[REF_K].w + (int64_t)TIE_ROW * l->cols;
    const int64_t size = (int64_t)WINDOWS * T * m->hidden;
    double *y = ref_doubles(size), score[2];
    int widest = 0;
    memcpy(y, x, (size_t)size * sizeof *y);
    double *sums = ref_sum_sq(m, 0, WINDOWS, T, y, &widest);
    const double *sum_sq = sums + (int64_t)ref_place_of(REF_K) * widest;
    for (int i = 0; i < 2; i++) score[i] = fabs(w[columns[i]]) * sqrt(sum_sq[columns[i]]);
    print_message("    columns %d and %d score %.9f and %.9f\n", columns[0], columns[1], score[0], score[1]);
    assert_true((float)score[0] == (float)score[1]);
    order[0] = columns[1], order[1] = columns[0];
    free(sums), free(y);
}

static ref_besa_options options_of(const golden_run *run)
{
    return (ref_besa_options){.buckets = 100,
                              .group_rows = run->group_rows,
                              .map = REF_SOFTMAX_SIGMOID,
                              .target = 0.5,
                              .penalty = 5.0,
                              .float_sparsity = !run->exact,
                              .lr = 1.0,
                              .d_coef = run->d_coef,
                              .epochs = 1,
                              .batch = 1,
                              .stop = is_long(run) ? 0 : FIRST};
}

/* Learns a block and holds it against its part of the log; x (windows, T, C) becomes what the pruned block makes of it. */
static void block_check(const golden_run *run, const ref_model *m, int block, double *x, const json_t *golden,
                        FILE *masks)
{
    const ref_besa_options options = options_of(run);
    const ref_besa_data data = {WINDOWS, T, x, NULL};
    ref_besa_step log[WINDOWS];
    ref_besa b;
    ref_besa_open(&b, &options, m, block, &data);
    if (run->their_way && block == 0) tie_turn(m, x, &b);
    ref_besa_learn(&b, log);
    steps_check(run, block, log, ref_besa_steps(&b), json_object_get(golden, "steps"));
    if (is_long(run)) {
        sparsities_check(run->model, &b, json_object_get(golden, "final"));
        const int64_t other = masks_differ(run, &b, masks);
        print_message("    %lld of %lld keep bits are others\n", (long long)other, (long long)b.weights);
        assert_true((double)other <= (1.0 - run->masks_equal) * (double)b.weights);
        ref_block_forward_all(&b.student, 0, WINDOWS, T, x, NULL);
    }
    ref_besa_close(&b);
}

void golden_besa(void **state)
{
    const golden_run *run = &runs[(uintptr_t)*state];
    ref_loaded loaded;
    shared_need(run->log);
    assert_int_equal(ref_load(shared_path(run->model->path), &loaded), LOP_OK);
    const ref_model *m = &loaded.model;
    int32_t *ids = NULL;
    int64_t count = 0;
    assert_int_equal(ref_load_ids(shared_path("golden/calib_64x256.i32"), m->vocab, &ids, &count), LOP_OK);
    assert_int_equal(count, WINDOWS * T);
    double *x = ref_doubles(count * m->hidden);
    for (int i = 0; i < WINDOWS; i++) ref_embed(m, T, ids + (int64_t)i * T, x + (int64_t)i * T * m->hidden);
    json_error_t error;
    json_t *log = json_load_file(shared_path(run->log), JSON_REJECT_DUPLICATES, &error);
    FILE *masks = fopen(shared_path(run->masks), "rb");
    assert_non_null(log);
    assert_non_null(masks);
    for (int block = 0; block < (is_long(run) ? m->blocks : 1); block++)
        block_check(run, m, block, x, json_array_get(log, (size_t)block), masks);
    fclose(masks);
    json_decref(log);
    free(x), free(ids);
    ref_load_close(&loaded);
}
