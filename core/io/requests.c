/* requests.c - zero-shot sets read line by line, put in order by question and answer, and held against what a question
 * must be. */
#include "core/io/requests.h"

#include "core/base/memory.h"
#include "core/io/json.h"
#include "core/io/lines.h"

#include <stdlib.h>
#include <string.h>

#define ID_MOST     ((int64_t)1 << 53)
#define ANSWER_MOST 1000000

/* A request whose texts are places: they become views when all are there, since the text moves as it grows. */
typedef struct place {
    size_t at, size;
} place;
typedef struct entry {
    lop_request request;
    place context, continuation;
} entry;
typedef struct gathered {
    lop_string text;
    entry *at;
    int64_t count, room, unconditional;
} gathered;

static bool is_blank(lop_text line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r') return false;
    return true;
}

/* ---- a line */

static lop_status need_int(const json_t *root, const char *key, int64_t most, int64_t *out)
{
    LOP_TRY(lop_json_need(root, key));
    return lop_json_int(root, key, 0, most, out);
}

static lop_status need_text(const json_t *request, const char *key, lop_text *out)
{
    LOP_TRY(lop_json_need(request, key));
    return lop_json_text(request, key, out);
}

static lop_status keep_text(gathered *g, lop_text text, place *out)
{
    *out = (place){g->text.size, text.size};
    return lop_string_add(&g->text, text.at, text.size);
}

/* The context of a question's answers is kept once. */
static lop_status keep_context(gathered *g, lop_text text, place *out)
{
    if (g->count > 0) {
        const place last = g->at[g->count - 1].context;
        *out = last;
        if (lop_text_equal(text, (lop_text){g->text.at + last.at, last.size})) return LOP_OK;
    }
    return keep_text(g, text, out);
}

static lop_status add_entry(gathered *g, const json_t *root, entry *e)
{
    int64_t answer = 0, label = 0;
    json_t *request = NULL;
    lop_text context = {0}, continuation = {0};
    LOP_TRY(need_int(root, "idx", ANSWER_MOST, &answer));
    LOP_TRY(need_int(root, "label", ANSWER_MOST, &label));
    LOP_TRY(lop_json_need(root, "request"));
    LOP_TRY(lop_json_object(root, "request", &request));
    LOP_TRY(need_text(request, "context", &context));
    LOP_TRY(need_text(request, "continuation", &continuation));
    if (continuation.size == 0)
        return LOP_FAIL(LOP_E_FORMAT, "\"continuation\" is empty, expected the text of an answer");
    if (g->count == g->room) {
        const int64_t room = g->room ? 2 * g->room : 256;
        LOP_TRY(lop_realloc((size_t)room, sizeof *g->at, &g->at));
        g->room = room;
    }
    LOP_TRY(keep_context(g, context, &e->context));
    LOP_TRY(keep_text(g, continuation, &e->continuation));
    e->request.answer = (int32_t)answer;
    e->request.label = (int32_t)label;
    g->at[g->count++] = *e;
    return LOP_OK;
}

static lop_status read_line(gathered *g, lop_text line, int64_t number)
{
    entry e = {.request.line = number};
    json_t *root = NULL;
    lop_status status = LOP_OK;
    LOP_TRY(lop_json_parse(line.at, line.size, &root));
    if (!json_is_object(root))
        status = LOP_FAIL(LOP_E_FORMAT, "%s, expected an object with the keys doc_id, idx, request and label",
                          lop_json_kind(root));
    if (status == LOP_OK) status = need_int(root, "doc_id", ID_MOST, &e.request.question);
    if (status == LOP_OK && e.request.question >= LOP_REQUESTS_UNCONDITIONAL)
        g->unconditional++;
    else if (status == LOP_OK)
        status = add_entry(g, root, &e);
    lop_json_close(root);
    return status;
}

static lop_status read_lines(const char *path, gathered *g)
{
    lop_lines *lines = NULL;
    lop_text line = {0};
    bool more = true;
    lop_status status = lop_lines_open(path, &lines);
    while (status == LOP_OK && more) {
        status = lop_lines_next(lines, &line, &more);
        if (status != LOP_OK || !more || is_blank(line)) continue;
        status = read_line(g, line, lop_lines_number(lines));
        if (status != LOP_OK) lop_note("line %lld of %s", (long long)lop_lines_number(lines), path);
    }
    lop_lines_close(lines);
    return status;
}

