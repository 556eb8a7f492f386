/* weights.c - where the matrices of a block lie on the device: stacks, and the views of the linears inside them. */
#include "core/model/weights.h"

/* A stack of linears of one input: rows of weights one below the other, biases one beside the other. */
typedef struct stack {
    lop_linear_id first, last; /* those of them that the family has */
    lop_mat *weights, *bias;
} stack;

static lop_status place_stack(lop_arena *a, const lop_block_file *file, lop_type word, const stack *s)
{
    int32_t rows = 0, cols = 0;
    bool bias = false;
    for (int id = (int)s->first; id <= (int)s->last; id++) {
        const lop_linear_file *l = &file->linear[id];
        if (l->weight == NULL) continue;
        rows += l->out;
        cols = l->in;
        bias = bias || l->bias != NULL;
    }
    LOP_TRY(lop_arena_mat(a, rows, cols, word, s->weights));
    return bias ? lop_arena_mat(a, 1, rows, LOP_F32, s->bias) : LOP_OK;
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
    const lop_block_file *file = &net->blocks[0];
    const stack stacks[] = {{LOP_LINEAR_Q, LOP_LINEAR_V, &out->qkv, &out->qkv_bias},
                            {LOP_LINEAR_O, LOP_LINEAR_O, &out->o, &out->o_bias},
                            {LOP_LINEAR_GATE, LOP_LINEAR_UP, &out->gate_up, &out->gate_up_bias},
                            {LOP_LINEAR_DOWN, LOP_LINEAR_DOWN, &out->down, &out->down_bias}};
    LOP_TRY(lop_norm_place(a, net, &out->norm_attention));
    LOP_TRY(lop_norm_place(a, net, &out->norm_ffn));
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
        LOP_TRY(place_stack(a, file, word, &stacks[i]));
        view_stack(file, &stacks[i], out);
    }
    return LOP_OK;
}

lop_status lop_block_copy_linears(lop_queue *q, const lop_block *from, const lop_block *to)
{
    LOP_TRY(lop_cast(q, from->qkv, to->qkv));
    LOP_TRY(lop_cast(q, from->o, to->o));
    LOP_TRY(lop_cast(q, from->gate_up, to->gate_up));
    return lop_cast(q, from->down, to->down);
}
