/* tokenizer_case.c - what the tests of tokenizers share. */
#include "tests/tokenizer/tokenizer_case.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/io/tokenizer_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

lop_string case_json(const char *text)
{
    lop_string out = {0};
    assert_ok(lop_string_add(&out, text, strlen(text)));
    for (size_t i = 0; i < out.size; i++)
        if (out.at[i] == '`') out.at[i] = '"';
    return out;
}

static char folder[64];

static void remove_folder(void)
{
    (void)!lop_folder_remove(folder);
}

const char *case_folder(void)
{
    if (folder[0] != '\0') return folder;
    (void)strcpy(folder, "/tmp/lop-tokenizer-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)atexit(remove_folder);
    return folder;
}

const char *case_file(const char *name, const char *bytes, size_t size)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ & 3];
    (void)snprintf(path, sizeof paths[0], "%s/%s", case_folder(), name);
    assert_ok(lop_file_write_atomic(path, bytes, size));
    return path;
}

lop_status case_open(lop_tokenizer **out, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    const int size = vasprintf(&text, format, args);
    va_end(args);
    assert_true(size >= 0);
    lop_string json = case_json(text);
    free(text);
    const char *path = case_file("tokenizer.json", json.at, json.size);
    lop_string_close(&json);
    return lop_tokenizer_open_json(path, out);
}

lop_status case_through_spec(const lop_tokenizer *t, lop_tokenizer **out)
{
    lop_made_spec made;
    *out = NULL;
    LOP_TRY(lop_made_spec_open(t, lop_tokenizer_size(t) + 3, -1, -1, &made));
    const lop_status status = lop_tokenizer_open_spec(&made.spec, out);
    lop_made_spec_close(&made);
    return status;
}

lop_ids case_encode(const lop_tokenizer *t, lop_text text)
{
    lop_ids ids = {0};
    assert_ok(lop_tokenizer_encode(t, text, true, &ids));
    return ids;
}

void case_ids(const lop_tokenizer *t, const char *text, bool special, const int32_t *ids, int64_t count)
{
    lop_ids got = {0};
    assert_ok(lop_tokenizer_encode(t, lop_text_of(text), special, &got));
    bool same = got.count == count;
    for (int64_t i = 0; same && i < count; i++) same = got.at[i] == ids[i];
    if (!same) {
        print_error("\"%s\" became", text);
        for (int64_t i = 0; i < got.count; i++) print_error(" %d", got.at[i]);
        print_error("\n");
    }
    lop_ids_close(&got);
    assert_true(same);
}

void case_sha256(const lop_ids *ids, char out[65])
{
    assert_ok(lop_sha256_memory(ids->at, (size_t)ids->count * sizeof *ids->at, out));
}
