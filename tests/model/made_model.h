/* made_model.h - small models of any shape with seeded random weights, written to a folder of their own for a test. */
#ifndef LOP_TESTS_MODEL_MADE_MODEL_H
#define LOP_TESTS_MODEL_MADE_MODEL_H

#include "core/io/dtype.h"

#include <stdbool.h>
#include <stdint.h>

/* What is 0 or NULL takes the value in brackets. */
typedef struct made_shape {
    const char *family;       /* ["llama"] */
    int32_t blocks;           /* [2] */
    int32_t hidden, ffn;      /* [64, 96] */
    int32_t heads, kv_heads;  /* [4, 2] */
    int32_t head_dim;         /* [16] */
    int32_t vocab, positions; /* [300, 1024] */
    bool tied, head_only;     /* head_only: a tied matrix that is stored as lm_head.weight */
    bool bias;                /* of all linears (qwen2: of q, k and v); OPT has them unless no_bias */
    bool no_bias;
    bool hidden_bias;                  /* the file has biases that its config denies */
    int32_t window;                    /* mistral's sliding_window [none] */
    const char *rope_scaling;          /* JSON object [null] */
    const char *prefix;                /* of OPT's tensors ["model.decoder."] */
    const char *activation;            /* ["silu", OPT: "relu"] */
    int32_t embedding;                 /* columns of OPT's embedding, where these are projected [none] */
    bool norm_after;                   /* OPT: do_layer_norm_before is false */
    bool norm_plain;                   /* OPT: norms without weights */
    bool no_final_norm;                /* OPT: _remove_final_layer_norm */
    const int32_t *each_kv, *each_ffn; /* what every block has left, of no bias [all of it] */
    lop_dtype dtype;                   /* F32, F16 or BF16 [F32] */
    const char *left_out;              /* a tensor that is not written [none] */
    const char *widened;               /* a tensor that gets one column too many [none] */
} made_shape;

typedef struct made_model {
    made_shape shape; /* as filled in */
    char folder[64];
} made_model;

/* Writes config.json and model.safetensors; fails the running test when it cannot. */
made_model made_model_open(made_shape shape);
void made_model_close(const made_model *m);

/* Path of model.safetensors, in static memory. */
const char *made_model_file(const made_model *m);

/* Token ids below the vocabulary, seeded. */
void made_model_ids(const made_model *m, int32_t *ids, int64_t count);

#endif
