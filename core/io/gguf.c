/* gguf.c - opening a GGUF file: magic, version, metadata, tensor table; and metadata by key. What the metadata mean is
 * in gguf_config.c and gguf_tokenizer.c. */
#include "core/io/gguf.h"

#include "core/base/memory.h"
#include "core/io/gguf_header.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LEAST 14u /* bytes of the shortest metadata entry: length, one letter, type, one byte of value */
#define KEY_MOST  (1u << 16)

#define HEADER_FIRST ((uint64_t)1 << 20) /* bytes read at once; a vocabulary takes one to ten times as many */
#define HEADER_MOST  ((uint64_t)1 << 30)

static int by_key(const void *a, const void *b)
{
    const lop_text x = ((const gguf_entry *)a)->key, y = ((const gguf_entry *)b)->key;
    const int order = memcmp(x.at, y.at, x.size < y.size ? x.size : y.size);
    if (order != 0) return order;
    return x.size < y.size ? -1 : x.size > y.size;
}

const gguf_entry *lop_gguf_find(const lop_gguf *g, const char *key)
{
    const gguf_entry wanted = {.key = lop_text_of(key)};
    if (g->entry_count == 0) return NULL;
    return bsearch(&wanted, g->entries, (size_t)g->entry_count, sizeof wanted, by_key);
}

bool lop_gguf_text(const lop_gguf *g, const char *key, lop_text *out)
{
    const gguf_entry *e = lop_gguf_find(g, key);
    if (e == NULL || e->type != GGUF_TEXT) return false;
    *out = (lop_text){(const char *)e->at, (size_t)e->count};
    return true;
}

bool lop_gguf_uint(const lop_gguf *g, const char *key, uint64_t *out)
{
    const gguf_entry *e = lop_gguf_find(g, key);
    return e != NULL && lop_gguf_entry_uint(e, out);
}

bool lop_gguf_real(const lop_gguf *g, const char *key, double *out)
{
    const gguf_entry *e = lop_gguf_find(g, key);
    return e != NULL && lop_gguf_entry_real(e, out);
}

bool lop_gguf_flag(const lop_gguf *g, const char *key, bool *out)
{
    const gguf_entry *e = lop_gguf_find(g, key);
    if (e == NULL || e->type != GGUF_BOOL) return false;
    *out = e->at[0] != 0;
    return true;
}

lop_status lop_gguf_array(const lop_gguf *g, const char *key, gguf_type element, const gguf_entry **out)
{
    const gguf_entry *e = lop_gguf_find(g, key);
    *out = e;
    if (e == NULL || (e->type == GGUF_ARRAY && e->element == element && e->count <= INT32_MAX)) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s: %s is %s%s; expected an array of %s", g->file.path, key,
                    e->type == GGUF_ARRAY ? "an array of " : "", lop_gguf_type_name(e->element),
                    lop_gguf_type_name(element));
}

static lop_status take_metadata(lop_gguf *g, gguf_cursor *c, uint64_t count)
{
    if (count > (c->end - c->at) / KEY_LEAST || count > KEY_MOST)
        return LOP_FAIL(LOP_E_FORMAT, "%s: the header announces %" PRIu64 " metadata entries, more than %s",
                        c->path, count,
                        count > KEY_MOST ? "the 65536 that are accepted" : "the rest of the file can hold");
    LOP_TRY(LOP_NEW(&g->entries, count));
    for (uint64_t i = 0; i < count; i++) LOP_TRY(lop_gguf_take_entry(c, &g->entries[i]));
    g->entry_count = (int32_t)count;
    qsort(g->entries, (size_t)count, sizeof *g->entries, by_key);
    for (uint64_t i = 1; i < count; i++)
        if (lop_text_equal(g->entries[i - 1].key, g->entries[i].key))
            return LOP_FAIL(LOP_E_FORMAT, "%s: metadata %.*s is there twice", c->path,
                            (int)(g->entries[i].key.size < 96 ? g->entries[i].key.size : 96),
                            g->entries[i].key.at);
    return LOP_OK;
}

/* The architecture's name becomes part of keys and messages, so it is held to the format's alphabet. */
static lop_status take_family(lop_gguf *g)
{
    lop_text name;
    if (!lop_gguf_text(g, "general.architecture", &name))
        return LOP_FAIL(LOP_E_FORMAT, "%s: general.architecture is missing or no text", g->file.path);
    bool plain = name.size > 0 && name.size < sizeof g->family;
    for (size_t i = 0; i < name.size && plain; i++) {
        const char letter = name.at[i];
        plain = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-' ||
                letter == '_';
    }
    if (!plain)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: general.architecture is no name of 1 to %zu small letters and digits",
                        g->file.path, sizeof g->family - 1);
    memcpy(g->family, name.at, name.size);
    return LOP_OK;
}