/* ---- all of them */

static int by_answer(const void *a, const void *b)
{
    const lop_request *x = a, *y = b;
    if (x->question != y->question) return x->question < y->question ? -1 : 1;
    if (x->answer != y->answer) return x->answer < y->answer ? -1 : 1;
    return x->line < y->line ? -1 : 1;
}

static lop_status take_over(gathered *g, lop_requests *out)
{
    LOP_TRY(LOP_NEW(&out->at, g->count));
    for (int64_t i = 0; i < g->count; i++) {
        const entry *e = &g->at[i];
        out->at[i] = e->request;
        out->at[i].context = (lop_text){g->text.at + e->context.at, e->context.size};
        out->at[i].continuation = (lop_text){g->text.at + e->continuation.at, e->continuation.size};
    }
    out->count = g->count;
    out->unconditional = g->unconditional;
    out->texts = g->text.at;
    g->text = (lop_string){0};
    qsort(out->at, (size_t)out->count, sizeof *out->at, by_answer);
    return LOP_OK;
}

/* at[0 .. count): all requests of one question, in order. */
static lop_status check_question(const lop_request *at, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (i > 0 && at[i].answer == at[i - 1].answer)
            return LOP_FAIL(LOP_E_FORMAT, "line %lld: question %lld has its answer %d on line %lld already",
                            (long long)at[i].line, (long long)at[i].question, at[i].answer,
                            (long long)at[i - 1].line);
        if (at[i].answer != i)
            return LOP_FAIL(
                LOP_E_FORMAT,
                "line %lld: question %lld has an answer %d and no answer %lld; expected 0, 1, ... "
                "without a gap",
                (long long)at[i].line, (long long)at[i].question, at[i].answer, (long long)i);
        if (at[i].label != at[0].label)
            return LOP_FAIL(LOP_E_FORMAT,
                            "line %lld: the label of question %lld is %d, on line %lld it is %d",
                            (long long)at[i].line, (long long)at[i].question, at[i].label,
                            (long long)at[0].line, at[0].label);
    }
    if (count < 2)
        return LOP_FAIL(LOP_E_FORMAT, "line %lld: question %lld has one answer, expected at least two",
                        (long long)at->line, (long long)at->question);
    if (at->label >= count)
        return LOP_FAIL(LOP_E_FORMAT,
                        "line %lld: the label of question %lld is %d, expected one of its %lld "
                        "answers, 0 to %lld",
                        (long long)at->line, (long long)at->question, at->label, (long long)count,
                        (long long)count - 1);
    return LOP_OK;
}

static lop_status check_questions(const char *path, lop_requests *r)
{
    if (r->count == 0)
        return LOP_FAIL(LOP_E_FORMAT, "%s has no question (%lld unconditional requests)", path,
                        (long long)r->unconditional);
    for (int64_t first = 0, end = 0; first < r->count; first = end) {
        while (end < r->count && r->at[end].question == r->at[first].question) end++;
        const lop_status status = check_question(r->at + first, end - first);
        if (status != LOP_OK) {
            lop_note("in %s", path);
            return status;
        }
        r->questions++;
    }
    return LOP_OK;
}

lop_status lop_requests_open(const char *path, lop_requests *out)
{
    gathered g = {0};
    lop_status status;
    *out = (lop_requests){0};
    LOP_TRY_DONE(read_lines(path, &g));
    LOP_TRY_DONE(take_over(&g, out));
    LOP_TRY_DONE(check_questions(path, out));
    LOP_TRY_DONE(lop_sha256_files(&path, 1, NULL, out->sha256));
done:
    lop_string_close(&g.text);
    lop_free(g.at);
    if (status != LOP_OK) lop_requests_close(out);
    return status;
}

void lop_requests_close(lop_requests *r)
{
    if (r == NULL) return;
    lop_free(r->at);
    lop_free(r->texts);
    *r = (lop_requests){0};
}
