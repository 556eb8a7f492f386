/* weights.c - where the matrices of a block lie on the device: stacks, and the views of the linears inside them. */
#include "core/model/weights.h"

/* A stack of linears of one input: rows of weights one below the other, biases one beside the other. */
typedef struct stack {
    lop_linear_id first, last; /* those of them that the family has */
    lop_mat *weights, *bias;
} stack;

static void find_stacks(lop_block *b, stack out[LOP_STACKS])
{
    out[0] = (stack){LOP_LINEAR_Q, LOP_LINEAR_V, &b->qkv, &b->qkv_bias};
    out[1] = (stack){LOP_LINEAR_O, LOP_LINEAR_O, &b->o, &b->o_bias};
    out[2] = (stack){LOP_LINEAR_GATE, LOP_LINEAR_UP, &b->gate_up, &b->gate_up_bias};
    out[3] = (stack){LOP_LINEAR_DOWN, LOP_LINEAR_DOWN, &b->down, &b->down_bias};
}

/* What a block's linears of a stack have together; 0 rows: it has none of them. */
typedef struct stack_shape {
    int32_t rows, cols;
    bool bias;
} stack_shape;

static stack_shape shape_of(const lop_block_file *file, const stack *s)
{
    stack_shape shape = {0, 0, false};
    for (int id = (int)s->first; id <= (int)s->last; id++) {
        const lop_linear_file *l = &file->linear[id];
        if (l->weight == NULL) continue;
        shape.rows += l->out;
        shape.cols = l->in;
        shape.bias = shape.bias || l->bias != NULL;
    }
    return shape;
}

static lop_status place_stack(lop_arena *a, const lop_block_file *file, lop_type word, const stack *s)
{
    const stack_shape shape = shape_of(file, s);
    LOP_TRY(lop_arena_mat(a, shape.rows, shape.cols, word, s->weights));
    return shape.bias ? lop_arena_mat(a, 1, shape.rows, LOP_F32, s->bias) : LOP_OK;
}

/* A measuring arena gives matrices without memory: views of them are as empty. */
static void view_stack(const lop_block_file *file, const stack *s, lop_block *out)
{
    int32_t row = 0;
    for (int id = (int)s->first; id <= (int)s->last; id++) {
        const lop_linear_file *l = &file->linear[id];
        if (l->weight == NULL) continue;
        lop_linear_view *view = &out->linears[out->count++];
        *view = (lop_linear_view){.id = (lop_linear_id)id, .name = l->weight->name, .input = l->input};
        view->w = lop_mat_rows(*s->weights, row, l->out);
        if (l->bias) view->bias = lop_mat_cols(*s->bias, row, l->out);
        row += l->out;
    }
}

lop_status lop_block_place(lop_arena *a, const lop_net *net, lop_type word, lop_block *out)
{
    *out = (lop_block){.index = -1};
    const lop_block_file *file = &net->widest;
    stack stacks[LOP_STACKS];
    find_stacks(out, stacks);
    LOP_TRY(lop_norm_place(a, net, &out->norm_attention));
    LOP_TRY(lop_norm_place(a, net, &out->norm_ffn));
    for (size_t i = 0; i < LOP_STACKS; i++) {
        LOP_TRY(place_stack(a, file, word, &stacks[i]));
        view_stack(file, &stacks[i], out);
        out->room[i] = *stacks[i].weights;
        out->bias_room[i] = *stacks[i].bias;
    }
    return LOP_OK;
}

static void reshape_stack(const lop_block_file *file, const stack *s, lop_mat room, lop_mat bias_room)
{
    const stack_shape shape = shape_of(file, s);
    *s->weights = *s->bias = LOP_NONE;
    if (shape.rows == 0) return;
    *s->weights = lop_mat_of(room.buf, room.at, shape.rows, shape.cols, room.type);
    if (shape.bias) *s->bias = lop_mat_cols(bias_room, 0, shape.rows);
}

void lop_block_reshape(const lop_net *net, int32_t index, lop_block *block)
{
    const lop_block_file *file = &net->blocks[index];
    if (!net->config->uneven) return;
    stack stacks[LOP_STACKS];
    find_stacks(block, stacks);
    block->count = 0;
    for (size_t i = 0; i < LOP_STACKS; i++) {
        reshape_stack(file, &stacks[i], block->room[i], block->bias_room[i]);
        view_stack(file, &stacks[i], block);
    }
}

lop_status lop_block_copy_linears(lop_queue *q, const lop_block *from, const lop_block *to)
{
    LOP_TRY(lop_cast(q, from->qkv, to->qkv));
    LOP_TRY(lop_cast(q, from->o, to->o));
    LOP_TRY(lop_cast(q, from->gate_up, to->gate_up));
    return lop_cast(q, from->down, to->down);
}
