/* ref_model.h - a language model of the llama, mistral, qwen2 and opt families in double precision: plain arrays, plain loops,
 * no device, nothing of the library's but the standard types. What the library computes is held against it.
 *
 * Letters: T tokens of a window, C hidden width, H query heads, K key and value heads, D head size, F
 * feed-forward width, V vocabulary. Every matrix is row-major and packed. */
#ifndef LOP_TESTS_REF_MODEL_H
#define LOP_TESTS_REF_MODEL_H

#include <stdint.h>

typedef enum ref_rope_kind { REF_ROPE_PLAIN, REF_ROPE_LINEAR, REF_ROPE_LLAMA3, REF_ROPE_NONE } ref_rope_kind;

typedef struct ref_rope {
    ref_rope_kind kind;
    double theta;
    double factor, low_freq_factor, high_freq_factor; /* LINEAR uses factor; LLAMA3 all */
    double original_positions;                        /* LLAMA3 */
} ref_rope;

/* The linears of a block, in the order in which masks and reports list them. */
typedef enum ref_linear_name {
    REF_Q,
    REF_K,
    REF_V,
    REF_O,
    REF_GATE,
    REF_UP,
    REF_DOWN,
    REF_LINEARS
} ref_linear_name;

typedef struct ref_linear { /* y = x w^T + bias */
    int rows, cols;         /* outputs, inputs */
    double *w;              /* (rows, cols) */
    const double *bias;     /* (rows), or NULL */
} ref_linear;

/* By their root mean square, or with a bias (C) layer normalisation. */
typedef struct ref_norm {
    const double *gain, *bias;
} ref_norm;

/* A family without a gate has no REF_GATE: 0 by 0. */
typedef enum ref_activation { REF_ACT_SILU, REF_ACT_RELU, REF_ACT_GELU } ref_activation;

typedef struct ref_block {
    ref_norm norm_attention, norm_ffn;
    ref_linear linear[REF_LINEARS];
    int window; /* keys a query sees, itself counted; 0: all before it */
} ref_block;

typedef struct ref_model {
    int blocks, hidden, ffn, heads, kv_heads, head_dim, vocab;
    int width; /* columns of embedding and head: E */
    double norm_eps;
    int norm_after; /* norms stand behind the sums of the halves, not before their linears */
    ref_activation activation;
    ref_rope rope;
    const double *embedding; /* (V, E) */
    const double *positions; /* (P, C), or NULL */
    ref_linear in, out;      /* (C, E), (E, C): projections; 0 by 0 where there are none */
    ref_norm norm;           /* before the head; gain NULL: none */
    const double *head;      /* (V, E); a tied head points at the embedding */
    ref_block *block;        /* blocks */
} ref_model;

/* Zeroed memory for `count` doubles; a test program that gets none ends. The caller frees with free(). */
double *ref_doubles(int64_t count);

/* y = x w^T + bias.  Shapes: x (T, cols), y (T, rows). */
void ref_linear_apply(const ref_linear *linear, int T, const double *x, double *y);

/* y = x gain / sqrt(mean(x^2) + eps), or (x - mean) gain / sqrt(variance + eps) + bias, row by row.  Shapes: x, y (T, C); y
 * may be x. */
void ref_norm_apply(int T, int C, const double *x, const ref_norm *norm, double eps, double *y);

/* f(x), and its derivative at x. */
double ref_activation_apply(ref_activation kind, double x);
double ref_activation_slope(ref_activation kind, double x);

/* The angle per position of frequency j < D/2. Sources: RoFormer; Hugging Face `linear` and `llama3`
 * scaling. */
double ref_rope_frequency(const ref_rope *rope, int D, int j);

/* Rotates the pairs (j, j + D/2) of each of `heads` heads by position times frequency.  Shape: x (T, heads *
 * D). */
void ref_rope_apply(const ref_rope *rope, int T, int heads, int D, double *x);

/* Causal attention, query head h reading key and value head h K / H.
 * Shapes: q, y (T, H D), k and v (T, K D). */
typedef struct ref_attention {
    int T, H, K, D, window;
} ref_attention;
void ref_attention_apply(const ref_attention *a, const double *q, const double *k, const double *v,
                         double *y);

/* Where statistics are taken: the four distinct inputs of a block's linears. */
typedef enum ref_place { REF_AT_QKV, REF_AT_O, REF_AT_GATE_UP, REF_AT_DOWN, REF_PLACES } ref_place;
ref_place ref_place_of(ref_linear_name name);

/* Sees the input x (T, cols) of a place as window `window` passes. Windows may come from several threads at
 * once. */
typedef struct ref_tap {
    void (*see)(void *user, int window, ref_place place, int T, int cols, const double *x);
    void *user;
} ref_tap;

/* Carries x (T, C), the residual stream of one window, through a block in place. `tap` may be NULL. */
void ref_block_forward(const ref_model *m, int block, int window, int T, double *x, const ref_tap *tap);

/* The same for windows x (windows, T, C), in parallel over windows; the numbers do not depend on the
 * threads. */
void ref_block_forward_all(const ref_model *m, int block, int windows, int T, double *x, const ref_tap *tap);

/* x (T, C) receives the embeddings of the ids. */
void ref_embed(const ref_model *m, int T, const int32_t *ids, double *x);

/* Logits (T, V) of one window from position 0. */
void ref_logits(const ref_model *m, int T, const int32_t *ids, double *logits);

/* Mean of -log p(next token), in nats, over the T - 1 predictions of each of `windows` windows, each fed
 * alone. */
double ref_nll(const ref_model *m, int windows, int T, const int32_t *ids);

#endif
