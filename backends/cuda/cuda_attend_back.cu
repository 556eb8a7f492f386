/* cuda_attend_back.cu - fused causal attention, backward, in three kernels (docs/attention.md has the formulas):
 *
 *   delta    per query: the sum of d_out * out
 *   keys     a block takes a tile of keys of one key head and walks over the queries that see it, head after head of the
 *            group: p^T and ds^T stay in registers, dk and dv are summed there
 *   queries  a block takes a tile of queries of one head and walks over the keys that they see: dq is summed in registers
 *
 * Scores are computed anew in both, from log_sum. Nothing is added to memory, so the same input gives the same bits. */
#include "backends/cuda/cuda_heads.cuh"

namespace
{

/* ---- delta */

enum { DELTA_LANES = 16, DELTA_THREADS = 256 };

/* DELTA_LANES lanes take one head of one row, 8 words each. */
template <typename Word, int HD>
__global__ void __launch_bounds__(DELTA_THREADS) attend_delta(const __grid_constant__ cuda_attend_call c)
{
    const int64_t pair = (static_cast<int64_t>(blockIdx.x) * DELTA_THREADS + threadIdx.x) / DELTA_LANES;
    const int64_t row = min(pair / c.heads, static_cast<int64_t>(c.sequences) * c.tokens - 1);
    const int head = static_cast<int>(pair % c.heads), piece = threadIdx.x % DELTA_LANES;
    float sum = 0.0f;
    if (piece < HD / 8) {
        const uint4 a = reinterpret_cast<const uint4 *>(head_rows<HD, const Word>(c.out, row, head))[piece];
        const uint4 b = reinterpret_cast<const uint4 *>(head_rows<HD, const Word>(c.d_out, row, head))[piece];
        const uint32_t x[4] = {a.x, a.y, a.z, a.w}, y[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float2 s = floats_of(Word(), x[i]), t = floats_of(Word(), y[i]);
            sum = fmaf(s.x, t.x, fmaf(s.y, t.y, sum));
        }
    }
#pragma unroll
    for (int step = DELTA_LANES / 2; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (piece == 0 && pair < static_cast<int64_t>(c.sequences) * c.tokens * c.heads)
        c.delta.at[(row / c.tokens * c.heads + head) * c.delta.ld + row % c.tokens] = sum;
}

template <typename Word, int HD> cudaError_t launch_delta(cudaStream_t stream, const cuda_attend_call &c)
{
    const int64_t lanes = static_cast<int64_t>(c.sequences) * c.tokens * c.heads * DELTA_LANES;
    const unsigned blocks = static_cast<unsigned>((lanes + DELTA_THREADS - 1) / DELTA_THREADS);
    attend_delta<Word, HD><<<blocks, DELTA_THREADS, 0, stream>>>(c);
    return cudaGetLastError();
}

/* ---- dk and dv */

/* WARPS warps of 16 keys each, QUERIES queries at a time in two tiles each of q and d_out. */
template <typename Word_, int HD_, int WARPS_, int QUERIES_, int BLOCKS_> struct back_key_shape {
    using Word = Word_;
    static constexpr int HD = HD_, WARPS = WARPS_, QUERIES = QUERIES_, BLOCKS = BLOCKS_;
    static constexpr int THREADS = 32 * WARPS, KEYS = 16 * WARPS;
    static constexpr uint32_t KEY_BYTES = tile_at<HD>(KEYS, 0), QUERY_BYTES = tile_at<HD>(QUERIES, 0);
    static constexpr uint32_t FLOAT_BYTES = QUERIES * 4, STAGE_BYTES = 2 * QUERY_BYTES + 2 * FLOAT_BYTES;
    static constexpr uint32_t BYTES = 2 * KEY_BYTES + 2 * STAGE_BYTES;
    static_assert(BYTES <= SHARED_MOST);
};

/* Starts the copies of a stage: rows of q and d_out of a head, their log_sum and delta. */
template <typename S>
__device__ inline void copy_queries(const cuda_attend_call &c, uint32_t stage, int sequence, int head,
                                    int token)
{
    using Word = typename S::Word;
    constexpr int HD = S::HD, THREADS = S::THREADS;
    const int64_t row = static_cast<int64_t>(sequence) * c.tokens + token;
    const int left = c.tokens - token;
    const Word *q = head_rows<HD, const Word>(c.q, row, head),
               *d = head_rows<HD, const Word>(c.d_out, row, head);
    copy_tile<S::QUERIES, HD, THREADS>(stage, lane_from<HD, THREADS>(q, c.q.ld), c.q.ld, left);
    copy_tile<S::QUERIES, HD, THREADS>(stage + S::QUERY_BYTES, lane_from<HD, THREADS>(d, c.d_out.ld),
                                       c.d_out.ld, left);
    const uint32_t floats = stage + 2 * S::QUERY_BYTES;
    for (int i = threadIdx.x; i < 2 * S::QUERIES; i += THREADS) {
        const int t = i % S::QUERIES;
        const cuda_floats &from = i < S::QUERIES ? c.log_sum : c.delta;
        copy_4(floats + 4 * i,
               from.at + static_cast<int64_t>(sequence * c.heads + head) * from.ld + token + t, t < left);
    }
}

/* p^T and ds^T, without the scale, of this warp's keys and a stage of queries; `back` is how far this lane's first column,
 * a query, stands behind its first row, a key. */
template <typename S>
__device__ inline void turned_scores(const cuda_attend_call &c, uint32_t stage, const float *floats,
                                     uint32_t own, int back, bool edge, float (&p)[1][S::QUERIES / 8][4],
                                     float (&ds)[1][S::QUERIES / 8][4])
{
    using Word = typename S::Word;
    const int lane = threadIdx.x % 32;
    rows_by_rows<Word, S::HD, 1, S::QUERIES>(p, own, stage + lane_right<S::HD>());
    if (edge) hide<true>(p, back, c.window);
    rows_by_rows<Word, S::HD, 1, S::QUERIES>(ds, own + S::KEY_BYTES,
                                             stage + S::QUERY_BYTES + lane_right<S::HD>());
#pragma unroll
    for (int n = 0; n < S::QUERIES / 8; n++) {
        const float2 log_sum = *reinterpret_cast<const float2 *>(floats + 8 * n + lane % 4 * 2);
        const float2 delta = *reinterpret_cast<const float2 *>(floats + S::QUERIES + 8 * n + lane % 4 * 2);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const float base = LOG2_E * (e % 2 ? log_sum.y : log_sum.x);
            p[0][n][e] = power_of_2(fmaf(c.scale * LOG2_E, p[0][n][e], -base));
            ds[0][n][e] = p[0][n][e] * (ds[0][n][e] - (e % 2 ? delta.y : delta.x));
        }
    }
}

template <typename S>
__global__ void __launch_bounds__(S::THREADS, S::BLOCKS)
    attend_back_keys(const __grid_constant__ cuda_attend_call c)
{
    using Word = typename S::Word;
    constexpr int HD = S::HD, QUERIES = S::QUERIES, KEYS = S::KEYS, THREADS = S::THREADS;
    extern __shared__ uint4 memory[];
    const head_place at = block_head(c.kv_heads);
    if (at.sequence >= c.sequences) return;
    const int first_key = blockIdx.y * KEYS, positions = c.first + c.tokens, group = c.heads / c.kv_heads;
    const uint32_t keys = shared_address(memory), stages = keys + 2 * S::KEY_BYTES;
    const int64_t key_row = static_cast<int64_t>(at.sequence) * positions + first_key;
    const Word *k = head_rows<HD, const Word>(c.k, key_row, at.head),
               *v = head_rows<HD, const Word>(c.v, key_row, at.head);
    copy_tile<KEYS, HD, THREADS>(keys, lane_from<HD, THREADS>(k, c.k.ld), c.k.ld, positions - first_key);
    copy_tile<KEYS, HD, THREADS>(keys + S::KEY_BYTES, lane_from<HD, THREADS>(v, c.v.ld), c.v.ld,
                                 positions - first_key);

    /* Queries [from, to) see a key of this tile; `from` need not be the first. */
    const int from = max(0, first_key - c.first) / QUERIES * QUERIES;
    const int to = c.window > 0 ? min(c.tokens, first_key + KEYS - 1 + c.window - c.first) : c.tokens;
    const int first_head = at.head * group;
    const int turns = from < to ? (to - from + QUERIES - 1) / QUERIES * group : 0;
    if (turns > 0) copy_queries<S>(c, stages, at.sequence, first_head, from);
    copies_close();

    float dk[1][HD / 8][4] = {}, dv[1][HD / 8][4] = {};
    const int warp_row = threadIdx.x / 32 * 16, lane = threadIdx.x % 32;
    const uint32_t own = keys + tile_at<HD>(warp_row, 0) + lane_left<HD>();
    int head = first_head, token = from;
#pragma unroll 1
    for (int turn = 0; turn < turns; turn++) {
        const uint32_t stage = stages + turn % 2 * S::STAGE_BYTES;
        const float *floats =
            reinterpret_cast<const float *>(reinterpret_cast<const char *>(memory) + 2 * S::KEY_BYTES +
                                            turn % 2 * S::STAGE_BYTES + 2 * S::QUERY_BYTES);
        const int back =
            c.first + token - first_key - warp_row; /* from this warp's first key to the first query */
        token += QUERIES;
        if (token >= to) token = from, head++;
        copies_wait<0>();
        __syncthreads();
        if (turn + 1 < turns)
            copy_queries<S>(c, stages + (turn + 1) % 2 * S::STAGE_BYTES, at.sequence, head, token);
        copies_close();
        if (back <= -QUERIES || (c.window > 0 && back - 15 >= c.window)) continue;
        const bool edge = back < 15 || (c.window > 0 && back + QUERIES > c.window);
        float p[1][QUERIES / 8][4], ds[1][QUERIES / 8][4];
        turned_scores<S>(c, stage, floats, own, back + lane % 4 * 2 - lane / 4, edge, p, ds);
        results_by_rows<Word, HD, 1, QUERIES>(dv, p, stage + S::QUERY_BYTES + lane_right_turned<HD>());
        results_by_rows<Word, HD, 1, QUERIES>(dk, ds, stage + lane_right_turned<HD>());
    }
    copies_wait<0>();
    __syncthreads();
#pragma unroll
    for (int d = 0; d < HD / 8; d++)
#pragma unroll
        for (int e = 0; e < 4; e++) dk[0][d][e] *= c.scale;
    char *stage = reinterpret_cast<char *>(memory) + tile_at<HD>(warp_row, 0);
    const int left = positions - first_key - warp_row;
    store_results<Word, HD, 1>(dk, stage, head_rows<HD, Word>(c.dk, key_row + warp_row, at.head), c.dk.ld,
                               left);
    store_results<Word, HD, 1>(dv, stage + S::KEY_BYTES,
                               head_rows<HD, Word>(c.dv, key_row + warp_row, at.head), c.dv.ld, left);
}

template <typename S> cudaError_t launch_keys(cudaStream_t stream, const cuda_attend_call &c)
{
    const int tiles = (c.first + c.tokens + S::KEYS - 1) / S::KEYS;
    const int64_t query_bytes = static_cast<int64_t>(c.tokens) * S::HD * 4 * (c.heads / c.kv_heads);
    const dim3 grid = heads_grid(c.kv_heads * c.sequences, tiles, query_bytes);
    return heads_launch(attend_back_keys<S>, grid, S::THREADS, S::BYTES, stream, c);
}

/* ---- dq */

/* WARPS warps of BANDS x 16 queries each, KEYS keys at a time in two tiles each of k and v. */
template <typename Word_, int HD_, int BANDS_, int WARPS_, int KEYS_, int BLOCKS_> struct back_query_shape {
    using Word = Word_;
    static constexpr int HD = HD_, BANDS = BANDS_, WARPS = WARPS_, KEYS = KEYS_, BLOCKS = BLOCKS_;
    static constexpr int THREADS = 32 * WARPS, ROWS = 16 * BANDS, QUERIES = ROWS * WARPS;
    static constexpr uint32_t KEY_BYTES = tile_at<HD>(KEYS, 0), QUERY_BYTES = tile_at<HD>(QUERIES, 0);
    static constexpr uint32_t STAGE_BYTES = 2 * KEY_BYTES, BYTES = 2 * QUERY_BYTES + 2 * STAGE_BYTES;
    static_assert(BYTES <= SHARED_MOST);
};

/* What a warp's rows are held against: log_sum in powers of 2, and delta. */
template <typename S> struct row_sums {
    float base[S::BANDS][2], delta[S::BANDS][2];
};

/* `row`: this warp's first query; rows past the last get 0. */
template <typename S>
__device__ inline void load_sums(const cuda_attend_call &c, const head_place &at, int row, row_sums<S> &sums)
{
    const int64_t head = static_cast<int64_t>(at.sequence) * c.heads + at.head;
#pragma unroll
    for (int b = 0; b < S::BANDS; b++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int t = row + 16 * b + 8 * h + threadIdx.x % 32 / 4;
            sums.base[b][h] = t < c.tokens ? LOG2_E * c.log_sum.at[head * c.log_sum.ld + t] : 0.0f;
            sums.delta[b][h] = t < c.tokens ? c.delta.at[head * c.delta.ld + t] : 0.0f;
        }
}

/* ds, without the scale, of this warp's queries and a stage of keys; `back` is how far this lane's first row, a query,
 * stands behind its first column, a key. */
template <typename S>
__device__ inline void scores(const cuda_attend_call &c, uint32_t stage, uint32_t own,
                              const row_sums<S> &sums, int back, bool edge,
                              float (&ds)[S::BANDS][S::KEYS / 8][4])
{
    using Word = typename S::Word;
    float p[S::BANDS][S::KEYS / 8][4];
    rows_by_rows<Word, S::HD, S::BANDS, S::KEYS>(p, own, stage + lane_right<S::HD>());
    if (edge) hide(p, back, c.window);
    rows_by_rows<Word, S::HD, S::BANDS, S::KEYS>(ds, own + S::QUERY_BYTES,
                                                 stage + S::KEY_BYTES + lane_right<S::HD>());
#pragma unroll
    for (int b = 0; b < S::BANDS; b++)
#pragma unroll
        for (int n = 0; n < S::KEYS / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const float x = power_of_2(fmaf(c.scale * LOG2_E, p[b][n][e], -sums.base[b][e / 2]));
                ds[b][n][e] = x * (ds[b][n][e] - sums.delta[b][e / 2]);
            }
}

template <typename S>
__global__ void __launch_bounds__(S::THREADS, S::BLOCKS)
    attend_back_queries(const __grid_constant__ cuda_attend_call c)
{
    using Word = typename S::Word;
    constexpr int HD = S::HD, KEYS = S::KEYS, THREADS = S::THREADS;
    extern __shared__ uint4 memory[];
    const head_place at = block_head(c.heads);
    if (at.sequence >= c.sequences) return;
    const int first_row = (gridDim.y - 1 - blockIdx.y) * S::QUERIES; /* the longest tiles start first */
    const int warp_row = threadIdx.x / 32 * S::ROWS;
    const uint32_t queries = shared_address(memory), stages = queries + 2 * S::QUERY_BYTES;
    const int64_t row = static_cast<int64_t>(at.sequence) * c.tokens + first_row;
    const Word *q = head_rows<HD, const Word>(c.q, row, at.head),
               *d = head_rows<HD, const Word>(c.d_out, row, at.head);
    copy_tile<S::QUERIES, HD, THREADS>(queries, lane_from<HD, THREADS>(q, c.q.ld), c.q.ld,
                                       c.tokens - first_row);
    copy_tile<S::QUERIES, HD, THREADS>(queries + S::QUERY_BYTES, lane_from<HD, THREADS>(d, c.d_out.ld),
                                       c.d_out.ld, c.tokens - first_row);

    const int key = c.window > 0 ? max(0, c.first + first_row - c.window + 1) / KEYS * KEYS : 0;
    int left = min(c.first + first_row + S::QUERIES, c.first + c.tokens) - key; /* keys to come */
    int back = c.first + first_row + warp_row - key; /* from the next key to this warp's first query */
    const int64_t key_row = static_cast<int64_t>(at.sequence) * (c.first + c.tokens) + key;
    const int key_head = at.head / (c.heads / c.kv_heads);
    const Word *k = lane_from<HD, THREADS>(head_rows<HD, const Word>(c.k, key_row, key_head), c.k.ld);
    const Word *v = lane_from<HD, THREADS>(head_rows<HD, const Word>(c.v, key_row, key_head), c.v.ld);
    copy_tile<KEYS, HD, THREADS>(stages, k, c.k.ld, left);
    copy_tile<KEYS, HD, THREADS>(stages + S::KEY_BYTES, v, c.v.ld, left);
    copies_close();

    float dq[S::BANDS][HD / 8][4] = {};
    row_sums<S> sums;
    load_sums<S>(c, at, first_row + warp_row, sums);
    const uint32_t own = queries + tile_at<HD>(warp_row, 0) + lane_left<HD>();
    uint32_t stage = 0;
#pragma unroll 1
    for (; left > 0; left -= KEYS, back -= KEYS, stage ^= S::STAGE_BYTES) {
        copies_wait<0>();
        __syncthreads();
        k += KEYS * c.k.ld;
        v += KEYS * c.v.ld;
        if (left > KEYS) {
            copy_tile<KEYS, HD, THREADS>(stages + (stage ^ S::STAGE_BYTES), k, c.k.ld, left - KEYS);
            copy_tile<KEYS, HD, THREADS>(stages + (stage ^ S::STAGE_BYTES) + S::KEY_BYTES, v, c.v.ld,
                                         left - KEYS);
        }
        copies_close();
        if (back <= -S::ROWS || (c.window > 0 && back >= c.window + KEYS - 1)) continue;
        const bool edge = back < KEYS - 1 || (c.window > 0 && back > c.window - S::ROWS);
        float ds[S::BANDS][KEYS / 8][4];
        scores<S>(c, stages + stage, own, sums, back + threadIdx.x % 32 / 4 - threadIdx.x % 4 * 2, edge, ds);
        results_by_rows<Word, HD, S::BANDS, KEYS>(dq, ds, stages + stage + lane_right_turned<HD>());
    }
    copies_wait<0>();
#pragma unroll
    for (int b = 0; b < S::BANDS; b++)
#pragma unroll
        for (int n = 0; n < HD / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) dq[b][n][e] *= c.scale;
    store_results<Word, HD, S::BANDS>(dq, reinterpret_cast<char *>(memory) + tile_at<HD>(warp_row, 0),
                                      head_rows<HD, Word>(c.dq, row + warp_row, at.head), c.dq.ld,
                                      c.tokens - first_row - warp_row);
}

template <typename S> cudaError_t launch_queries(cudaStream_t stream, const cuda_attend_call &c)
{
    const int tiles = (c.tokens + S::QUERIES - 1) / S::QUERIES;
    const int64_t key_bytes = static_cast<int64_t>(c.first + c.tokens) * S::HD * 4 * c.kv_heads / c.heads;
    const dim3 grid = heads_grid(c.heads * c.sequences, tiles, key_bytes);
    return heads_launch(attend_back_queries<S>, grid, S::THREADS, S::BYTES, stream, c);
}

/* ---- all three */

template <typename Keys, typename Queries>
cudaError_t launch_back(cudaStream_t stream, const cuda_attend_call &c)
{
    cudaError_t error = launch_delta<typename Keys::Word, Keys::HD>(stream, c);
    if (error == cudaSuccess) error = launch_keys<Keys>(stream, c);
    if (error == cudaSuccess) error = launch_queries<Queries>(stream, c);
    return error;
}

template <typename Word> cudaError_t launch_back_word(cudaStream_t stream, const cuda_attend_call &c)
{
    switch (c.head_dim) {
    case 64:
        return launch_back<back_key_shape<Word, 64, 8, 64, 1>, back_query_shape<Word, 64, 2, 4, 64, 2>>(
            stream, c);
    case 80:
        return launch_back<back_key_shape<Word, 80, 4, 64, 2>, back_query_shape<Word, 80, 2, 4, 32, 2>>(
            stream, c);
    case 128:
        return launch_back<back_key_shape<Word, 128, 8, 64, 1>, back_query_shape<Word, 128, 2, 4, 32, 2>>(
            stream, c);
    default:
        return cudaErrorInvalidValue;
    }
}

} // namespace

cudaError_t cuda_attend_back(cudaStream_t stream, const cuda_attend_call *call)
{
    return call->bf16 ? launch_back_word<__nv_bfloat16>(stream, *call)
                      : launch_back_word<__half>(stream, *call);
}
