/* ref_back.c - one sequence through a block forward, keeping everything, and back. */
#include "tests/ref/ref_back.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What forward leaves, and gradients of the same shapes. */
typedef struct kept {
    double *attention_sum, *middle, *ffn_sum, *normed, *q, *k, *v, *mixed, *normed_ffn, *gate, *up, *gated;
} kept;

static void add_product(const ref_linear *l, int T, const double *x, const double *dy, double *dw, double *dx)
{
    for (int t = 0; t < T; t++)
        for (int r = 0; r < l->rows; r++) {
            const double d = dy[(int64_t)t * l->rows + r];
            const double *xt = x + (int64_t)t * l->cols, *w = l->w + (int64_t)r * l->cols;
            double *dwr = dw + (int64_t)r * l->cols, *dxt = dx + (int64_t)t * l->cols;
            for (int c = 0; c < l->cols; c++) {
                dwr[c] += d * xt[c];
                dxt[c] += d * w[c];
            }
        }
}

/* dx += the gradient through a norm: with n = (x - mean) s and t = dy gain it is s (t - mean(t) - n mean(n t)); by the root
 * mean square neither mean is taken. */
static void norm_back(int T, int C, const double *x, const ref_norm *norm, double eps, const double *dy,
                      double *dx)
{
    for (int t = 0; t < T; t++, x += C, dy += C, dx += C) {
        double mean = 0.0, level = 0.0, squares = 0.0, shared = 0.0;
        for (int c = 0; norm->bias != NULL && c < C; c++) {
            mean += x[c] / C;
            level += dy[c] * norm->gain[c] / C;
        }
        for (int c = 0; c < C; c++) {
            squares += (x[c] - mean) * (x[c] - mean);
            shared += (x[c] - mean) * dy[c] * norm->gain[c];
        }
        const double s = 1.0 / sqrt(squares / C + eps);
        for (int c = 0; c < C; c++)
            dx[c] += s * (dy[c] * norm->gain[c] - level) - (x[c] - mean) * s * s * s * shared / C;
    }
}

/* Pairs turned by the negative angles: mirrored, turned, mirrored. */
static void rope_back(const ref_rope *rope, int T, int heads, int D, double *x)
{
    if (rope->kind == REF_ROPE_NONE) return;
    for (int turn = 0; turn < 2; turn++) {
        for (int64_t i = 0; i < (int64_t)T * heads * D; i++)
            if (i % D >= D / 2) x[i] = -x[i];
        if (turn == 0) ref_rope_apply(rope, T, heads, D, x);
    }
}

static double dot(int n, const double *a, const double *b)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* One query at q over the keys [from, to), `step` apart; share has room for twice as many. */
typedef struct query {
    const double *q, *k, *v, *dy;
    double *dq, *dk, *dv, *share;
    int D, from, to;
    int64_t step;
} query;

static void query_back(const query *a)
{
    const double scale = 1.0 / sqrt((double)a->D);
    double *share = a->share, *dp = a->share + a->to, top = -INFINITY, sum = 0.0, mean = 0.0;
    for (int s = a->from; s < a->to; s++) {
        share[s] = scale * dot(a->D, a->q, a->k + s * a->step);
        top = fmax(top, share[s]);
    }
    for (int s = a->from; s < a->to; s++) sum += share[s] = exp(share[s] - top);
    for (int s = a->from; s < a->to; s++) {
        share[s] /= sum;
        dp[s] = dot(a->D, a->dy, a->v + s * a->step);
        mean += share[s] * dp[s];
    }
    for (int s = a->from; s < a->to; s++) {
        const double ds = scale * share[s] * (dp[s] - mean);
        for (int d = 0; d < a->D; d++) {
            a->dq[d] += ds * a->k[s * a->step + d];
            a->dk[s * a->step + d] += ds * a->q[d];
            a->dv[s * a->step + d] += share[s] * a->dy[d];
        }
    }
}

