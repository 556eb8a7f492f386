/* refuse.c - what an operation must not take: every matrix of a call spoiled in turn. */
#include "tests/harness/harness.h"

#include <stdio.h>
#include <string.h>

typedef enum spoil { SPOIL_ROWS, SPOIL_COLS, SPOIL_TYPE, SPOIL_OVERLAP, SPOIL_COUNT } spoil;

/* Changes matrix i of the call; false if that would not make it wrong. */
static bool spoiled(const case_data *data, int i, spoil how, lop_mat *m)
{
    const case_mat *own = &data->mats[i];
    switch (how) {
    case SPOIL_ROWS:
        if (own->loose & LOOSE_ROWS || m[i].rows < 2) return false;
        m[i].rows--;
        return true;
    case SPOIL_COLS:
        if (own->loose & LOOSE_COLS || m[i].cols < 2) return false;
        m[i].cols--;
        return true;
    case SPOIL_TYPE:
        m[i].type = m[i].type == LOP_U8 ? LOP_I64 : LOP_U8;
        return true;
    case SPOIL_OVERLAP:
    case SPOIL_COUNT:
        break;
    }
    if (own->role == CASE_IN || own->role == CASE_ABSENT) return false;
    for (int j = 0; j < data->count; j++) {
        if (j == i || data->mats[j].role == CASE_ABSENT) continue;
        m[i].buf = m[j].buf;
        m[i].at = m[j].at * (int64_t)lop_type_bytes(m[j].type) / (int64_t)lop_type_bytes(m[i].type);
        return true;
    }
    return false;
}

/* How many shapes, "(4, 8)", a sentence shows. */
static int shapes_shown(const char *sentence)
{
    int count = 0, rows = 0, cols = 0;
    for (const char *at = strchr(sentence, '('); at != NULL; at = strchr(at + 1, '(')) {
        count += sscanf(at, "(%d, %d)", &rows, &cols) == 2;
    }
    return count;
}

/* Of a wrong type the sentence must show the type, of a wrong shape this shape and the one it does not go
 * with. */
static bool sentence_names(const char *sentence, lop_mat m, spoil how)
{
    if (how == SPOIL_TYPE) return strstr(sentence, lop_type_name(m.type)) != NULL;
    return shapes_shown(sentence) >= 2;
}

static bool spoil_run(harness *h, const op_case *c, const case_at *at, const case_data *data, int i,
                      spoil how)
{
    static const char *const words[SPOIL_COUNT] = {"one row less", "one column less", "another type",
                                                   "overlapping"};
    lop_mat m[CASE_MATS];
    const char *wrong = NULL;
    if (case_put(h, data, VIEW_ALIGNED, 0x5a, m) != LOP_OK) {
        snprintf(h->why, sizeof h->why, "%s", lop_error());
        return false;
    }
    if (c->traits & CASE_STEPS && how == SPOIL_OVERLAP)
        return true; /* two that overlap need not meet in one operation */
    if (m[i].buf == NULL || !spoiled(data, i, how, m)) return true;
    const int64_t before = h->counter.queued;
    const lop_status status = c->call(&h->queue, at, m);
    if (status != LOP_E_ARGUMENT) wrong = "was not refused";
    if (wrong == NULL && !(c->traits & CASE_STEPS) && h->counter.queued != before)
        wrong = "was refused but queued work";
    if (wrong == NULL && !sentence_names(lop_error(), m[i], how))
        wrong = "was refused without naming the shapes";
    if (wrong == NULL) return true;
    snprintf(h->why, sizeof h->why, "%s: matrix %d, %s, %s (%s: %s)", c->name, i, words[how], wrong,
             lop_status_name(status), lop_error());
    return false;
}

bool harness_refuse(harness *h, const op_case *c)
{
    case_at at = {.kind = KIND_UNIFORM, .seed = 1};
    if (c->traits & CASE_LAUNCH) return true;
    while (!(harness_words(h, c) >> at.word & 1u)) {
        if (at.word == LOP_I64) return true;
        at.word = (lop_type)(at.word + 1);
    }
    /* One shape that has rows and columns to take away is enough. */
    int s = 0;
    while (s + 1 < c->shapes->count && (c->shapes->at[s][0] < 3 || c->shapes->at[s][1] < 2)) s++;
    memcpy(at.d, c->shapes->at[s], sizeof at.d);
    case_data data;
    bool good = true;
    if (case_data_open(c, &at, &data)) {
        for (int i = 0; i < data.count * SPOIL_COUNT && good; i++) {
            good = spoil_run(h, c, &at, &data, i / SPOIL_COUNT, (spoil)(i % SPOIL_COUNT));
        }
    }
    case_data_close(&data);
    return good;
}
