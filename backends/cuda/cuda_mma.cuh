/* cuda_mma.cuh - tiles of 16-bit words between device memory, shared memory and tensor cores: the words in which the
 * fused attention is written. Instructions are those of compute capability 8.0.
 *
 * A tile in shared memory has rows of N + 8 words, where N is a multiple of 16. A row is then an odd number of 16-byte
 * pieces, so the same column of 8 neighbouring rows lies in 8 different groups of banks: ldmatrix meets no conflict, and
 * every address is a lane's own start plus a constant. */
#ifndef LOP_BACKENDS_CUDA_MMA_CUH
#define LOP_BACKENDS_CUDA_MMA_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

enum { TILE_PAD = 8 };                /* words behind each row of a tile */
constexpr float LOG2_E = 1.44269504f; /* exponentials are powers of 2 */
constexpr float LN_2 = 0.693147181f;

/* ---- words */

__device__ inline uint32_t pair_of(__half, float low, float high)
{
    const __half2 both = __floats2half2_rn(low, high);
    return *reinterpret_cast<const uint32_t *>(&both);
}

__device__ inline uint32_t pair_of(__nv_bfloat16, float low, float high)
{
    const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const uint32_t *>(&both);
}

__device__ inline float2 floats_of(__half, uint32_t pair)
{
    return __half22float2(*reinterpret_cast<const __half2 *>(&pair));
}

__device__ inline float2 floats_of(__nv_bfloat16, uint32_t pair)
{
    return __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162 *>(&pair));
}

__device__ inline float power_of_2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* ---- device memory to shared memory */

