/* sequence_product.c - a product for every sequence, or one for all where that makes no difference. */
#include "core/model/sequence_product.h"

/* Products cut rows in tiles of a multiple of so many, and a row's bits may depend on the tile that it falls into. A product
 * per sequence makes them the same whoever shares the call, and where tiles end with sequences anyway one product does. */
enum { WHOLE_ROWS = 256 };

lop_status lop_sequence_product(lop_queue *q, int32_t tokens, lop_mat x, lop_mat w, lop_mat bias, float keep,
                                lop_mat y)
{
    lop_gemm_args args = {
        .a = x, .b = w, .c = y, .tb = true, .alpha = 1.0f, .beta = keep, .math = q->device->math, .count = 1};
    if (tokens % WHOLE_ROWS != 0) {
        args.count = x.rows / tokens;
        args.a.rows = args.c.rows = tokens;
        args.step_a = (int64_t)tokens * x.ld;
        args.step_c = (int64_t)tokens * y.ld;
    }
    LOP_TRY(lop_gemm(q, &args));
    return lop_mat_present(bias) ? lop_add_bias(q, y, bias) : LOP_OK;
}
