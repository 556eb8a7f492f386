/* journal.c - lines read back after a crash, and lines written so that they survive one. */
#include "core/io/journal.h"

#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

#define JOURNAL_BYTES_MOST ((uint64_t)256 << 20)

/* ---- reading */

/* LINE stands between the only `,"done":` that follows a list of numbers and the last brace. */
static lop_status take_done(lop_journal *j, json_t *tensors, const char *line, size_t size)
{
    static const char mark[] = ",\"done\":";
    const char *found = memmem(line, size, mark, sizeof mark - 1);
    if (found == NULL || !json_is_array(tensors))
        return LOP_FAIL(LOP_E_FORMAT, "a line of %s is damaged", j->path);
    if (j->count == j->room) {
        const int32_t room = j->room ? 2 * j->room : 64;
        LOP_TRY(lop_realloc((size_t)room, sizeof *j->unit, &j->unit));
        j->room = room;
    }
    found += sizeof mark - 1;
    LOP_TRY(lop_memdup_text(found, (size_t)(line + size - 1 - found), &j->unit[j->count].line));
    j->unit[j->count++].tensors = json_incref(tensors);
    return LOP_OK;
}

static lop_status take_line(lop_journal *j, json_t *root, const char *line, size_t size)
{
    if (json_object_get(root, "begin")) {
        json_decref(j->begin);
        j->begin = json_incref(root);
        return LOP_OK;
    }
    if (json_object_get(root, "publish")) {
        json_decref(j->publish);
        j->publish = json_incref(root);
        return LOP_OK;
    }
    return take_done(j, json_object_get(root, "tensors"), line, size);
}

/* *good receives where the last line ends that can be relied on. */
static lop_status read_lines(lop_journal *j, const char *text, size_t size, size_t *good)
{
    *good = 0;
    while (*good < size) {
        const char *line = text + *good, *end = memchr(line, '\n', size - *good);
        if (end == NULL) return LOP_OK;
        const size_t n = (size_t)(end - line);
        const bool last = *good + n + 1 == size;
        json_t *root = NULL;
        lop_status status = lop_json_parse(line, n, &root);
        if (status == LOP_OK) status = take_line(j, root, line, n);
        lop_json_close(root);
        if (status == LOP_E_FORMAT && last) {
            lop_error_clear();
            return LOP_OK;
        }
        if (status != LOP_OK) {
            lop_note("in %s", j->path);
            return status;
        }
        *good += n + 1;
    }
    return LOP_OK;
}

lop_status lop_journal_open(const char *path, lop_journal *out)
{
    *out = (lop_journal){0};
    char *text = NULL;
    size_t size = 0, good = 0;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_strdup(path, &out->path));
    if (!lop_path_is_file(path)) goto done;
    LOP_TRY_DONE(lop_file_read(path, JOURNAL_BYTES_MOST, &text, &size));
    LOP_TRY_DONE(read_lines(out, text, size, &good));
    if (good < size) LOP_TRY_DONE(lop_file_write_atomic(path, text, good));
done:
    lop_free(text);
    if (status != LOP_OK) lop_journal_close(out);
    return status;
}

void lop_journal_close(lop_journal *j)
{
    if (j == NULL) return;
    for (int32_t i = 0; i < j->count; i++) {
        lop_free(j->unit[i].line);
        json_decref(j->unit[i].tensors);
    }
    lop_free(j->unit);
    json_decref(j->begin);
    json_decref(j->publish);
    lop_free(j->path);
    *j = (lop_journal){0};
}

/* ---- comparing */

static void print_value(const json_t *value, char out[64])
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    (void)snprintf(out, 64, "%s", text ? text : "nothing");
    free(text);
}

/* Finds the first key whose values differ; objects inside are looked into. True if there is one. */
static bool find_difference(const json_t *was, const json_t *is, const char *inside, char *sentence,
                            size_t room)
{
    const json_t *const sides[2] = {was, is};
    for (int s = 0; s < 2; s++) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)sides[s], key, value)
        {
            const json_t *a = json_object_get(was, key), *b = json_object_get(is, key);
            if (a && b && json_equal(a, b)) continue;
            if (inside == NULL && json_is_object(a) && json_is_object(b) &&
                find_difference(a, b, key, sentence, room))
                return true;
            char old[64], now[64];
            print_value(a, old);
            print_value(b, now);
            (void)snprintf(sentence, room, "%s%s%s was %s and is now %s", inside ? inside : "",
                           inside ? "." : "", key, old, now);
            return true;
        }
    }
    return false;
}

