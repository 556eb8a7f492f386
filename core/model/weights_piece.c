/* weights_piece.c - tensors cut into pieces, so that several threads keep the disk busy with one block. */
#include "core/model/weights_piece.h"

#define PIECE_BYTES                                                                                          \
    ((int64_t)8 << 20) /* long enough for a disk to be at its best, short enough to share a block */
#define CHUNK_BYTES                                                                                          \
    ((int64_t)1 << 20) /* read and looked at together: what is looked at is still in the cache */

static void list_add(lop_part_list *list, const lop_tensor *tensor, lop_mat to)
{
    if (tensor) list->at[list->count++] = (lop_part){tensor, to};
}

lop_part_list lop_parts_of(const lop_block_file *file, const lop_block *block)
{
    lop_part_list list = {.count = 0};
    list_add(&list, file->norm_attention.gain, block->norm_attention.gain);
    list_add(&list, file->norm_attention.bias, block->norm_attention.bias);
    list_add(&list, file->norm_ffn.gain, block->norm_ffn.gain);
    list_add(&list, file->norm_ffn.bias, block->norm_ffn.bias);
    for (int32_t i = 0; i < block->count; i++) {
        const lop_linear_file *l = &file->linear[block->linears[i].id];
        list_add(&list, l->weight, block->linears[i].w);
        list_add(&list, l->bias, block->linears[i].bias);
    }
    return list;
}

/* Elements of one row as lop_checkpoint_read counts them. */
static int64_t row_elements(const lop_tensor *t)
{
    return t->rank < 2 ? 1 : t->shape[1];
}

/* The rows of at most `bytes` values, a whole number of heads where rows are stored woven by heads: a cut head is read
 * twice. A vector goes as a whole: stored groups may not be cut. */
static int64_t rows_of(const lop_tensor *t, int64_t bytes)
{
    if (t->rank < 2) return t->shape[0];
    const int64_t row = (int64_t)lop_staging_bytes(lop_checkpoint_word(t), t->shape[1]);
    const int64_t unit = t->rope_heads > 0 ? t->shape[0] / t->rope_heads : 1;
    const int64_t fit = bytes / (row * unit) * unit;
    const int64_t rows = fit > 0 ? fit : unit;
    return rows > 0 && rows < t->shape[0] ? rows : t->shape[0];
}

int32_t lop_pieces(const lop_part *part)
{
    const int64_t rows = rows_of(part->tensor, PIECE_BYTES);
    return rows == 0 ? 1 : (int32_t)((part->tensor->shape[0] + rows - 1) / rows);
}

lop_piece lop_piece_at(const lop_part *part, int32_t index)
{
    const int64_t rows = rows_of(part->tensor, PIECE_BYTES), first = index * rows,
                  left = part->tensor->shape[0] - first;
    return (lop_piece){*part, first, left < rows ? left : rows};
}

size_t lop_piece_most(const lop_net *net)
{
    size_t most = 0;
    for (int32_t b = 0; b < net->config->blocks; b++) {
        const lop_block_file *file = &net->blocks[b];
        const lop_tensor *all[LOP_PARTS_MOST] = {file->norm_attention.gain, file->norm_attention.bias,
                                                 file->norm_ffn.gain, file->norm_ffn.bias};
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            all[4 + 2 * i] = file->linear[i].weight;
            all[5 + 2 * i] = file->linear[i].bias;
        }
        for (int i = 0; i < LOP_PARTS_MOST; i++) {
            const lop_tensor *t = all[i];
            if (t == NULL) continue;
            const size_t bytes =
                lop_staging_bytes(lop_checkpoint_word(t), rows_of(t, PIECE_BYTES) * row_elements(t));
            most = bytes > most ? bytes : most;
        }
    }
    return most;
}

lop_mat lop_piece_mat(const lop_piece *piece)
{
    if (piece->part.tensor->rank < 2) return piece->part.to;
    return lop_mat_rows(piece->part.to, (int32_t)piece->first, (int32_t)piece->rows);
}

/* Rows [first, first + rows) of the piece. The file is told of the whole piece at its first rows. */
static lop_status read_rows(const lop_net *net, const lop_source *source, const lop_piece *p, int64_t first,
                            int64_t rows, lop_dtype as, void *out)
{
    const lop_tensor *t = p->part.tensor;
    bool taken = false;
    if (source->fn) LOP_TRY(source->fn(source->user, t, first, rows, as, out, &taken));
    if (!taken && first == p->first) lop_checkpoint_want(net->file, t, first, p->rows);
    if (!taken) LOP_TRY(lop_checkpoint_read(net->file, t, first, rows, as, out));
    return lop_staging_check(t, first, as, out, rows * row_elements(t));
}

lop_status lop_piece_read(const lop_net *net, const lop_source *source, const lop_piece *piece, lop_dtype as,
                          void *out)
{
    const lop_tensor *t = piece->part.tensor;
    const int64_t step = rows_of(t, CHUNK_BYTES);
    for (int64_t done = 0; done < piece->rows; done += step) {
        const int64_t left = piece->rows - done, rows = left < step ? left : step;
        unsigned char *at = (unsigned char *)out + lop_dtype_bytes(as, (uint64_t)(done * row_elements(t)));
        LOP_TRY(read_rows(net, source, piece, piece->first + done, rows, as, at));
    }
    return LOP_OK;
}
