/* cuda_attend.cu - fused causal attention, forward: a block of threads takes a tile of queries of one head, walks over
 * the tiles of keys that they may see, and never writes a score. The softmax is a running one (docs/attention.md):
 *
 *   per row      top   the largest score met, or one that is at most SLACK below it in powers of 2
 *                sum   of p = 2^(c (s - top)), where c = scale log2(e)
 *                mix   of p v
 *   at the end   out = mix / sum, log_sum = scale top + ln(sum)
 *
 * Every block adds in one order, so the same input gives the same bits. */
#include "backends/cuda/cuda_heads.cuh"

#include <math_constants.h>

namespace
{

/* How far, in powers of 2, scores may outgrow `top` before mix and sum are scaled again: 2^8 costs no precision in f32,
 * stays below the largest f16, and most tiles then need no scaling. */
constexpr float SLACK = 8.0f;

/* The shape of a block's work: WARPS warps of BANDS x 16 queries each, KEYS keys at a time, BLOCKS to a multiprocessor.
 * Shared memory holds one tile each of q, k and v: v comes while q k^T is computed, the next k while p v is. */
template <typename Word_, int HD_, int BANDS_, int WARPS_, int KEYS_, int BLOCKS_> struct query_shape {
    using Word = Word_;
    static constexpr int HD = HD_, BANDS = BANDS_, WARPS = WARPS_, KEYS = KEYS_, BLOCKS = BLOCKS_;
    static constexpr int THREADS = 32 * WARPS, ROWS = 16 * BANDS, QUERIES = ROWS * WARPS;
    static constexpr uint32_t KEY_BYTES = tile_at<HD>(KEYS, 0), QUERY_BYTES = tile_at<HD>(QUERIES, 0);
    static constexpr uint32_t BYTES = QUERY_BYTES + 2 * KEY_BYTES;
    static_assert(BYTES <= SHARED_MOST);
};

/* One warp's rows. */
template <typename S> struct rows {
    float mix[S::BANDS][S::HD / 8][4];
    float top[S::BANDS][2], sum[S::BANDS][2];
};

template <typename S> __device__ inline void clear(rows<S> &r)
{
#pragma unroll
    for (int b = 0; b < S::BANDS; b++) {
#pragma unroll
        for (int d = 0; d < S::HD / 8; d++)
#pragma unroll
            for (int e = 0; e < 4; e++) r.mix[b][d][e] = 0.0f;
        r.top[b][0] = r.top[b][1] = -CUDART_INF_F;
        r.sum[b][0] = r.sum[b][1] = 0.0f;
    }
}

/* Whether a row of this warp sees a key of the tile, its first row being `back` behind the first key. */
template <typename S> __device__ inline bool meets(int back, int window)
{
    return back > -S::ROWS && (window <= 0 || back < window + S::KEYS - 1);
}

/* Raises `top` to the largest scores, and scales what was summed so far to it. */
template <typename S> __device__ inline void raise(rows<S> &r, const float (&most)[S::BANDS][2], float c)
{
#pragma unroll
    for (int b = 0; b < S::BANDS; b++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const float top = fmaxf(r.top[b][h], most[b][h]);
            const float factor = top == -CUDART_INF_F ? 1.0f : power_of_2(c * (r.top[b][h] - top));
            r.top[b][h] = top;
            r.sum[b][h] *= factor;
#pragma unroll
            for (int d = 0; d < S::HD / 8; d++) {
                r.mix[b][d][2 * h] *= factor;
                r.mix[b][d][2 * h + 1] *= factor;
            }
        }
}

/* Lets `top` follow where a score of this warp's has outgrown it by more than SLACK. */
template <typename S>
__device__ inline void follow(rows<S> &r, const float (&s)[S::BANDS][S::KEYS / 8][4], float c)
{
    float most[S::BANDS][2];
    bool grown = false;
#pragma unroll
    for (int b = 0; b < S::BANDS; b++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float m = fmaxf(s[b][0][2 * h], s[b][0][2 * h + 1]);
#pragma unroll
            for (int n = 1; n < S::KEYS / 8; n++) m = fmaxf(m, fmaxf(s[b][n][2 * h], s[b][n][2 * h + 1]));
            most[b][h] = quad_max(m);
            grown = grown || c * (most[b][h] - r.top[b][h]) > SLACK;
        }
    if (__any_sync(0xffffffffu, grown)) raise(r, most, c);
}

/* p = 2^(c (s - top)) in place of s, and sum += p. */
template <typename S> __device__ inline void soften(rows<S> &r, float (&s)[S::BANDS][S::KEYS / 8][4], float c)
{
#pragma unroll
    for (int b = 0; b < S::BANDS; b++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const float base = r.top[b][h] == -CUDART_INF_F ? 0.0f : c * r.top[b][h];
#pragma unroll
            for (int n = 0; n < S::KEYS / 8; n++)
#pragma unroll
                for (int e = 2 * h; e < 2 * h + 2; e++) {
                    s[b][n][e] = power_of_2(fmaf(c, s[b][n][e], -base));
                    r.sum[b][h] += s[b][n][e];
                }
        }
}

/* Divides by the sums and writes this warp's rows, from query `row` on, through its own rows of the tile of queries. */
template <typename S> __device__ inline void finish(const cuda_attend_call &c, rows<S> &r)
{
    const head_place at = block_head(c.heads);
    const int row = (gridDim.y - 1 - blockIdx.y) * S::QUERIES + threadIdx.x / 32 * S::ROWS;
    extern __shared__ uint4 memory[];
    const int lane = threadIdx.x % 32, left = c.tokens - row;
#pragma unroll
    for (int b = 0; b < S::BANDS; b++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const float sum = quad_sum(r.sum[b][h]), share = 1.0f / sum;
            const int down = 16 * b + 8 * h + lane / 4;
#pragma unroll
            for (int d = 0; d < S::HD / 8; d++) {
                r.mix[b][d][2 * h] *= share;
                r.mix[b][d][2 * h + 1] *= share;
            }
            if (c.log_sum.at && lane % 4 == 0 && down < left)
                c.log_sum
                    .at[(static_cast<int64_t>(at.sequence) * c.heads + at.head) * c.log_sum.ld + row + down] =
                    fmaf(c.scale, r.top[b][h], logf(sum));
        }
    typename S::Word *out = head_rows<S::HD, typename S::Word>(
        c.out, static_cast<int64_t>(at.sequence) * c.tokens + row, at.head);
    char *stage = reinterpret_cast<char *>(memory) + tile_at<S::HD>(threadIdx.x / 32 * S::ROWS, 0);
    store_results<typename S::Word, S::HD, S::BANDS>(r.mix, stage, out, c.out.ld, left);
}

template <typename S>
__global__ void __launch_bounds__(S::THREADS, S::BLOCKS) attend(const __grid_constant__ cuda_attend_call c)
{
    using Word = typename S::Word;
    constexpr int HD = S::HD, KEYS = S::KEYS, THREADS = S::THREADS;
    extern __shared__ uint4 memory[];
    const head_place at = block_head(c.heads);
    if (at.sequence >= c.sequences) return;
    const int first_row = (gridDim.y - 1 - blockIdx.y) * S::QUERIES; /* the longest tiles start first */
    const uint32_t queries = shared_address(memory), keys = queries + S::QUERY_BYTES,
                   values = keys + S::KEY_BYTES;
    const int key = c.window > 0 ? max(0, c.first + first_row - c.window + 1) / KEYS * KEYS : 0;
    int left = min(c.first + first_row + S::QUERIES, c.first + c.tokens) - key; /* keys to come */
    int back = c.first + first_row + threadIdx.x / 32 * S::ROWS -
               key; /* from the next key to this warp's first query */
    const int64_t key_row = static_cast<int64_t>(at.sequence) * (c.first + c.tokens) + key;
    const int key_head = at.head / (c.heads / c.kv_heads);
    const Word *q =
        head_rows<HD, Word>(c.q, static_cast<int64_t>(at.sequence) * c.tokens + first_row, at.head);
    const Word *k = lane_from<HD, THREADS>(head_rows<HD, Word>(c.k, key_row, key_head), c.k.ld);
    const Word *v = lane_from<HD, THREADS>(head_rows<HD, Word>(c.v, key_row, key_head), c.v.ld);
    copy_tile<S::QUERIES, HD, THREADS>(queries, lane_from<HD, THREADS>(q, c.q.ld), c.q.ld,
                                       c.tokens - first_row);
    copy_tile<KEYS, HD, THREADS>(keys, k, c.k.ld, left);
    copies_close();

    rows<S> r;
    clear(r);
    const uint32_t own = queries + tile_at<HD>(threadIdx.x / 32 * S::ROWS, 0) + lane_left<HD>();
#pragma unroll 1
    for (; left > 0; left -= KEYS, back -= KEYS) {
        float s[S::BANDS][KEYS / 8][4];
        copies_wait<0>();
        __syncthreads();
        copy_tile<KEYS, HD, THREADS>(values, v, c.v.ld, left);
        copies_close();
        v += KEYS * c.v.ld;
        if (meets<S>(back, c.window)) {
            rows_by_rows<Word, HD, S::BANDS, KEYS>(s, own, keys + lane_right<HD>());
            if (back < KEYS - 1 || (c.window > 0 && back > c.window - S::ROWS))
                hide(s, back + threadIdx.x % 32 / 4 - threadIdx.x % 4 * 2, c.window);
            follow(r, s, c.scale * LOG2_E);
            soften(r, s, c.scale * LOG2_E);
        }
        copies_wait<0>();
        __syncthreads();
        k += KEYS * c.k.ld;
        if (left > KEYS) copy_tile<KEYS, HD, THREADS>(keys, k, c.k.ld, left - KEYS);
        copies_close();
        if (meets<S>(back, c.window))
            results_by_rows<Word, HD, S::BANDS, KEYS>(r.mix, s, values + lane_right_turned<HD>());
    }
    finish(c, r);
}

template <typename S> cudaError_t launch(cudaStream_t stream, const cuda_attend_call &c)
{
    const int tiles = (c.tokens + S::QUERIES - 1) / S::QUERIES;
    const int64_t key_bytes = static_cast<int64_t>(c.first + c.tokens) * S::HD * 4 * c.kv_heads / c.heads;
    const dim3 grid = heads_grid(c.heads * c.sequences, tiles, key_bytes);
    return heads_launch(attend<S>, grid, S::THREADS, S::BYTES, stream, c);
}

template <typename Word> cudaError_t launch_word(cudaStream_t stream, const cuda_attend_call &c)
{
    switch (c.head_dim) {
    case 64:
        return launch<query_shape<Word, 64, 2, 4, 64, 2>>(stream, c);
    case 80:
        return launch<query_shape<Word, 80, 2, 4, 64, 2>>(stream, c);
    case 128:
        return launch<query_shape<Word, 128, 2, 4, 64, 2>>(stream, c);
    default:
        return cudaErrorInvalidValue;
    }
}

} // namespace

cudaError_t cuda_attend(cudaStream_t stream, const cuda_attend_call *call)
{
    return call->bf16 ? launch_word<__nv_bfloat16>(stream, *call) : launch_word<__half>(stream, *call);
}
