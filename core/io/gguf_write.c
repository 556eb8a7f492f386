/* gguf_write.c - a GGUF file planned whole, written from its beginning to its end, and published at once. */
#include "core/io/gguf_write.h"

#include "core/base/memory.h"
#include "core/io/gguf.h"
#include "core/io/gguf_parts.h"
#include "core/io/rope_table.h"
#include "core/io/tensor_copy.h"

#include <string.h>

#define GGUF_VERSION 3

/* ---- the header */

static lop_status add_tensor(const lop_gguf_place *t, lop_string *s)
{
    LOP_TRY(lop_gguf_append_text(s, lop_text_of(t->name)));
    LOP_TRY(lop_gguf_append_u32(s, (uint32_t)t->rank));
    for (int32_t d = t->rank - 1; d >= 0; d--) /* innermost first */
        LOP_TRY(lop_gguf_append_u64(s, (uint64_t)t->shape[d]));
    LOP_TRY(lop_gguf_append_u32(s, lop_dtype_gguf(t->dtype)));
    return lop_gguf_append_u64(s, t->at);
}

static lop_status assemble(lop_gguf_plan *p, const gguf_metadata *m)
{
    static const char zeros[LOP_GGUF_ALIGNMENT] = {0};
    lop_string *s = &p->header;
    LOP_TRY(lop_string_add(s, "GGUF", 4));
    LOP_TRY(lop_gguf_append_u32(s, GGUF_VERSION));
    LOP_TRY(lop_gguf_append_u64(s, (uint64_t)p->count));
    LOP_TRY(lop_gguf_append_u64(s, m->count));
    LOP_TRY(lop_string_add(s, m->bytes.at, m->bytes.size));
    for (int32_t i = 0; i < p->count; i++) LOP_TRY(add_tensor(&p->tensors[i], s));
    const size_t beyond = s->size % LOP_GGUF_ALIGNMENT;
    return beyond > 0 ? lop_string_add(s, zeros, LOP_GGUF_ALIGNMENT - beyond) : LOP_OK;
}

static lop_status plan(const lop_dtype *dtype, lop_log *log, lop_gguf_plan *p)
{
    gguf_metadata m = {0};
    lop_status status;
    LOP_TRY_DONE(lop_gguf_architecture(lop_checkpoint_config(p->source), &p->architecture));
    LOP_TRY_DONE(lop_gguf_lay_out(p, dtype));
    LOP_TRY_DONE(lop_gguf_describe(p, &m));
    LOP_TRY_DONE(lop_gguf_put_tokenizer(p->source, log, &m));
    LOP_TRY_DONE(assemble(p, &m));
done:
    lop_string_close(&m.bytes);
    return status;
}

lop_status lop_gguf_plan_open(const lop_checkpoint *source, const lop_dtype *dtype, lop_log *log,
                              lop_gguf_plan *out)
{
    *out = (lop_gguf_plan){.source = source};
    const lop_status status = plan(dtype, log, out);
    if (status != LOP_OK) lop_gguf_plan_close(out);
    return status;
}

void lop_gguf_plan_close(lop_gguf_plan *p)
{
    lop_string_close(&p->header);
    lop_free(p->tensors);
    lop_free(p->each);
    lop_free(p->number);
    *p = (lop_gguf_plan){0};
}

/* ---- the file */

static lop_status write_table(const lop_gguf_plan *p, const lop_file *to, uint64_t at)
{
    const lop_config *k = lop_checkpoint_config(p->source);
    float *table = NULL;
    LOP_TRY(LOP_NEW(&table, k->head_dim / 2));
    lop_rope_table_make(&k->rope, k->head_dim, table);
    const lop_status status = lop_file_write_at(to, at, table, (size_t)(k->head_dim / 2) * sizeof *table);
    lop_free(table);
    return status;
}

static lop_status write_tensors(const lop_gguf_plan *p, const lop_file *to, lop_log *log)
{
    for (int32_t i = 0; i < p->count; i++) {
        const lop_gguf_place *t = &p->tensors[i];
        const lop_tensor_copy way = {.source = p->source,
                                     .tensor = t->source,
                                     .to = to,
                                     .at = p->header.size + t->at,
                                     .dtype = t->dtype,
                                     .rope_heads = t->rope_heads};
        LOP_TRY(lop_log_check_stop(log));
        if (t->source) LOP_TRY(lop_tensor_copy_run(&way));
        if (t->table) LOP_TRY(write_table(p, to, way.at));
        lop_log_progress(log, "tensors", i + 1, p->count);
    }
    return LOP_OK;
}

/* The header as readers will meet it: names there once, nothing overlapping, a config that can be laid out. */
static lop_status read_back(const char *path)
{
    lop_gguf *g = NULL;
    lop_config config;
    lop_status status = lop_gguf_open(path, &g);
    if (status == LOP_OK) status = lop_gguf_config(g, &config);
    if (status != LOP_OK) lop_note("the file was written and cannot be read back");
    lop_gguf_close(g);
    return status;
}

/* What lies between tensors, and tensors of zeros, is never written, and reads as zeros. */
lop_status lop_gguf_write(const lop_gguf_plan *p, const char *path, lop_log *log)
{
    lop_file file;
    LOP_TRY(lop_file_beside_open(path, p->header.size + p->bytes, &file));
    lop_status status = lop_file_write_at(&file, 0, p->header.at, p->header.size);
    if (status == LOP_OK) status = write_tensors(p, &file, log);
    if (status == LOP_OK) status = read_back(file.path);
    return lop_file_beside_close(&file, path, status);
}
