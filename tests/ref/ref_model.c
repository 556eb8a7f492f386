/* ref_model.c - the forward pass of llama, mistral, qwen2 and opt in double precision.
 *
 * Sources: RMSNorm, Zhang and Sennrich 2019; rotary positions, RoFormer, in the half-split layout of Hugging
 * Face; grouped-query attention, Ainslie et al. 2023; SwiGLU, Shazeer 2020. The only liberty taken with the
 * formulas is the order of loops: four tokens share one pass over a row of weights. */
#include "tests/ref/ref_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double *ref_doubles(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof(double));
    if (out == NULL) {
        fprintf(stderr, "the reference needs %lld doubles and there is no memory\n", (long long)count);
        exit(1);
    }
    return out;
}

static double dot(int n, const double *a, const double *b)
{
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Four rows of x, n apart, against one row of weights. */
static void dot_four(int n, const double *x, const double *w, double out[4])
{
    const double *x1 = x + n, *x2 = x1 + n, *x3 = x2 + n;
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (int i = 0; i < n; i++) {
        s0 += x[i] * w[i];
        s1 += x1[i] * w[i];
        s2 += x2[i] * w[i];
        s3 += x3[i] * w[i];
    }
    out[0] = s0, out[1] = s1, out[2] = s2, out[3] = s3;
}

void ref_linear_apply(const ref_linear *linear, int T, const double *x, double *y)
{
    const int rows = linear->rows, cols = linear->cols;
    int t = 0;
    for (; t + 4 <= T; t += 4) {
        for (int r = 0; r < rows; r++) {
            double four[4];
            dot_four(cols, x + (int64_t)t * cols, linear->w + (int64_t)r * cols, four);
            const double bias = linear->bias == NULL ? 0.0 : linear->bias[r];
            for (int k = 0; k < 4; k++) y[(int64_t)(t + k) * rows + r] = four[k] + bias;
        }
    }
    for (; t < T; t++) {
        for (int r = 0; r < rows; r++) {
            const double bias = linear->bias == NULL ? 0.0 : linear->bias[r];
            y[(int64_t)t * rows + r] = dot(cols, x + (int64_t)t * cols, linear->w + (int64_t)r * cols) + bias;
        }
    }
}

void ref_norm_apply(int T, int C, const double *x, const ref_norm *norm, double eps, double *y)
{
    for (int t = 0; t < T; t++, x += C, y += C) {
        double mean = 0.0, squares = 0.0;
        for (int c = 0; norm->bias != NULL && c < C; c++) mean += x[c] / C;
        for (int c = 0; c < C; c++) squares += (x[c] - mean) * (x[c] - mean);
        const double scale = 1.0 / sqrt(squares / C + eps);
        for (int c = 0; c < C; c++)
            y[c] = (x[c] - mean) * scale * norm->gain[c] + (norm->bias != NULL ? norm->bias[c] : 0.0);
    }
}

double ref_activation_apply(ref_activation kind, double x)
{
    if (kind == REF_ACT_SILU) return x / (1.0 + exp(-x));
    if (kind == REF_ACT_GELU) return 0.5 * x * erfc(-x * 0.70710678118654752440);
    return x > 0.0 ? x : 0.0;
}

double ref_activation_slope(ref_activation kind, double x)
{
    const double part = 1.0 / (1.0 + exp(-x));
    if (kind == REF_ACT_SILU) return part * (1.0 + x * (1.0 - part));
    if (kind == REF_ACT_GELU)
        return 0.5 * erfc(-x * 0.70710678118654752440) + x * exp(-0.5 * x * x) * 0.39894228040143267794;
    return x > 0.0 ? 1.0 : 0.0;
}

double ref_rope_frequency(const ref_rope *rope, int D, int j)
{
    const double plain = pow(rope->theta, -2.0 * j / D);
    if (rope->kind == REF_ROPE_PLAIN) return plain;
    if (rope->kind == REF_ROPE_LINEAR) return plain / rope->factor;
    const double pi = 3.14159265358979323846;
    const double wavelength = 2.0 * pi / plain;
    if (wavelength < rope->original_positions / rope->high_freq_factor) return plain;
    if (wavelength > rope->original_positions / rope->low_freq_factor) return plain / rope->factor;
    const double blend = (rope->original_positions / wavelength - rope->low_freq_factor) /
                         (rope->high_freq_factor - rope->low_freq_factor);
    return (1.0 - blend) * plain / rope->factor + blend * plain;
}

void ref_rope_apply(const ref_rope *rope, int T, int heads, int D, double *x)
{
    const int half = rope->kind == REF_ROPE_NONE ? 0 : D / 2;
    for (int j = 0; j < half; j++) {
        const double frequency = ref_rope_frequency(rope, D, j);
        for (int t = 0; t < T; t++) {
            const double c = cos(t * frequency), s = sin(t * frequency);
            for (int h = 0; h < heads; h++) {
                double *pair = x + ((int64_t)t * heads + h) * D + j;
                const double first = pair[0], second = pair[half];
                pair[0] = first * c - second * s;
                pair[half] = second * c + first * s;
            }
        }
    }
}

/* One query against the keys [from, to): softmax(q k / sqrt(D)) v into y. `weight` has room for the keys. */
static void attend(const ref_attention *a, const double *q, const double *k, const double *v, int from,
                   int to, double *weight, double *y)
{
    const int64_t step = (int64_t)a->K * a->D;
    const double scale = 1.0 / sqrt((double)a->D);
    double top = -INFINITY, sum = 0.0;
    for (int s = from; s < to; s++) {
        weight[s] = scale * dot(a->D, q, k + s * step);
        if (weight[s] > top) top = weight[s];
    }
    for (int s = from; s < to; s++) {
        weight[s] = exp(weight[s] - top);
        sum += weight[s];
    }
    memset(y, 0, (size_t)a->D * sizeof(double));
    for (int s = from; s < to; s++) {
        for (int d = 0; d < a->D; d++) y[d] += weight[s] / sum * v[s * step + d];
    }
}

void ref_attention_apply(const ref_attention *a, const double *q, const double *k, const double *v, double *y)
{
    double *weight = ref_doubles(a->T);
    for (int h = 0; h < a->H; h++) {
        const int64_t shared = (int64_t)(h * a->K / a->H) * a->D;
        for (int t = 0; t < a->T; t++) {
            const int from = a->window > 0 && t - a->window + 1 > 0 ? t - a->window + 1 : 0;
            const int64_t at = ((int64_t)t * a->H + h) * a->D;
            attend(a, q + at, k + shared, v + shared, from, t + 1, weight, y + at);
        }
    }
    free(weight);
}

ref_place ref_place_of(ref_linear_name name)
{
    if (name <= REF_V) return REF_AT_QKV;
    if (name == REF_O) return REF_AT_O;
    return name == REF_DOWN ? REF_AT_DOWN : REF_AT_GATE_UP;
}

static void tap_see(const ref_tap *tap, int window, ref_place place, int T, int cols, const double *x)
{
    if (tap != NULL) tap->see(tap->user, window, place, T, cols, x);
}

static void add(int64_t n, const double *x, double *y)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

/* The input of a half's linears, and the stream behind its sum. */
static void enter_half(const ref_model *m, const ref_norm *norm, int T, const double *x, double *u)
{
    if (m->norm_after)
        memcpy(u, x, (size_t)T * (size_t)m->hidden * sizeof *u);
    else
        ref_norm_apply(T, m->hidden, x, norm, m->norm_eps, u);
}

static void leave_half(const ref_model *m, const ref_norm *norm, int T, double *x)
{
    if (m->norm_after) ref_norm_apply(T, m->hidden, x, norm, m->norm_eps, x);
}

/* x += W_o attention(norm(x)), or x = norm(x + W_o attention(x)).  u (T, C) is scratch. */
static void attention_forward(const ref_model *m, const ref_block *b, int window, int T, double *x, double *u,
                              const ref_tap *tap)
{
    const int q_cols = m->heads * m->head_dim, kv_cols = m->kv_heads * m->head_dim;
    double *q = ref_doubles((int64_t)T * q_cols), *k = ref_doubles((int64_t)T * kv_cols);
    double *v = ref_doubles((int64_t)T * kv_cols), *y = ref_doubles((int64_t)T * q_cols);
    enter_half(m, &b->norm_attention, T, x, u);
    tap_see(tap, window, REF_AT_QKV, T, m->hidden, u);
    ref_linear_apply(&b->linear[REF_Q], T, u, q);
    ref_linear_apply(&b->linear[REF_K], T, u, k);
    ref_linear_apply(&b->linear[REF_V], T, u, v);
    ref_rope_apply(&m->rope, T, m->heads, m->head_dim, q);
    ref_rope_apply(&m->rope, T, m->kv_heads, m->head_dim, k);
    const ref_attention a = {T, m->heads, m->kv_heads, m->head_dim, b->window};
    ref_attention_apply(&a, q, k, v, y);
    tap_see(tap, window, REF_AT_O, T, q_cols, y);
    ref_linear_apply(&b->linear[REF_O], T, y, u);
    add((int64_t)T * m->hidden, u, x);
    leave_half(m, &b->norm_attention, T, x);
    free(y), free(v), free(k), free(q);
}

/* x += W_down (f(W_gate u) * (W_up u)), or W_down f(W_up u), u = norm(x); or the norm behind the sum. */
static void ffn_forward(const ref_model *m, const ref_block *b, int window, int T, double *x, double *u,
                        const ref_tap *tap)
{
    const int64_t size = (int64_t)T * m->ffn;
    const int gated = b->linear[REF_GATE].rows > 0;
    double *gate = ref_doubles(size), *up = ref_doubles(size);
    enter_half(m, &b->norm_ffn, T, x, u);
    tap_see(tap, window, REF_AT_GATE_UP, T, m->hidden, u);
    if (gated) ref_linear_apply(&b->linear[REF_GATE], T, u, gate);
    ref_linear_apply(&b->linear[REF_UP], T, u, up);
    for (int64_t i = 0; i < size; i++)
        up[i] = gated ? up[i] * ref_activation_apply(m->activation, gate[i])
                      : ref_activation_apply(m->activation, up[i]);
    tap_see(tap, window, REF_AT_DOWN, T, m->ffn, up);
    ref_linear_apply(&b->linear[REF_DOWN], T, up, u);
    add((int64_t)T * m->hidden, u, x);
    leave_half(m, &b->norm_ffn, T, x);
    free(up), free(gate);
}

void ref_block_forward(const ref_model *m, int block, int window, int T, double *x, const ref_tap *tap)
{
    double *u = ref_doubles((int64_t)T * m->hidden);
    attention_forward(m, &m->block[block], window, T, x, u, tap);
    ffn_forward(m, &m->block[block], window, T, x, u, tap);
    free(u);
}

void ref_block_forward_all(const ref_model *m, int block, int windows, int T, double *x, const ref_tap *tap)
{
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < windows; i++) ref_block_forward(m, block, i, T, x + (int64_t)i * T * m->hidden, tap);
}

