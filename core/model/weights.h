/* weights.h - a block's matrices from the file to the device, one block ahead of the work. Threads read pieces of tensors:
 * straight into the matrices where the device's memory is the host's, else into page-locked buffers from which a queue of
 * the reader's own takes them. The host never holds the model. */
#ifndef LOP_CORE_MODEL_WEIGHTS_H
#define LOP_CORE_MODEL_WEIGHTS_H

#include "core/device/arena.h"
#include "core/device/device.h"
#include "core/model/norm.h"

/* One linear on the device: views of the stacked matrices below. */
typedef struct lop_linear_view {
    lop_linear_id id;
    const char *name; /* the tensor's name with .weight; belongs to the checkpoint */
    lop_mat w;        /* (out, in) word */
    lop_mat bias;     /* (1, out) f32, or absent */
    lop_input_id input;
} lop_linear_view;

/* A block on the device. q, k, v rows are stacked in one matrix, gate and up in another: one product each. Biases are
 * f32 (1, out), absent where the model has none. */
#define LOP_STACKS 4 /* qkv, o, gate_up, down */

typedef struct lop_block {
    int32_t index;
    lop_norm norm_attention, norm_ffn;
    lop_mat qkv, qkv_bias;         /* (H hd + 2 KV hd, C) */
    lop_mat o, o_bias;             /* (C, H hd) */
    lop_mat gate_up, gate_up_bias; /* (2 F, C), or (F, C) without a gate */
    lop_mat down, down_bias;       /* (C, F) */
    lop_linear_view linears[LOP_LINEAR_COUNT];
    int32_t count; /* of linears, in module order */
    lop_mat room[LOP_STACKS],
        bias_room[LOP_STACKS]; /* the four stacks as they were placed, for the widest block */
} lop_block;

/* Places the matrices of a block of this net, of the widest, in the arena (which may only measure); contents undefined. */
LOP_CHECKED lop_status lop_block_place(lop_arena *a, const lop_net *net, lop_type word, lop_block *out);

/* Gives the matrices the shapes that block `index` has of a net whose blocks differ, packed at the start of where they were
 * placed, and leaves out what it does not have. Nothing for other nets. */
void lop_block_reshape(const lop_net *net, int32_t index, lop_block *block);

/* The weights of all linears of `from` into those of `to`, another block of the same net. Queued. */
LOP_CHECKED lop_status lop_block_copy_linears(lop_queue *q, const lop_block *from, const lop_block *to);

typedef struct lop_reader lop_reader;

/* Where a tensor's values come from: the checkpoint, or something that overrides it (what a resumed run has already
 * written). NULL fn: the checkpoint. The function gives rows [first, first + rows) as lop_checkpoint_read does, and is
 * called from several threads at once. It sets *taken to false to leave a tensor to the checkpoint. */
typedef lop_status lop_source_fn(void *user, const lop_tensor *t, int64_t first, int64_t rows, lop_dtype as,
                                 void *values, bool *taken);
typedef struct lop_source {
    lop_source_fn *fn;
    void *user;
} lop_source;

typedef struct lop_reader_plan {
    const lop_net *net;
    lop_device *device;
    const lop_source *source; /* NULL: the checkpoint */
    int32_t first, end;       /* blocks [first, end) are read, in order */
    lop_block *blocks;        /* placed, of any word; the caller's, and there until the reader is closed */
    int32_t count;            /* of them: with one more than are held, one is filled meanwhile */
    int32_t held;             /* of those handed out the last so many stay out; 0: one */
} lop_reader_plan;

/* Begins to read: some threads fill blocks[0], blocks[1], ... in turn, by a queue of their own. */
LOP_CHECKED lop_status lop_reader_open(const lop_reader_plan *plan, lop_reader **out);
void lop_reader_close(lop_reader *r);

/* Waits until the next block is read and hands it out: what is queued on `q` from now on sees its values; index and names
 * are set. The block handed out before (with `held`, so many before) goes back: what is queued on `q` so far may use it,
 * nothing later; with as many blocks as are read none is filled twice and all stay as they are.
 * LOP_E_FORMAT names a tensor with NaN or infinite weights and the first such element. */
LOP_CHECKED lop_status lop_reader_take(lop_reader *r, lop_queue *q, lop_block **out);

/* Bytes that a reader takes besides the blocks, for planning. */
size_t lop_reader_bytes(const lop_net *net, const lop_device *device, lop_place place);

#endif
