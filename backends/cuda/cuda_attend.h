/* cuda_attend.h - fused causal attention on the device: what a call hands over, and the functions that launch it.
 *
 * Sizes: S sequences, T query tokens each, P = first + T positions they may look at, H query heads, KV key heads that
 * groups of H / KV query heads share, hd head size: 64, 80 or 128. */
#ifndef LOP_BACKENDS_CUDA_ATTEND_H
#define LOP_BACKENDS_CUDA_ATTEND_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

/* Rows of 16-bit words on the device: the address of the first, and elements from one row to the next. Addresses and
 * strides are multiples of 16 bytes. */
typedef struct cuda_rows {
    void *at;
    int32_t ld;
} cuda_rows;

/* Rows of f32 on the device. */
typedef struct cuda_floats {
    float *at;
    int32_t ld;
} cuda_floats;

typedef struct cuda_attend_call {
    cuda_rows q, k, v, out; /* (S T, H hd), (S P, KV hd), (S P, KV hd), (S T, H hd) */
    cuda_rows d_out;        /* backward: (S T, H hd) */
    cuda_rows dq, dk, dv;   /* backward, written: as q, k, v */
    cuda_floats
        log_sum; /* (S H, T): natural logarithm of the softmax's denominator; forward: at NULL: not written */
    cuda_floats delta; /* backward, scratch (S H, T): sum over a row of d_out * out */
    int32_t heads, kv_heads, head_dim;
    int32_t sequences, tokens;
    int32_t first;  /* position of the first query */
    int32_t window; /* keys a query may look back over, itself included; 0: all */
    float scale;    /* of the scores, > 0 */
    bool bf16;      /* words are bf16; else f16 */
} cuda_attend_call;

#ifdef __cplusplus
extern "C" {
#endif

/* out = softmax(scale q k^T) v per head, over what is visible. Queued on `stream`. */
cudaError_t cuda_attend(cudaStream_t stream, const cuda_attend_call *call);

/* dq, dk, dv from d_out and forward's q, k, v, out and log_sum. Queued on `stream`. */
cudaError_t cuda_attend_back(cudaStream_t stream, const cuda_attend_call *call);

#ifdef __cplusplus
}
#endif

#endif