lop_status lop_journal_match(const lop_journal *j, const char *fingerprint, const char *layout)
{
    char sentence[320];
    json_t *is = NULL;
    LOP_TRY(lop_json_parse(fingerprint, strlen(fingerprint), &is));
    lop_status status = LOP_OK;
    const char *old_layout = json_string_value(json_object_get(j->begin, "layout"));
    if (find_difference(json_object_get(j->begin, "begin"), is, NULL, sentence, sizeof sentence))
        status = LOP_FAIL(
            LOP_E_ARGUMENT,
            "the started run cannot be resumed: %s; give what it had, or start again with --force", sentence);
    else if (old_layout == NULL || strcmp(old_layout, layout) != 0)
        status = LOP_FAIL(LOP_E_ARGUMENT,
                          "the started run cannot be resumed: the model's tensors are not the same; give "
                          "the same model, or start again with --force");
    lop_json_close(is);
    return status;
}

/* ---- writing */

static bool is_one_object(const char *text)
{
    json_t *root = NULL;
    if (strchr(text, '\n') || strchr(text, '\r')) return false;
    const bool right = lop_json_parse(text, strlen(text), &root) == LOP_OK && json_is_object(root);
    lop_json_close(root);
    return right;
}

/* The line as the reader will see it is what this process goes on with. */
static lop_status append(lop_journal *j, const lop_string *line)
{
    json_t *root = NULL;
    LOP_TRY(lop_json_parse(line->at, line->size, &root));
    lop_status status = lop_file_append_synced(j->path, line->at);
    if (status == LOP_OK) status = take_line(j, root, line->at, line->size);
    lop_json_close(root);
    return status;
}

lop_status lop_journal_begin(lop_journal *j, const char *fingerprint, const char *layout)
{
    if (!is_one_object(fingerprint))
        return LOP_FAIL(LOP_E_ARGUMENT, "a fingerprint is one JSON object on one line, got %.60s",
                        fingerprint);
    lop_string line = {0};
    lop_status status = lop_string_print(&line, "{\"begin\":%s,\"layout\":\"%s\"}", fingerprint, layout);
    if (status == LOP_OK) status = append(j, &line);
    lop_string_close(&line);
    return status;
}

lop_status lop_journal_add(lop_journal *j, const int32_t *tensors, int32_t count, const char *text)
{
    if (!is_one_object(text))
        return LOP_FAIL(LOP_E_ARGUMENT, "a journal line is one JSON object on one line, got %.60s", text);
    lop_string line = {0};
    lop_status status = lop_string_print(&line, "{\"tensors\":[");
    for (int32_t i = 0; status == LOP_OK && i < count; i++)
        status = lop_string_print(&line, "%s%d", i ? "," : "", tensors[i]);
    if (status == LOP_OK) status = lop_string_print(&line, "],\"done\":%s}", text);
    if (status == LOP_OK) status = append(j, &line);
    lop_string_close(&line);
    return status;
}

static lop_status add_names(lop_string *line, const lop_names *names)
{
    for (int i = 0; i < names->count; i++) {
        if (i) LOP_TRY(lop_string_add(line, ",", 1));
        LOP_TRY(lop_string_add_json(line, names->at[i], strlen(names->at[i])));
    }
    return LOP_OK;
}

lop_status lop_journal_publish(lop_journal *j, const lop_names *remove, const lop_names *publish)
{
    lop_string line = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_string_print(&line, "{\"remove\":["));
    LOP_TRY_DONE(add_names(&line, remove));
    LOP_TRY_DONE(lop_string_print(&line, "],\"publish\":["));
    LOP_TRY_DONE(add_names(&line, publish));
    LOP_TRY_DONE(lop_string_print(&line, "]}"));
    LOP_TRY_DONE(append(j, &line));
done:
    lop_string_close(&line);
    return status;
}
