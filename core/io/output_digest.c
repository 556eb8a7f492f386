/* output_digest.c - what a folder in the making holds, in digests: for reports that are held against the files later. */
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/io/output_state.h"

#include <string.h>

#define PIECE_BYTES ((uint64_t)4 << 20)

int32_t lop_output_files(const lop_output *o)
{
    return o->shards.files;
}

lop_status lop_output_file_at(const lop_output *o, int32_t index, lop_output_file *out)
{
    const lop_shard_file *file = &o->shards.file[index];
    *out = (lop_output_file){.name = file->name, .bytes = file->size};
    return lop_sha256_memory(file->header.at, file->header.size, out->header_sha256);
}

lop_status lop_output_sha256(const lop_output *o, const char *name, char out[65])
{
    lop_sha256 h = {NULL};
    lop_status status = LOP_OK;
    void *piece = NULL;
    int32_t index = 0;
    LOP_TRY_DONE(lop_output_index(o, name, &index));
    const lop_shard_tensor *w = &o->shards.tensor[index];
    if (o->digest[index][0] != '\0') {
        memcpy(out, o->digest[index], sizeof o->digest[index]);
        goto done;
    }
    LOP_TRY_DONE(lop_sha256_open(&h));
    LOP_TRY_DONE(lop_alloc_aligned((size_t)PIECE_BYTES, 64, &piece));
    for (uint64_t at = 0; at < w->bytes; at += PIECE_BYTES) {
        const size_t n = (size_t)(w->bytes - at < PIECE_BYTES ? w->bytes - at : PIECE_BYTES);
        LOP_TRY_DONE(lop_file_read_at(&o->files[w->file], w->at + at, piece, n));
        LOP_TRY_DONE(lop_sha256_add(&h, piece, n));
    }
    LOP_TRY_DONE(lop_sha256_text(&h, out));
done:
    lop_free(piece);
    lop_sha256_close(&h);
    return status;
}
