/* bench_stages.c - the operations of a block forward at their own shapes and strides, one by one. */
#include "bench/bench_stages.h"

#include "bench/timing.h"
#include "core/base/memory.h"
#include "core/model/attention.h"

enum { REPS = 3, FFN_ROWS = 2048 };

typedef struct parts {
    const block_rig *r;
    lop_mat normed, qkv, mixed, gate_up, gated, table;
    lop_attention_args attention;
} parts;

static lop_status run_norm(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    (void)turn;
    return lop_norm_rows(q, &p->r->net, &p->r->block.norm_attention, p->r->x, p->normed);
}

static lop_status run_qkv(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    (void)turn;
    return lop_linear(q, p->normed, p->r->block.qkv, LOP_NONE, p->qkv);
}

static lop_status run_rope(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    const lop_config *c = p->r->net.config;
    (void)turn;
    return lop_rope(q, lop_mat_cols(p->qkv, 0, (c->heads + c->kv_heads) * c->head_dim), c->head_dim, p->table,
                    p->r->tokens);
}

static lop_status run_attention(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    (void)turn;
    return lop_attention(q, &p->attention);
}

static lop_status add(lop_queue *q, lop_mat in, lop_mat w, lop_mat x)
{
    const lop_gemm_args args = {.a = in, .b = w, .c = x, .tb = true, .alpha = 1.0f, .beta = 1.0f, .count = 1};
    return lop_gemm(q, &args);
}

static lop_status run_o(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    (void)turn;
    return add(q, p->mixed, p->r->block.o, p->r->x);
}

static lop_status run_gate_up(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    (void)turn;
    return lop_linear(q, lop_mat_rows(p->normed, 0, p->gate_up.rows), p->r->block.gate_up, LOP_NONE,
                      p->gate_up);
}

static lop_status run_gate(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    const int32_t ffn = p->r->net.config->ffn;
    const bool has_gate = p->gate_up.cols > ffn;
    (void)turn;
    return lop_gate(q, p->r->net.gate, lop_mat_cols(p->gate_up, 0, ffn),
                    has_gate ? lop_mat_cols(p->gate_up, ffn, ffn) : LOP_NONE,
                    lop_mat_rows(p->gated, 0, p->gate_up.rows));
}

static lop_status run_down(void *user, lop_queue *q, int turn)
{
    const parts *p = user;
    (void)turn;
    return add(q, p->gated, p->r->block.down, p->r->x);
}

/* `times`: how often a forward does it. */
static const struct {
    const char *name;
    bench_fn *fn;
    int times;
} table[] = {{"norm", run_norm, 2},           {"qkv", run_qkv, 1},  {"rope", run_rope, 1},
             {"attention", run_attention, 1}, {"o", run_o, 1},      {"gate_up", run_gate_up, 1},
             {"gate", run_gate, 1},           {"down", run_down, 1}};

static lop_status place(lop_arena *a, parts *p)
{
    const block_rig *r = p->r;
    const lop_config *c = r->net.config;
    const lop_type word = r->block.o.type;
    const int32_t rows = r->x.rows, wide = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    int32_t tile_rows, tile_cols;
    lop_mat tile;
    lop_attention_tile(c->heads, r->tokens, r->tokens, &tile_rows, &tile_cols);
    LOP_TRY(lop_arena_mat(a, rows, c->hidden, word, &p->normed));
    LOP_TRY(lop_arena_mat(a, rows, wide + 2 * kv, word, &p->qkv));
    LOP_TRY(lop_arena_mat(a, rows, wide, word, &p->mixed));
    LOP_TRY(lop_arena_mat(a, tile_rows, tile_cols, word, &tile));
    LOP_TRY(lop_arena_mat(a, rows < FFN_ROWS ? rows : FFN_ROWS, r->block.gate_up.rows, word, &p->gate_up));
    LOP_TRY(lop_arena_mat(a, rows, c->ffn, word, &p->gated));
    LOP_TRY(lop_arena_mat(a, r->tokens, c->head_dim, LOP_F32, &p->table));
    LOP_TRY(lop_mat_zero(r->queue, p->gated));
    p->attention = (lop_attention_args){.q = lop_mat_cols(p->qkv, 0, wide),
                                        .k = lop_mat_cols(p->qkv, wide, kv),
                                        .v = lop_mat_cols(p->qkv, wide + kv, kv),
                                        .out = p->mixed,
                                        .tile = tile,
                                        .heads = c->heads,
                                        .kv_heads = c->kv_heads,
                                        .head_dim = c->head_dim,
                                        .sequences = r->batch,
                                        .tokens = r->tokens,
                                        .window = c->window};
    return LOP_OK;
}

/* The angles: any will do, but none that would grow or shrink what is turned: cosines 1, sines 0. */
static lop_status turn_nothing(lop_queue *q, lop_mat angles)
{
    float *host = NULL;
    LOP_TRY(lop_alloc((size_t)angles.rows * (size_t)angles.cols, sizeof *host, &host));
    for (int64_t i = 0; i < lop_mat_elements(angles); i++)
        host[i] = i % angles.cols < angles.cols / 2 ? 1.0f : 0.0f;
    const lop_status status = lop_upload(q, host, angles);
    lop_free(host);
    return status;
}

static lop_status time_parts(bench *b, parts *p, json_t *out)
{
    const double calls = p->r->x.rows > FFN_ROWS ? (double)p->r->x.rows / FFN_ROWS : 1.0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bench_stats stats;
        const bool in_pieces = table[i].fn == run_gate_up || table[i].fn == run_gate;
        if (table[i].fn == run_rope && p->r->net.config->rope.kind == LOP_ROPE_NONE) continue;
        LOP_TRY(bench_time(&b->queue, bench_reps(b, REPS), 0.0, table[i].fn, p, &stats));
        (void)json_object_set_new(
            out, table[i].name, json_real(stats.ns_min * 1e-6 * table[i].times * (in_pieces ? calls : 1.0)));
    }
    return LOP_OK;
}

lop_status bench_stages(bench *b, const block_rig *r, json_t **out)
{
    parts p = {.r = r};
    lop_arena *arena = NULL;
    lop_status status = LOP_OK;
    *out = json_object();
    LOP_TRY_DONE(lop_arena_open(b->device, LOP_ON_DEVICE, 0, &arena));
    LOP_TRY_DONE(place(arena, &p));
    LOP_TRY_DONE(turn_nothing(&b->queue, p.table));
    LOP_TRY_DONE(lop_stream_load(&b->queue, &r->input, 0, lop_mat_rows(r->x, 0, r->batch * r->tokens)));
    status = time_parts(b, &p, *out);
done:
    lop_arena_close(arena);
    if (status != LOP_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}
