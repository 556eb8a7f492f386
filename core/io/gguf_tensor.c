/* gguf_tensor.c - GGUF's tensor table: names, shapes, types, and where each tensor lies, all held against the file's
 * size before anything is believed. */
#include "core/base/memory.h"
#include "core/io/gguf_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENSOR_LEAST                                                                                         \
    33u /* bytes of the shortest entry: length, one letter, rank, one dimension, type, offset */
#define TENSOR_MOST (1u << 20)

/* ggml's names of the types that files have and lop does not decode. */
static const char *const foreign_types[] = {
    [9] = "Q8_1",     [10] = "Q2_K",  [11] = "Q3_K",   [15] = "Q8_K",  [16] = "IQ2_XXS", [17] = "IQ2_XS",
    [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S",   [23] = "IQ4_XS",
    [29] = "IQ1_M",   [34] = "TQ1_0", [35] = "TQ2_0",  [39] = "MXFP4",
};

static lop_status fail_type(const gguf_cursor *c, lop_text name, uint32_t number)
{
    char known[256] = "";
    size_t used = 0;
    lop_dtype dtype;
    for (uint32_t i = 0; i <= 30; i++)
        if (lop_dtype_from_gguf(i, &dtype) && used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, " %s", lop_dtype_name(dtype));
    const bool named = number < sizeof foreign_types / sizeof *foreign_types && foreign_types[number] != NULL;
    return LOP_FAIL(LOP_E_UNSUPPORTED,
                    "%s: tensor %.*s has type %s (number %" PRIu32 "), which is not supported; these are:%s",
                    c->path, (int)name.size, name.at, named ? foreign_types[number] : "unknown", number,
                    known);
}

/* Dimensions, innermost first in the file. Their product is held below twice the file's size, which no supported type
 * exceeds (Q4_0 has 32 elements in 18 bytes), so nothing later can overflow. */
static lop_status take_shape(gguf_cursor *c, lop_text name, lop_tensor *t, uint64_t *elements)
{
    uint32_t rank;
    LOP_TRY(lop_gguf_take_u32(c, "a tensor's rank", &rank));
    if (rank < 1 || rank > LOP_RANK_MAX)
        return LOP_FAIL(LOP_E_FORMAT, "%s: tensor %.*s has %" PRIu32 " dimensions; expected 1 to %d", c->path,
                        (int)name.size, name.at, rank, LOP_RANK_MAX);
    t->rank = (int32_t)rank;
    *elements = 1;
    for (uint32_t i = 0; i < rank; i++) {
        uint64_t size;
        LOP_TRY(lop_gguf_take_u64(c, "a tensor's dimension", &size));
        if (size == 0 || size > c->end * 2 / *elements)
            return LOP_FAIL(LOP_E_FORMAT,
                            "%s: dimension %" PRIu32 " of tensor %.*s is %" PRIu64
                            "; expected at least 1 and no more elements than a file of %" PRIu64
                            " bytes can hold",
                            c->path, i, (int)name.size, name.at, size, c->end);
        *elements *= size;
        t->shape[rank - 1 - i] = (int64_t)size;
    }
    return LOP_OK;
}

/* Type and offset, the latter still counted from the start of the tensor data. */
static lop_status take_place(gguf_cursor *c, lop_text name, uint64_t elements, lop_tensor *t)
{
    uint32_t number;
    LOP_TRY(lop_gguf_take_u32(c, "a tensor's type", &number));
    LOP_TRY(lop_gguf_take_u64(c, "a tensor's offset", &t->at));
    if (!lop_dtype_from_gguf(number, &t->dtype)) return fail_type(c, name, number);
    const uint64_t group = lop_dtype_group_elements(t->dtype);
    const uint64_t inner = (uint64_t)t->shape[t->rank - 1];
    if (inner % group != 0)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: rows of tensor %.*s have %" PRIu64 " elements; %s needs a multiple of %" PRIu64,
                        c->path, (int)name.size, name.at, inner, lop_dtype_name(t->dtype), group);
    t->bytes = lop_dtype_bytes(t->dtype, elements);
    return LOP_OK;
}

/* The number under `key`, or in its list that of the tensor's block. */
static bool heads_of(const lop_gguf *g, const char *key, const char *tensor, uint64_t *out)
{
    static const char layers[] = "model.layers.";
    const gguf_entry *e = lop_gguf_find(g, key);
    if (e == NULL || e->type != GGUF_ARRAY) return e != NULL && lop_gguf_entry_uint(e, out);
    if (strncmp(tensor, layers, sizeof layers - 1) != 0) return false;
    return lop_gguf_entry_uint_at(e, strtoull(tensor + sizeof layers - 1, NULL, 10), out);
}

