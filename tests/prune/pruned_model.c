/* pruned_model.c - what a prune wrote, unpacked. */
#include "tests/prune/pruned_model.h"

#include "core/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

void pruned_open(pruned_model *p, const char *folder)
{
    *p = (pruned_model){.masks.file.handle = -1};
    prune_ok(lop_checkpoint_open(folder, &p->file));
    prune_ok(lop_net_open(p->file, &p->net));
    prune_ok(lop_masks_open(in_folder(folder, LOP_MASKS_NAME), &p->masks));
}

void pruned_close(pruned_model *p)
{
    lop_masks_close(&p->masks);
    lop_net_close(&p->net);
    lop_checkpoint_close(p->file);
}

uint8_t *pruned_keep(const pruned_model *p, int32_t block, int linear, int32_t *rows, int32_t *cols)
{
    const lop_linear_file *l = &p->net.blocks[block].linear[linear];
    const lop_mask_entry *e = lop_masks_find(&p->masks, l->weight->name);
    assert_non_null(e);
    assert_true(e->rows == l->out && e->cols == l->in);
    unsigned char *bits = malloc((size_t)e->bytes);
    uint8_t *keep = malloc((size_t)e->rows * (size_t)e->cols);
    assert_true(bits != NULL && keep != NULL);
    prune_ok(lop_masks_read(&p->masks, e, bits));
    const int32_t line = (e->cols + 7) / 8;
    for (int32_t r = 0; r < e->rows; r++)
        for (int32_t c = 0; c < e->cols; c++)
            keep[(int64_t)r * e->cols + c] = bits[(int64_t)r * line + c / 8] >> (7 - c % 8) & 1;
    free(bits);
    *rows = e->rows;
    *cols = e->cols;
    return keep;
}

float *pruned_weights(const pruned_model *p, int32_t block, int linear)
{
    const lop_linear_file *l = &p->net.blocks[block].linear[linear];
    float *w = malloc((size_t)l->out * (size_t)l->in * sizeof *w);
    assert_non_null(w);
    prune_ok(lop_checkpoint_read(p->file, l->weight, 0, l->out, LOP_DTYPE_F32, w));
    return w;
}
