/* lines.c - a window over the text that moves along: a chunk is read, or unpacked by zlib, whenever no line end is left
 * in it. */
#include "core/io/lines.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <string.h>
#include <zlib.h>

#define CHUNK      ((size_t)64 << 10) /* bytes read, or unpacked, at a time */
#define GZIP_ALONE (16 + MAX_WBITS)   /* zlib: gzip's header and check sum, nothing else */

struct lop_lines {
    lop_file file;
    uint64_t at; /* bytes of the file taken */
    bool packed, ended;
    bool inflating; /* between the head of a packed member and its end */
    z_stream z;     /* `packed` only */
    unsigned char *in;
    char *text;
    size_t begin, end, room; /* what is not given yet is text[begin, end) */
    uint64_t total;          /* bytes of text so far */
    int64_t number;
};

static voidpf take(voidpf user, uInt count, uInt size)
{
    void *at = NULL;
    (void)user;
    return lop_alloc(count, size, &at) == LOP_OK ? at : NULL;
}

static void give(voidpf user, voidpf at)
{
    (void)user;
    lop_free(at);
}

/* ---- bytes */

static lop_status fail_packed(const lop_lines *l, const char *why)
{
    return LOP_FAIL(LOP_E_FORMAT,
                    "line %lld of %s cannot be unpacked: %s, near byte %llu of the file; expected whole gzip "
                    "data",
                    (long long)l->number + 1, l->file.path, why,
                    (unsigned long long)(l->at - (uint64_t)l->z.avail_in));
}

static lop_status read_some(lop_lines *l, void *out, size_t *got)
{
    const uint64_t left = l->file.size - l->at;
    *got = left < CHUNK ? (size_t)left : CHUNK;
    LOP_TRY(lop_file_read_at(&l->file, l->at, out, *got));
    l->at += *got;
    return LOP_OK;
}

/* One step of zlib towards `room` bytes of text. A file may hold several packed members, one behind the other. */
static lop_status unpack_some(lop_lines *l, char *out, size_t room, size_t *got)
{
    if (l->z.avail_in == 0) {
        size_t bytes = 0;
        LOP_TRY(read_some(l, l->in, &bytes));
        l->z.next_in = l->in;
        l->z.avail_in = (uInt)bytes;
    }
    if (l->z.avail_in == 0 && !l->inflating) {
        l->ended = true;
        return LOP_OK;
    }
    if (l->z.avail_in == 0) return fail_packed(l, "it is cut short");
    l->inflating = true;
    l->z.next_out = (unsigned char *)out;
    l->z.avail_out = (uInt)room;
    const int code = inflate(&l->z, Z_NO_FLUSH);
    *got = room - l->z.avail_out;
    if (code == Z_MEM_ERROR) return LOP_FAIL(LOP_E_MEMORY, "not enough host memory to unpack a file");
    if (code == Z_STREAM_END) {
        l->inflating = false;
        (void)inflateReset(&l->z);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return fail_packed(l, l->z.msg ? l->z.msg : "it is damaged");
    }
    return LOP_OK;
}

static lop_status fill(lop_lines *l)
{
    size_t got = 0;
    if (l->begin > 0) memmove(l->text, l->text + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    if (l->room - l->end < CHUNK) {
        const size_t room = 2 * l->room + CHUNK;
        LOP_TRY(lop_realloc(room, 1, &l->text));
        l->room = room;
    }
    if (l->packed)
        LOP_TRY(unpack_some(l, l->text + l->end, CHUNK, &got));
    else
        LOP_TRY(read_some(l, l->text + l->end, &got));
    l->end += got;
    l->total += got;
    l->ended = l->ended || (!l->packed && got == 0);
    if (l->total > LOP_LINES_MOST)
        return LOP_FAIL(LOP_E_FORMAT, "line %lld of %s is beyond the %llu bytes of text that are read",
                        (long long)l->number + 1, l->file.path, (unsigned long long)LOP_LINES_MOST);
    return LOP_OK;
}

/* ---- lines */

/* Where the line that begins the window ends, filling the window until it does. */
static lop_status find_end(lop_lines *l, size_t *size)
{
    size_t seen = 0;
    for (;;) {
        const char *from = l->text + l->begin + seen;
        const size_t left = l->end - l->begin - seen;
        const char *end = left ? memchr(from, '\n', left) : NULL;
        *size = end ? seen + (size_t)(end - from) : seen + left;
        if (*size > LOP_LINE_MOST)
            return LOP_FAIL(LOP_E_FORMAT, "line %lld of %s is longer than %llu bytes",
                            (long long)l->number + 1, l->file.path, (unsigned long long)LOP_LINE_MOST);
        if (end != NULL || l->ended) return LOP_OK;
        seen += left;
        LOP_TRY(fill(l));
    }
}

lop_status lop_lines_next(lop_lines *l, lop_text *line, bool *more)
{
    size_t size = 0, bad = 0;
    *line = (lop_text){0};
    *more = false;
    LOP_TRY(find_end(l, &size));
    if (l->begin == l->end) return LOP_OK;
    *line = (lop_text){l->text + l->begin, size};
    l->begin += size + (l->begin + size < l->end);
    l->number++;
    *more = true;
    if (lop_utf8_valid(line->at, size, &bad)) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "line %lld of %s is not UTF-8: byte %zu of it is 0x%02x; save it as UTF-8",
                    (long long)l->number, l->file.path, bad, (unsigned)(unsigned char)line->at[bad]);
}

int64_t lop_lines_number(const lop_lines *l)
{
    return l->number;
}

static lop_status open_packed(lop_lines *l)
{
    LOP_TRY(lop_alloc(CHUNK, 1, &l->in));
    l->z.zalloc = take;
    l->z.zfree = give;
    if (inflateInit2(&l->z, GZIP_ALONE) != Z_OK)
        return LOP_FAIL(LOP_E_MEMORY, "not enough host memory to unpack %s", l->file.path);
    l->packed = true;
    return LOP_OK;
}

lop_status lop_lines_open(const char *path, lop_lines **out)
{
    lop_lines *l = NULL;
    unsigned char head[2] = {0, 0};
    lop_status status = LOP_OK;
    *out = NULL;
    LOP_TRY(LOP_NEW(&l, 1));
    l->file.handle = -1;
    LOP_TRY_DONE(lop_file_open(path, &l->file));
    if (l->file.size >= sizeof head) LOP_TRY_DONE(lop_file_read_at(&l->file, 0, head, sizeof head));
    if (head[0] == 0x1f && head[1] == 0x8b) LOP_TRY_DONE(open_packed(l));
    LOP_TRY_DONE(lop_alloc(CHUNK, 1, &l->text));
    l->room = CHUNK;
    *out = l;
    l = NULL;
done:
    lop_lines_close(l);
    return status;
}

void lop_lines_close(lop_lines *l)
{
    if (l == NULL) return;
    if (l->packed) (void)inflateEnd(&l->z);
    lop_file_close(&l->file);
    lop_free(l->text);
    lop_free(l->in);
    lop_free(l);
}
