/* harness.c - the loop over instances. */
#include "tests/harness/harness.h"
#include "tests/harness/compare.h"
#include "tests/harness/inputs.h"
#include "tests/harness/test_groups.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *harness_backend(int argc, char **argv)
{
    const char *named = getenv("LOP_TEST_BACKEND");
    if (argc > 1) return argv[1];
    return named != NULL && *named != '\0' ? named : "cpu";
}

lop_status harness_open(harness *h, const char *backend)
{
    memset(h, 0, sizeof *h);
    LOP_TRY(test_device_open(backend, &h->device));
    launch_counter_attach(&h->counter, &h->device);
    return lop_queue_open(&h->device, &h->queue);
}

void harness_close(harness *h)
{
    for (int i = 0; i < CASE_MATS; i++) view_close(&h->views[i]);
    lop_queue_close(&h->queue);
    lop_device_close(&h->device);
}

uint32_t harness_words(const harness *h, const op_case *c)
{
    return c->traits & CASE_PRODUCT ? c->words & h->device.product_types : c->words;
}

/* Sets h->why: what, then where. */
static bool failed(harness *h, const char *where, const char *what)
{
    snprintf(h->why, sizeof h->why, "%s\n    in %s", what, where);
    return false;
}

static bool result_check(harness *h, const case_data *data, int i, const char *where)
{
    char what[400];
    const view *v = &h->views[i];
    difference d;
    const int64_t red = view_red_changed(v);
    if (red >= 0) {
        snprintf(what, sizeof what, "matrix %d: byte %" PRId64 " outside the view was written", i, red);
        return failed(h, where, what);
    }
    const case_role role = data->mats[i].role;
    if (role == CASE_IN && !view_unchanged(v)) {
        snprintf(what, sizeof what, "matrix %d is an input and was written", i);
        return failed(h, where, what);
    }
    if (role == CASE_IN || role == CASE_SCRATCH || compare_view(v, &data->want[i], &d)) return true;
    snprintf(what, sizeof what, "matrix %d at (%d, %d): got %.9g, expected %.9g, off by %.3g, allowed %.3g",
             i, d.row, d.col, d.got, d.want, d.got - d.want, d.bound);
    return failed(h, where, what);
}

static lop_status once(harness *h, const op_case *c, const case_at *at, const case_data *data,
                       view_place place, uint8_t red)
{
    lop_mat m[CASE_MATS];
    LOP_TRY(case_put(h, data, place, red, m));
    LOP_TRY(c->call(&h->queue, at, m));
    LOP_TRY(lop_queue_wait(&h->queue));
    for (int i = 0; i < data->count; i++) {
        if (data->mats[i].role != CASE_ABSENT) LOP_TRY(view_fetch(&h->queue, &h->views[i]));
    }
    return LOP_OK;
}

/* The bytes of all outputs, packed, one after the other; the caller frees. */
static unsigned char *outputs(const harness *h, const case_data *data, size_t *size)
{
    unsigned char *out = NULL;
    *size = 0;
    for (int i = 0; i < data->count; i++) {
        const lop_mat m = h->views[i].mat;
        if (data->mats[i].role != CASE_OUT && data->mats[i].role != CASE_INOUT) continue;
        const size_t row = (size_t)m.cols * lop_type_bytes(m.type);
        out = realloc(out, *size + row * (size_t)m.rows + 1);
        if (out == NULL) exit(1);
        for (int32_t r = 0; r < m.rows; r++, *size += row)
            memcpy(out + *size, view_row(&h->views[i], r), row);
    }
    return out;
}

/* Twice, with all host threads and with one: neither they nor what lies around may show. */
static bool place_run(harness *h, const op_case *c, const case_at *at, const case_data *data,
                      view_place place, const char *where)
{
    static const uint8_t reds[2] = {0xff, 0x5a};
    unsigned char *bits[2] = {NULL, NULL};
    size_t size[2] = {0, 0};
    bool good = true;
    for (int k = 0; k < 2 && good; k++) {
        if (lop_device_threads(&h->device, k) != LOP_OK || once(h, c, at, data, place, reds[k]) != LOP_OK) {
            good = failed(h, where, lop_error());
            break;
        }
        for (int i = 0; i < data->count && good; i++) {
            if (data->mats[i].role != CASE_ABSENT) good = result_check(h, data, i, where);
        }
        bits[k] = outputs(h, data, &size[k]);
    }
    if (good && size[0] > 0 && memcmp(bits[0], bits[1], size[0]) != 0) {
        good = failed(h, where, "the same call gave other bits the second time, on one host thread");
    }
    free(bits[1]), free(bits[0]);
    return good;
}

/* Whether the sums of an instance may come out of matrix units. */
static bool sums_cut(const harness *h, const op_case *c, const case_at *at)
{
    return h->device.accelerator && (c->traits & CASE_PRODUCT) != 0 &&
           (at->word == LOP_F16 || at->word == LOP_BF16);
}

static bool instance_run(harness *h, const op_case *c, const case_at *at)
{
    char where[256];
    case_data data;
    bool good = true;
    case_describe(c, at, where, sizeof where - 16);
    const bool has = case_data_open(c, at, &data);
    if (has) h->instances++;
    for (int i = 0; has && i < data.count; i++) data.want[i].cut = sums_cut(h, c, at);
    for (int place = 0; place < VIEW_PLACES && has && good; place++) {
        good = place_run(h, c, at, &data, (view_place)place, where);
        if (!good) strncat(h->why, place == VIEW_ODD ? ", odd view" : ", aligned view", 15);
    }
    case_data_close(&data);
    return good;
}

/* What the kinds try does not depend on the size nor on the variant: all of them run on small instances of
 * the first variant, three on small ones of the others, and two on large ones. */
static bool kind_wanted(const op_case *c, const case_at *at)
{
    case_mat m[CASE_MATS] = {0};
    const int count = c->mats(at, m);
    int64_t elements = 0;
    for (int i = 0; i < count; i++) elements += (int64_t)m[i].rows * m[i].cols;
    if (!(c->kinds >> at->kind & 1u)) return false;
    if (at->kind == KIND_UNIFORM) return true;
    if (elements > 20000) return at->kind == KIND_FEW && at->variant == 0;
    return at->variant == 0 || at->kind == KIND_HEAVY || at->kind == KIND_FEW;
}

static bool shape_run(harness *h, const op_case *c, case_at *at)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        at->kind = (case_kind)kind;
        at->seed = (uint64_t)h->instances * 2654435761u + 1u;
        if (kind_wanted(c, at) && !instance_run(h, c, at)) return false;
    }
    return true;
}

bool harness_run(harness *h, const op_case *c)
{
    case_at at = {0};
    for (at.variant = 0; at.variant < c->variants; at.variant++) {
        for (int word = 0; word <= LOP_I64; word++) {
            if (!(harness_words(h, c) >> word & 1u)) continue;
            at.word = (lop_type)word;
            for (int s = 0; s < c->shapes->count; s++) {
                memcpy(at.d, c->shapes->at[s], sizeof at.d);
                if (!shape_run(h, c, &at)) return false;
            }
        }
    }
    return true;
}
