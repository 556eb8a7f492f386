/* cuda_heads.cuh - where a block of threads of the fused attention stands: which sequence, head and tile are its own, where
 * their rows lie, and which scores of a tile are not to be seen. */
#ifndef LOP_BACKENDS_CUDA_HEADS_CUH
#define LOP_BACKENDS_CUDA_HEADS_CUH

#include "backends/cuda/cuda_attend.h"
#include "backends/cuda/cuda_mma.cuh"

#include <math_constants.h>

constexpr unsigned SHARED_MOST = 163 << 10; /* shared memory that a block of threads of sm_80 may have */

struct head_place {
    int sequence, head;
};

/* Grids are (near, tiles, groups of heads) and start in that order: tile after tile among `near` heads of all sequences,
 * whose rows stay in the level 2 cache together. The last group may be short: then sequence >= sequences. */
__device__ inline head_place block_head(int heads)
{
    const int all = blockIdx.z * gridDim.x + blockIdx.x;
    return {all / heads, all % heads};
}

/* The grid over `heads` heads of all sequences, each with `bytes` to keep near. */
inline dim3 heads_grid(int heads, int tiles, int64_t bytes)
{
    constexpr int64_t NEAR_BYTES =
        16 << 20; /* a share of the cache that leaves room for what passes through it */
    const int64_t fit = NEAR_BYTES / (bytes > 0 ? bytes : 1);
    const int near = fit < 1 ? 1 : fit > heads ? heads : static_cast<int>(fit);
    return dim3(near, tiles, (heads + near - 1) / near);
}

/* Columns of a head of N words from row `row` on. */
template <int N, typename Word> __device__ inline Word *head_rows(const cuda_rows &m, int64_t row, int head)
{
    return static_cast<Word *>(m.at) + row * m.ld + head * N;
}

/* Scores that a query may not see become minus infinity. Rows are queries and columns keys, or, TURNED, the other way
 * round; `back` is how far this lane's first query stands behind its first key. */
template <bool TURNED = false, int BANDS, int TILES>
__device__ inline void hide(float (&s)[BANDS][TILES][4], int back, int window)
{
#pragma unroll
    for (int b = 0; b < BANDS; b++)
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int step = 16 * b + e / 2 * 8 - 8 * n - e % 2;
                const int far = TURNED ? back - step : back + step;
                if (far < 0 || (window > 0 && far >= window)) s[b][n][e] = -CUDART_INF_F;
            }
}

/* Raises a kernel's limit of shared memory and launches it. */
template <typename Kernel>
cudaError_t heads_launch(Kernel kernel, dim3 grid, int threads, uint32_t bytes, cudaStream_t stream,
                         const cuda_attend_call &c)
{
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
    if (error != cudaSuccess) return error;
    kernel<<<grid, threads, bytes, stream>>>(c);
    return cudaGetLastError();
}

#endif