/* Converters permute the rows of q and k (weights and biases) of `llama` and `deci` so that rope turns neighbouring rows. */
static lop_status set_rope_heads(const lop_gguf *g, lop_tensor *t)
{
    const bool q = strstr(t->name, ".self_attn.q_proj.") != NULL,
               k = strstr(t->name, ".self_attn.k_proj.") != NULL;
    const bool woven = strcmp(g->family, "llama") == 0 || strcmp(g->family, "deci") == 0;
    uint64_t heads;
    char own[64], key[64];
    if ((!q && !k) || !woven) return LOP_OK;
    (void)snprintf(key, sizeof key, "%s.attention.head_count", g->family);
    (void)snprintf(own, sizeof own, "%s.attention.head_count_kv", g->family);
    if (k && lop_gguf_find(g, own) != NULL) memcpy(key, own, sizeof key);
    if (!heads_of(g, key, t->name, &heads))
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: %s is missing or no whole number, so the row order of %s is not known",
                        g->file.path, key, t->name);
    const uint64_t rows = (uint64_t)t->shape[0];
    if (heads == 0 || heads > INT32_MAX || rows % heads != 0 || rows / heads % 2 != 0)
        return LOP_FAIL(LOP_E_FORMAT,
                        "%s: %s has %" PRIu64 " rows, which are not %" PRIu64 " heads of an even size",
                        g->file.path, t->name, rows, heads);
    t->rope_heads = (int32_t)heads;
    return LOP_OK;
}

static lop_status take_tensor(lop_gguf *g, gguf_cursor *c, char *name_out, lop_tensor *t)
{
    lop_text name;
    uint64_t elements = 0;
    LOP_TRY(lop_gguf_take_name(c, "a tensor's name", GGUF_NAME_MOST, &name));
    lop_gguf_rename(name, name_out);
    t->name = name_out;
    LOP_TRY(take_shape(c, name, t, &elements));
    LOP_TRY(take_place(c, name, elements, t));
    return set_rope_heads(g, t);
}

static lop_status find_alignment(const lop_gguf *g, uint64_t *out)
{
    const gguf_entry *e = lop_gguf_find(g, "general.alignment");
    *out = 32;
    if (e == NULL) return LOP_OK;
    if (lop_gguf_entry_uint(e, out) && *out != 0 && *out % 8 == 0 && *out <= UINT32_MAX) return LOP_OK;
    return LOP_FAIL(LOP_E_FORMAT, "%s: general.alignment is not a multiple of 8 in a u32", g->file.path);
}

/* Moves offsets from the start of the data, which follows the header at the next multiple of the alignment, to the
 * start of the file. */
static lop_status place_tensors(lop_gguf *g, uint64_t header_end)
{
    uint64_t alignment;
    LOP_TRY(find_alignment(g, &alignment));
    const uint64_t data = (header_end + alignment - 1) / alignment * alignment;
    for (int32_t i = 0; i < g->tensor_count; i++) {
        lop_tensor *t = &g->tensors[i];
        if (t->at % alignment != 0)
            return LOP_FAIL(LOP_E_FORMAT,
                            "%s: tensor %s starts at offset %" PRIu64
                            ", no multiple of the alignment %" PRIu64,
                            g->file.path, t->name, t->at, alignment);
        if (data > g->file.size || t->at > g->file.size - data || t->bytes > g->file.size - data - t->at)
            return LOP_FAIL(LOP_E_FORMAT,
                            "%s: tensor %s has %" PRIu64 " bytes at offset %" PRIu64
                            " of the data that starts at byte %" PRIu64 ", but the file has %" PRIu64
                            " bytes: it is cut short or damaged",
                            g->file.path, t->name, t->bytes, t->at, data, g->file.size);
        t->at += data;
    }
    return LOP_OK;
}

static int by_offset(const void *a, const void *b)
{
    const lop_tensor *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static lop_status check_overlaps(lop_gguf *g)
{
    qsort(g->tensors, (size_t)g->tensor_count, sizeof *g->tensors, by_offset);
    for (int32_t i = 1; i < g->tensor_count; i++) {
        const lop_tensor *before = &g->tensors[i - 1], *t = &g->tensors[i];
        if (before->bytes > t->at - before->at)
            return LOP_FAIL(LOP_E_FORMAT, "%s: tensors %s and %s overlap at byte %" PRIu64, g->file.path,
                            before->name, t->name, t->at);
    }
    return LOP_OK;
}

/* Names are compared as Hugging Face spells them: two names of one tensor are as wrong as one name twice. */
static lop_status check_names(const lop_gguf *g)
{
    const char **names;
    LOP_TRY(LOP_NEW(&names, g->tensor_count));
    for (int32_t i = 0; i < g->tensor_count; i++) names[i] = g->tensors[i].name;
    qsort(names, (size_t)g->tensor_count, sizeof *names, by_name);
    lop_status status = LOP_OK;
    for (int32_t i = 1; i < g->tensor_count && status == LOP_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = LOP_FAIL(LOP_E_FORMAT, "%s: there are two tensors %s", g->file.path, names[i]);
    lop_free(names);
    return status;
}

lop_status lop_gguf_take_tensors(lop_gguf *g, gguf_cursor *c, uint64_t count)
{
    if (count > (c->end - c->at) / TENSOR_LEAST || count > TENSOR_MOST)
        return LOP_FAIL(
            LOP_E_FORMAT, "%s: the header announces %" PRIu64 " tensors, more than %s", c->path, count,
            count > TENSOR_MOST ? "the 1048576 that are accepted" : "the rest of the file can describe");
    LOP_TRY(LOP_NEW(&g->tensors, count));
    LOP_TRY(LOP_NEW(&g->names, count));
    g->tensor_count = (int32_t)count;
    for (int32_t i = 0; i < g->tensor_count; i++) LOP_TRY(take_tensor(g, c, g->names[i], &g->tensors[i]));
    LOP_TRY(place_tensors(g, c->at));
    LOP_TRY(check_overlaps(g));
    return check_names(g);
}