/* One file of several holds part of the tensors only, and looks whole otherwise. */
static lop_status check_split(const lop_gguf *g)
{
    uint64_t files;
    if (!lop_gguf_uint(g, "split.count", &files) || files <= 1) return LOP_OK;
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "%s is one of the %" PRIu64
                    " files of a split model; join them first (llama-gguf-split --merge)",
                    g->file.path, files);
}

static lop_status take_start(gguf_cursor *c, uint64_t *tensors, uint64_t *entries)
{
    const unsigned char *magic;
    uint32_t version;
    LOP_TRY(lop_gguf_take(c, 4, "the magic number", &magic));
    if (memcmp(magic, "GGUF", 4) != 0)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s is no GGUF file: it starts with %02x %02x %02x %02x, not with \"GGUF\"", c->path,
                        magic[0], magic[1], magic[2], magic[3]);
    LOP_TRY(lop_gguf_take_u32(c, "the version", &version));
    if (version != 2 && version != 3)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s is GGUF version %" PRIu32 "%s; supported are versions 2 and 3",
                        c->path, version,
                        version != 0 && (version & 0xffu) == 0
                            ? " when read as little-endian, so it is a big-endian file"
                            : "");
    LOP_TRY(lop_gguf_take_u64(c, "the number of tensors", tensors));
    return lop_gguf_take_u64(c, "the number of metadata entries", entries);
}

static lop_status take_header(lop_gguf *g, gguf_cursor *c)
{
    uint64_t tensors = 0, entries = 0;
    LOP_TRY(take_start(c, &tensors, &entries));
    LOP_TRY(take_metadata(g, c, entries));
    LOP_TRY(take_family(g));
    LOP_TRY(check_split(g));
    return lop_gguf_take_tensors(g, c, tensors);
}

static void forget_header(lop_gguf *g)
{
    lop_free(g->names);
    lop_free(g->tensors);
    lop_free(g->entries);
    lop_free(g->header);
    *g = (lop_gguf){.file = g->file};
}

/* Read and not mapped: a file that is cut while a mapped page of it is touched kills the process. The header does not
 * say how long it is, so it is taken from ever more of the file until that is enough. */
static lop_status read_header(lop_gguf *g)
{
    uint64_t bytes = HEADER_FIRST;
    for (;;) {
        if (bytes > g->file.size) bytes = g->file.size;
        LOP_TRY(lop_alloc((size_t)bytes, 1, &g->header));
        LOP_TRY(lop_file_read_at(&g->file, 0, g->header, (size_t)bytes));
        gguf_cursor c = {.base = g->header, .end = g->file.size, .path = g->file.path, .have = bytes};
        const lop_status status = take_header(g, &c);
        if (status == LOP_OK || c.wanted == 0) return status;
        if (c.wanted > HEADER_MOST)
            return LOP_FAIL(LOP_E_FORMAT,
                            "%s: the header takes at least %" PRIu64 " bytes; up to %" PRIu64 " are accepted",
                            g->file.path, c.wanted, HEADER_MOST);
        bytes = c.wanted > 4 * bytes ? c.wanted : 4 * bytes;
        if (bytes > HEADER_MOST) bytes = HEADER_MOST;
        forget_header(g);
    }
}

lop_status lop_gguf_open(const char *path, lop_gguf **out)
{
    lop_gguf *g = NULL;
    *out = NULL;
    lop_status status = LOP_NEW(&g, 1);
    if (status != LOP_OK) return status;
    g->file.handle = -1;
    LOP_TRY_DONE(lop_file_open(path, &g->file));
    if (g->file.size < 24) {
        status = LOP_FAIL(LOP_E_FORMAT, "%s has %" PRIu64 " bytes; a GGUF header has at least 24", path,
                          g->file.size);
        goto done;
    }
    LOP_TRY_DONE(read_header(g));
    *out = g;
done:
    if (status != LOP_OK) lop_gguf_close(g);
    return status;
}

void lop_gguf_close(lop_gguf *g)
{
    if (g == NULL) return;
    forget_header(g);
    lop_file_close(&g->file);
    lop_free(g);
}

int32_t lop_gguf_count(const lop_gguf *g)
{
    return g->tensor_count;
}

const lop_tensor *lop_gguf_at(const lop_gguf *g, int32_t index)
{
    return &g->tensors[index];
}

const lop_file *lop_gguf_file(const lop_gguf *g)
{
    return &g->file;
}