static void attention_back(const ref_model *m, int window, int T, const kept *f, const kept *g)
{
    const int D = m->head_dim, H = m->heads, K = m->kv_heads;
    double *share = ref_doubles((int64_t)2 * T);
    for (int h = 0; h < H; h++)
        for (int t = 0; t < T; t++) {
            const int64_t at = ((int64_t)t * H + h) * D, shared = (int64_t)(h * K / H) * D;
            const int from = window > 0 && t + 1 > window ? t + 1 - window : 0;
            const query one = {f->q + at, f->k + shared, f->v + shared, g->mixed + at,
                               g->q + at, g->k + shared, g->v + shared, share,
                               D,         from,          t + 1,         (int64_t)K * D};
            query_back(&one);
        }
    free(share);
}

static kept kept_open(const ref_model *m, int T)
{
    const int64_t C = (int64_t)T * m->hidden, F = (int64_t)T * m->ffn, D = (int64_t)T * m->head_dim;
    return (kept){.attention_sum = ref_doubles(C),
                  .middle = ref_doubles(C),
                  .ffn_sum = ref_doubles(C),
                  .normed = ref_doubles(C),
                  .q = ref_doubles(D * m->heads),
                  .k = ref_doubles(D * m->kv_heads),
                  .v = ref_doubles(D * m->kv_heads),
                  .mixed = ref_doubles(D * m->heads),
                  .normed_ffn = ref_doubles(C),
                  .gate = ref_doubles(F),
                  .up = ref_doubles(F),
                  .gated = ref_doubles(F)};
}