__device__ inline uint32_t shared_address(const void *p)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/* Starts the copy of 16 bytes; zeros instead where `valid` is false, and `from` is not read then. */
__device__ inline void copy_16(uint32_t to, const void *from, bool valid)
{
    const int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

/* The same for 4 bytes. */
__device__ inline void copy_4(uint32_t to, const void *from, bool valid)
{
    const int bytes = valid ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

/* Closes the group of copies that this thread started since the last. */
__device__ inline void copies_close()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N of this thread's groups are under way. */
template <int N> __device__ inline void copies_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* The 16 bytes of rows of N words that this of THREADS threads copies first. */
template <int N, int THREADS, typename Word> __device__ inline const Word *lane_from(const Word *from, int ld)
{
    constexpr int PIECES = N / 8;
    return from + static_cast<int>(threadIdx.x) / PIECES * ld + static_cast<int>(threadIdx.x) % PIECES * 8;
}

/* Starts the copy of ROWS rows of N words by THREADS threads into a tile; rows from `rows` on become zero. `from` is
 * what lane_from gives. */
template <int ROWS, int N, int THREADS, typename Word>
__device__ inline void copy_tile(uint32_t tile, const Word *from, int ld, int rows)
{
    constexpr int PIECES = N / 8, STEP = THREADS / PIECES;
    const int row = static_cast<int>(threadIdx.x) / PIECES, col = static_cast<int>(threadIdx.x) % PIECES * 8;
    if (THREADS % PIECES != 0 && row >= STEP) return;
    tile += (row * (N + TILE_PAD) + col) * 2;
#pragma unroll
    for (int i = 0; i < ROWS; i += STEP) {
        if (ROWS % STEP != 0 && row + i >= ROWS) break;
        copy_16(tile + i * (N + TILE_PAD) * 2, from + i * ld, row + i < rows);
    }
}

/* ---- shared memory to registers */

__device__ inline void load_4(uint32_t (&r)[4], uint32_t at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

__device__ inline void load_4_turned(uint32_t (&r)[4], uint32_t at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* Where this lane starts reading, in bytes from the start of a tile with rows of N words, for 16 x 16 words that
 *   left         are the left factor, as stored;
 *   right        are the right factor of two columns of products, its columns stored as rows;
 *   right_turned are the same, its columns stored as columns. */
template <int N> __device__ inline uint32_t lane_left()
{
    const uint32_t lane = threadIdx.x % 32;
    return (lane % 16 * (N + TILE_PAD) + lane / 16 * 8) * 2;
}

template <int N> __device__ inline uint32_t lane_right()
{
    const uint32_t lane = threadIdx.x % 32;
    return ((lane % 8 + lane / 16 * 8) * (N + TILE_PAD) + lane / 8 % 2 * 8) * 2;
}

template <int N> __device__ inline uint32_t lane_right_turned()
{
    return lane_left<N>();
}

/* Bytes from the start of a tile to row r, column c. */
template <int N> __device__ constexpr uint32_t tile_at(int r, int c)
{
    return static_cast<uint32_t>((r * (N + TILE_PAD) + c) * 2);
}

/* ---- the product */

/* c += a b for 16 x 16 words a and 16 x 8 words b. Lane l has rows l / 4 and l / 4 + 8 of c, columns 2 (l % 4) and the
 * next: c[0], c[1] of the upper row, c[2], c[3] of the lower. */
__device__ inline void multiply(__half, float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline void multiply(__nv_bfloat16, float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Two neighbouring 16 x 8 results as the left factor of the next product. */
template <typename Word>
__device__ inline void left_of_results(uint32_t (&a)[4], const float (&near)[4], const float (&far)[4])
{
    a[0] = pair_of(Word(), near[0], near[1]);
    a[1] = pair_of(Word(), near[2], near[3]);
    a[2] = pair_of(Word(), far[0], far[1]);
    a[3] = pair_of(Word(), far[2], far[3]);
}

/* s = l r^T: BANDS x 16 rows of the tile `left` by COLS rows of the tile `right`, both N words wide. The addresses are
 * those of lane_left and lane_right. */
template <typename Word, int N, int BANDS, int COLS>
__device__ inline void rows_by_rows(float (&s)[BANDS][COLS / 8][4], uint32_t left, uint32_t right)
{
#pragma unroll
    for (int b = 0; b < BANDS; b++)
#pragma unroll
        for (int n = 0; n < COLS / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) s[b][n][e] = 0.0f;
#pragma unroll
    for (int d = 0; d < N; d += 16) {
        uint32_t l[BANDS][4], r[4];
#pragma unroll
        for (int b = 0; b < BANDS; b++) load_4(l[b], left + tile_at<N>(16 * b, d));
#pragma unroll
        for (int n = 0; n < COLS / 8; n += 2) {
            load_4(r, right + tile_at<N>(8 * n, d));
#pragma unroll
            for (int b = 0; b < BANDS; b++) {
                multiply(Word(), s[b][n], l[b], r[0], r[1]);
                multiply(Word(), s[b][n + 1], l[b], r[2], r[3]);
            }
        }
    }
}

/* sum += p r: p, results rounded to words, by TERMS rows of the tile `right`, N words wide, at lane_right_turned. */
template <typename Word, int N, int BANDS, int TERMS>
__device__ inline void results_by_rows(float (&sum)[BANDS][N / 8][4], const float (&p)[BANDS][TERMS / 8][4],
                                       uint32_t right)
{
#pragma unroll
    for (int n = 0; n < TERMS / 8; n += 2) {
        uint32_t l[BANDS][4], r[4];
#pragma unroll
        for (int b = 0; b < BANDS; b++) left_of_results<Word>(l[b], p[b][n], p[b][n + 1]);
#pragma unroll
        for (int d = 0; d < N / 8; d += 2) {
            load_4_turned(r, right + tile_at<N>(8 * n, 8 * d));
#pragma unroll
            for (int b = 0; b < BANDS; b++) {
                multiply(Word(), sum[b][d], l[b], r[0], r[1]);
                multiply(Word(), sum[b][d + 1], l[b], r[2], r[3]);
            }
        }
    }
}

/* ---- across the four lanes that share a row of results */

__device__ inline float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

__device__ inline float quad_sum(float x)
{
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

/* ---- registers to device memory */

/* Writes the first `rows` of a warp's results, rounded to words, to rows `ld` apart. They pass through `stage`, as many
 * rows of a tile that no other warp reads or writes. */
template <typename Word, int N, int BANDS>
__device__ inline void store_results(const float (&x)[BANDS][N / 8][4], void *stage, Word *to, int64_t ld,
                                     int rows)
{
    constexpr int STRIDE = N + TILE_PAD, PIECES = N / 8;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    uint32_t *pairs = static_cast<uint32_t *>(stage);
    __syncwarp();
#pragma unroll
    for (int b = 0; b < BANDS; b++)
#pragma unroll
        for (int d = 0; d < N / 8; d++)
#pragma unroll
            for (int h = 0; h < 2; h++)
                pairs[((16 * b + 8 * h + lane / 4) * STRIDE + 8 * d) / 2 + lane % 4] =
                    pair_of(Word(), x[b][d][2 * h], x[b][d][2 * h + 1]);
    __syncwarp();
#pragma unroll 4
    for (int i = 0; i < 16 * BANDS * PIECES; i += 32) {
        const int row = (i + lane) / PIECES, piece = (i + lane) % PIECES;
        if (row < rows)
            *reinterpret_cast<uint4 *>(to + row * ld + 8 * piece) =
                *reinterpret_cast<const uint4 *>(pairs + (row * STRIDE + 8 * piece) / 2);
    }
}

#endif