void ref_embed(const ref_model *m, int T, const int32_t *ids, double *x)
{
    for (int t = 0; t < T; t++) {
        const double *row = m->embedding + (int64_t)ids[t] * m->width;
        double *to = x + (int64_t)t * m->hidden;
        if (m->in.rows > 0)
            ref_linear_apply(&m->in, 1, row, to);
        else
            memcpy(to, row, (size_t)m->hidden * sizeof(double));
        if (m->positions != NULL) add(m->hidden, m->positions + (int64_t)t * m->hidden, to);
    }
}

void ref_logits(const ref_model *m, int T, const int32_t *ids, double *logits)
{
    double *x = ref_doubles((int64_t)T * m->hidden), *u = ref_doubles((int64_t)T * m->width);
    ref_embed(m, T, ids, x);
    for (int b = 0; b < m->blocks; b++) ref_block_forward(m, b, 0, T, x, NULL);
    if (m->norm.gain != NULL) ref_norm_apply(T, m->hidden, x, &m->norm, m->norm_eps, x);
    if (m->out.rows > 0) ref_linear_apply(&m->out, T, x, u);
    const ref_linear head = {m->vocab, m->width, (double *)(uintptr_t)m->head, NULL};
    ref_linear_apply(&head, T, m->out.rows > 0 ? u : x, logits);
    free(u), free(x);
}

static double nll_row(int V, const double *logit, int32_t target)
{
    double top = logit[0], sum = 0.0;
    for (int i = 1; i < V; i++) top = logit[i] > top ? logit[i] : top;
    for (int i = 0; i < V; i++) sum += exp(logit[i] - top);
    return top + log(sum) - logit[target];
}

double ref_nll(const ref_model *m, int windows, int T, const int32_t *ids)
{
    double *sums = ref_doubles(windows), total = 0.0;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < windows; i++) {
        const int32_t *own = ids + (int64_t)i * T;
        double *logits = ref_doubles((int64_t)T * m->vocab);
        ref_logits(m, T, own, logits);
        for (int t = 0; t + 1 < T; t++)
            sums[i] += nll_row(m->vocab, logits + (int64_t)t * m->vocab, own[t + 1]);
        free(logits);
    }
    for (int i = 0; i < windows; i++) total += sums[i];
    free(sums);
    return total / ((double)windows * (T - 1));
}