static void kept_close(const kept *f)
{
    double *const all[] = {f->attention_sum, f->middle,     f->ffn_sum, f->normed, f->q,    f->k, f->v,
                           f->mixed,         f->normed_ffn, f->gate,    f->up,     f->gated};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

/* What a half's linears take of the stream x. */
static void enter(const ref_model *m, const ref_norm *norm, int T, const double *x, double *u)
{
    if (m->norm_after)
        memcpy(u, x, (size_t)T * (size_t)m->hidden * sizeof *u);
    else
        ref_norm_apply(T, m->hidden, x, norm, m->norm_eps, u);
}

/* sum += x, and what goes on of it. */
static void leave(const ref_model *m, const ref_norm *norm, int T, const double *x, double *sum, double *y)
{
    for (int64_t i = 0; i < (int64_t)T * m->hidden; i++) sum[i] += x[i];
    if (m->norm_after)
        ref_norm_apply(T, m->hidden, sum, norm, m->norm_eps, y);
    else
        memcpy(y, sum, (size_t)T * (size_t)m->hidden * sizeof *y);
}

static void forward(const ref_model *m, const ref_block *b, int T, const double *x, const kept *f)
{
    const ref_attention a = {T, m->heads, m->kv_heads, m->head_dim, b->window};
    const int gated = b->linear[REF_GATE].rows > 0;
    enter(m, &b->norm_attention, T, x, f->normed);
    ref_linear_apply(&b->linear[REF_Q], T, f->normed, f->q);
    ref_linear_apply(&b->linear[REF_K], T, f->normed, f->k);
    ref_linear_apply(&b->linear[REF_V], T, f->normed, f->v);
    ref_rope_apply(&m->rope, T, m->heads, m->head_dim, f->q);
    ref_rope_apply(&m->rope, T, m->kv_heads, m->head_dim, f->k);
    ref_attention_apply(&a, f->q, f->k, f->v, f->mixed);
    ref_linear_apply(&b->linear[REF_O], T, f->mixed, f->attention_sum);
    leave(m, &b->norm_attention, T, x, f->attention_sum, f->middle);
    enter(m, &b->norm_ffn, T, f->middle, f->normed_ffn);
    if (gated) ref_linear_apply(&b->linear[REF_GATE], T, f->normed_ffn, f->gate);
    ref_linear_apply(&b->linear[REF_UP], T, f->normed_ffn, f->up);
    for (int64_t i = 0; i < (int64_t)T * m->ffn; i++)
        f->gated[i] = gated ? ref_activation_apply(m->activation, f->gate[i]) * f->up[i]
                            : ref_activation_apply(m->activation, f->up[i]);
    ref_linear_apply(&b->linear[REF_DOWN], T, f->gated, f->ffn_sum);
    for (int64_t i = 0; i < (int64_t)T * m->hidden; i++) f->ffn_sum[i] += f->middle[i];
}

/* dy behind a half becomes that of its sum. */
static void sum_back(const ref_model *m, const ref_norm *norm, int T, const double *sum, double *dy)
{
    const int64_t size = (int64_t)T * m->hidden;
    if (!m->norm_after) return;
    double *d = ref_doubles(size);
    norm_back(T, m->hidden, sum, norm, m->norm_eps, dy, d);
    memcpy(dy, d, (size_t)size * sizeof *dy);
    free(d);
}

/* dy of a half's sum grows by what comes through its linears, whose input has the gradient du. */
static void stream_back(const ref_model *m, const ref_norm *norm, int T, const double *x, const double *du,
                        double *dy)
{
    if (!m->norm_after) {
        norm_back(T, m->hidden, x, norm, m->norm_eps, du, dy);
        return;
    }
    for (int64_t i = 0; i < (int64_t)T * m->hidden; i++) dy[i] += du[i];
}

/* From g->gated those of gate and up. */
static void gate_back(const ref_model *m, int gated, int T, const kept *f, const kept *g)
{
    for (int64_t i = 0; i < (int64_t)T * m->ffn; i++) {
        if (gated) {
            g->gate[i] = g->gated[i] * f->up[i] * ref_activation_slope(m->activation, f->gate[i]);
            g->up[i] = g->gated[i] * ref_activation_apply(m->activation, f->gate[i]);
        } else {
            g->up[i] = g->gated[i] * ref_activation_slope(m->activation, f->up[i]);
        }
    }
}

void ref_block_backward(const ref_model *m, int block, int T, const double *x, double *dy,
                        double *const dw[REF_LINEARS])
{
    const ref_block *b = &m->block[block];
    const kept f = kept_open(m, T), g = kept_open(m, T);
    const int gated = b->linear[REF_GATE].rows > 0;
    forward(m, b, T, x, &f);
    sum_back(m, &b->norm_ffn, T, f.ffn_sum, dy);
    add_product(&b->linear[REF_DOWN], T, f.gated, dy, dw[REF_DOWN], g.gated);
    gate_back(m, gated, T, &f, &g);
    if (gated) add_product(&b->linear[REF_GATE], T, f.normed_ffn, g.gate, dw[REF_GATE], g.normed_ffn);
    add_product(&b->linear[REF_UP], T, f.normed_ffn, g.up, dw[REF_UP], g.normed_ffn);
    stream_back(m, &b->norm_ffn, T, f.middle, g.normed_ffn, dy);
    sum_back(m, &b->norm_attention, T, f.attention_sum, dy);
    add_product(&b->linear[REF_O], T, f.mixed, dy, dw[REF_O], g.mixed);
    attention_back(m, b->window, T, &f, &g);
    rope_back(&m->rope, T, m->heads, m->head_dim, g.q);
    rope_back(&m->rope, T, m->kv_heads, m->head_dim, g.k);
    add_product(&b->linear[REF_Q], T, f.normed, g.q, dw[REF_Q], g.normed);
    add_product(&b->linear[REF_K], T, f.normed, g.k, dw[REF_K], g.normed);
    add_product(&b->linear[REF_V], T, f.normed, g.v, dw[REF_V], g.normed);
    stream_back(m, &b->norm_attention, T, x, g.normed, dy);
    kept_close(&g);
    kept_close(&f);
}
