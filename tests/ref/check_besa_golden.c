/* check_besa_golden.c - BESA's reference against what the authors' code logged on the shared models: errors and expected
 * sparsities of the first steps of block 0; with LOP_LONG=1 of all steps of all blocks, and what came out of them.
 *
 * The log is of floats. Doubles stay beside it to the end layer by layer; row by row one of thousands of counts may fall to
 * the other side of a whole number, and what follows is another path. To begin with s is so near its target that what a
 * float leaves of the difference weighs: the authors' penalty takes s as a float, and so must who follows them. With s in
 * doubles row 122 of gate_proj loses a weight less at step 14 of block 0, and the error is 1.2e-3 away before step 20. */
#include "tests/harness/shared_data.h"
#include "tests/ref/checks.h"
#include "tests/ref/ref_besa_block.h"
#include "tests/ref/ref_load.h"

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
} golden_run;

#define FILES(key) "golden/" key "_log.json", "golden/" key "_keepbits.u8"
static const golden_run runs[] = {
    {&llama, "row", FILES("llama_besa_row_50"), 1, 5.0, 0.995, FIRST, false},
    {&llama, "layer", FILES("llama_besa_layer_50"), 0, 0.05, 0.999, WINDOWS, false},
    {&llama, "row, s in doubles", FILES("llama_besa_row_50"), 1, 5.0, 0.995, 14, true},
    {&opt, "opt's layer", FILES("opt_besa_layer_50"), 0, 0.05, 0.999, WINDOWS, false},
};

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

/* How many keep bits of a block, next in the file, are others. */
static int64_t masks_differ(const golden_model *m, const ref_besa *b, FILE *file)
{
    int64_t other = 0;
    for (int i = 0; i < m->count; i++) {
        const ref_besa_linear *l = &b->linear[m->at[i].linear];
        uint8_t *keep = malloc((size_t)l->cols);
        assert_non_null(keep);
        for (int r = 0; r < l->rows; r++) {
            ref_besa_keep(l->cols, l->order + (int64_t)r * l->cols, l->count[r], keep);
            for (int c = 0; c < l->cols; c += 8) {
                const int byte = fgetc(file);
                assert_true(byte != EOF);
                for (int bit = 0; bit < 8; bit++) other += (byte >> (7 - bit) & 1) != keep[c + bit];
            }
        }
        free(keep);
    }
    return other;
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
    ref_besa_learn(&b, log);
    steps_check(run, block, log, ref_besa_steps(&b), json_object_get(golden, "steps"));
    if (is_long(run)) {
        sparsities_check(run->model, &b, json_object_get(golden, "final"));
        const int64_t other = masks_differ(run->model, &b, masks);
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
