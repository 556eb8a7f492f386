/* cpu_gemm.c - matrix products: C is cut into fixed tiles, each tile is one call of a single-threaded CBLAS, tiles and
 * batch run on OpenMP's threads. Tiles depend on the shape alone and K is never cut, so the bits depend neither on the
 * number of threads nor on who runs what. */
#include "backends/cpu/cpu_backend.h"

#include <cblas.h>
#include <pthread.h>

typedef struct tiles {
    int32_t rows, cols;           /* of a tile */
    int32_t row_count, col_count; /* tiles of one product */
} tiles;

/* A tile packs its rows of A and its columns of B anew, so large tiles are quicker, and small ones give more of them to
 * share: the largest that leave a batch eight tiles, else the smallest. Few rows (a token that is generated) are shared
 * by columns. */
enum { TILES_WANTED = 8, ROWS_LEAST = 256, COLS_OF_FEW_ROWS = 256 };
static const tiles sizes[] = {{1024, 2048, 0, 0}, {1024, 1024, 0, 0}, {512, 1024, 0, 0}, {256, 1024, 0, 0}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* Work below this is not worth waking threads for. */
static const double flops_alone = 1e5;

static int32_t pieces(int32_t whole, int32_t piece)
{
    return whole / piece + (whole % piece != 0);
}

static tiles tiles_of(const lop_gemm_args *g)
{
    tiles t = {ROWS_LEAST, COLS_OF_FEW_ROWS, 0, 0};
    for (int i = 0; i < (int)SIZES && g->c.rows >= ROWS_LEAST; i++) {
        t = sizes[i];
        if ((int64_t)g->count * pieces(g->c.rows, t.rows) * pieces(g->c.cols, t.cols) >= TILES_WANTED) break;
    }
    t.row_count = pieces(g->c.rows, t.rows);
    t.col_count = pieces(g->c.cols, t.cols);
    return t;
}

static float *element(lop_mat m, int64_t step, int64_t i, int64_t row, int64_t col)
{
    return (float *)m.buf->host + m.at + step * i + row * m.ld + col;
}

/* Tile `at` of the batch: products outermost, then rows of tiles. */
static void tile_run(const lop_gemm_args *g, const tiles *t, int64_t at)
{
    const int64_t each = (int64_t)t->row_count * t->col_count, i = at / each;
    const int32_t row = (int32_t)(at % each / t->col_count) * t->rows;
    const int32_t col = (int32_t)(at % each % t->col_count) * t->cols;
    const int32_t rows = g->c.rows - row < t->rows ? g->c.rows - row : t->rows;
    const int32_t cols = g->c.cols - col < t->cols ? g->c.cols - col : t->cols;
    const float *a = g->ta ? element(g->a, g->step_a, i, 0, row) : element(g->a, g->step_a, i, row, 0);
    const float *b = g->tb ? element(g->b, g->step_b, i, col, 0) : element(g->b, g->step_b, i, 0, col);
    float *c = element(g->c, g->step_c, i, row, col);
    const int32_t k = g->ta ? g->a.rows : g->a.cols;
    if (rows == 1 && g->tb && !g->ta) { /* one token: rows of the weights are read once, not packed */
        cblas_sgemv(CblasRowMajor, CblasNoTrans, cols, k, g->alpha, b, g->b.ld, a, 1, g->beta, c, 1);
        return;
    }
    cblas_sgemm(CblasRowMajor, g->ta ? CblasTrans : CblasNoTrans, g->tb ? CblasTrans : CblasNoTrans, rows,
                cols, k, g->alpha, a, g->a.ld, b, g->b.ld, g->beta, c, g->c.ld);
}

/* Taken by whole products where the CBLAS keeps its buffers for the process without a lock of its own. */
static pthread_mutex_t cblas_alone = PTHREAD_MUTEX_INITIALIZER;

lop_status cpu_gemm(lop_queue *q, const lop_gemm_args *g)
{
    const cpu_device *device = q->device->impl;
    const tiles t = tiles_of(g);
    const int64_t count = (int64_t)g->count * t.row_count * t.col_count;
    const int32_t k = g->ta ? g->a.rows : g->a.cols;
    const bool alone = device->products_alone || 2.0 * g->count * g->c.rows * g->c.cols * k < flops_alone;
    const int threads = alone ? 1 : count < device->threads ? (int)count : device->threads;
    if (device->products_alone) (void)pthread_mutex_lock(&cblas_alone);
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t at = 0; at < count; at++) tile_run(g, &t, at);
    if (device->products_alone) (void)pthread_mutex_unlock(&cblas_alone);
    return LOP_OK;
}
