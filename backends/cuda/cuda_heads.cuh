/* cuda_heads.cuh - where a block of threads of the fused attention stands: which sequence, head and tile are its own, and
 * where their rows lie. */
#ifndef LOP_BACKENDS_CUDA_HEADS_CUH
#define LOP_BACKENDS_CUDA_HEADS_CUH

#include "backends/cuda/cuda_attend.h"
#include "backends/cuda/cuda_mma.cuh"

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
