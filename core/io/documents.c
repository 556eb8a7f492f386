/* documents.c - text files cut into documents. */
#include "core/io/documents.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/io/json.h"

#include <string.h>

#define TEXT_BYTES_MOST ((uint64_t)16 << 30)
#define LIST_BYTES_MOST ((uint64_t)1 << 30) /* a JSON list is held twice */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Documents gathered one behind the other; places become views when all are there, since the text moves as it grows. */
typedef struct gathered {
    lop_string text;
    size_t *ends;
    int64_t count, room;
} gathered;

static lop_status gather(gathered *g, const json_t *value, const char *what)
{
    lop_text text = {0};
    LOP_TRY(lop_json_value_text(value, what, &text));
    if (g->count == g->room) {
        const int64_t room = g->room ? 2 * g->room : 256;
        LOP_TRY(lop_realloc((size_t)room, sizeof *g->ends, &g->ends));
        g->room = room;
    }
    LOP_TRY(lop_string_add(&g->text, text.at, text.size));
    g->ends[g->count++] = g->text.size;
    return LOP_OK;
}

static lop_status give(gathered *g, lop_documents *out)
{
    LOP_TRY(LOP_NEW(&out->at, g->count));
    size_t begin = 0;
    for (int64_t i = 0; i < g->count; i++) {
        out->at[i] = (lop_text){g->text.at + begin, g->ends[i] - begin};
        begin = g->ends[i];
    }
    out->count = g->count;
    lop_free(out->bytes);
    out->bytes = g->text.at;
    g->text = (lop_string){0};
    return LOP_OK;
}

static bool is_blank(const char *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (at[i] != ' ' && at[i] != '\t' && at[i] != '\r') return false;
    return true;
}

static lop_status gather_line(gathered *g, const char *line, size_t size, const char *field)
{
    json_t *root = NULL;
    LOP_TRY(lop_json_parse(line, size, &root));
    lop_status status = LOP_OK;
    if (!json_is_object(root))
        status =
            LOP_FAIL(LOP_E_FORMAT, "%s, expected an object with the key \"%s\"", lop_json_kind(root), field);
    if (status == LOP_OK) status = lop_json_need(root, field);
    if (status == LOP_OK) status = gather(g, lop_json_find(root, field), field);
    lop_json_close(root);
    return status;
}

static lop_status read_lines(const char *path, const char *field, const char *text, size_t size, gathered *g)
{
    int64_t number = 1;
    for (size_t at = 0; at < size; number++) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - text) - at : size - at;
        const lop_status status = is_blank(text + at, n) ? LOP_OK : gather_line(g, text + at, n, field);
        if (status != LOP_OK) {
            lop_note("line %lld of %s", (long long)number, path);
            return status;
        }
        at += n + 1;
    }
    return LOP_OK;
}

static lop_status read_list(const char *path, const char *text, size_t size, gathered *g)
{
    if (size > LIST_BYTES_MOST)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s: a JSON list of %zu bytes; write it as .jsonl", path, size);
    json_t *root = NULL;
    lop_status status = lop_json_parse(text, size, &root);
    for (size_t i = 0; status == LOP_OK && i < json_array_size(root); i++)
        status = gather(g, json_array_get(root, i), "an entry of the list");
    if (status != LOP_OK) lop_note("in %s", path);
    lop_json_close(root);
    return status;
}

static lop_status take_whole(lop_documents *out, size_t size)
{
    LOP_TRY(LOP_NEW(&out->at, 1));
    out->at[0] = (lop_text){out->bytes, size};
    out->count = 1;
    out->whole = true;
    return LOP_OK;
}

static char first_mark(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t')) i++;
    if (i < size) return text[i];
    return '\0';
}

static lop_status read_documents(const char *path, const char *field, size_t size, lop_documents *out)
{
    gathered g = {0};
    lop_status status = LOP_OK;
    const bool lines = ends_with(path, ".jsonl"), json = ends_with(path, ".json");
    if (!lines && !json) return take_whole(out, size);
    if (lines || first_mark(out->bytes, size) == '{')
        LOP_TRY_DONE(read_lines(path, field, out->bytes, size, &g));
    else
        LOP_TRY_DONE(read_list(path, out->bytes, size, &g));
    if (g.count == 0) {
        status = LOP_FAIL(LOP_E_FORMAT, "%s has no document", path);
        goto done;
    }
    status = give(&g, out);
done:
    lop_string_close(&g.text);
    lop_free(g.ends);
    return status;
}

lop_status lop_documents_open(const char *path, const char *field, lop_documents *out)
{
    *out = (lop_documents){0};
    size_t size = 0, bad = 0;
    lop_status status = LOP_OK;
    if (ends_with(path, ".gz") || ends_with(path, ".zst") || ends_with(path, ".parquet"))
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s is packed; unpack it to .txt, .jsonl or .json first", path);
    LOP_TRY_DONE(lop_file_read(path, TEXT_BYTES_MOST, &out->bytes, &size));
    if (!lop_utf8_valid(out->bytes, size, &bad)) {
        status = LOP_FAIL(LOP_E_FORMAT, "%s is not UTF-8: byte %zu is 0x%02x; save it as UTF-8", path, bad,
                          (unsigned)(unsigned char)out->bytes[bad]);
        goto done;
    }
    LOP_TRY_DONE(lop_sha256_memory(out->bytes, size, out->sha256));
    LOP_TRY_DONE(read_documents(path, field ? field : "text", size, out));
done:
    if (status != LOP_OK) lop_documents_close(out);
    return status;
}

void lop_documents_close(lop_documents *d)
{
    if (d == NULL) return;
    lop_free(d->at);
    lop_free(d->bytes);
    *d = (lop_documents){0};
}
