/* weights_piece.h - a block as the tensors that fill it, and tensors as pieces that are read at a time. Internal to
 * core/model. */
#ifndef LOP_CORE_MODEL_WEIGHTS_PIECE_H
#define LOP_CORE_MODEL_WEIGHTS_PIECE_H

#include "core/model/staging.h"
#include "core/model/weights.h"

#define LOP_PARTS_MOST                                                                                       \
    (4 + 2 * LOP_LINEAR_COUNT) /* gains and biases of two norms; weight and bias of each linear */

/* One tensor of a block and the matrix it goes to; of a vector (1, elements). */
typedef struct lop_part {
    const lop_tensor *tensor;
    lop_mat to;
} lop_part;

typedef struct lop_part_list {
    lop_part at[LOP_PARTS_MOST];
    int32_t count;
} lop_part_list;

/* Always in the same order. */
lop_part_list lop_parts_of(const lop_block_file *file, const lop_block *block);

/* Some rows of a part; of a vector all of it. */
typedef struct lop_piece {
    lop_part part;
    int64_t first, rows; /* as lop_checkpoint_read counts them */
} lop_piece;

/* How many pieces a part is cut into, and the index-th. */
int32_t lop_pieces(const lop_part *part);
lop_piece lop_piece_at(const lop_part *part, int32_t index);

/* Bytes of the largest piece of any block, as it is staged. */
size_t lop_piece_most(const lop_net *net);

/* The matrix that the piece fills. */
lop_mat lop_piece_mat(const lop_piece *piece);

/* Reads the piece's values as `as` to `out`, from the source or the file, and looks at each while it is near. */
LOP_CHECKED lop_status lop_piece_read(const lop_net *net, const lop_source *source, const lop_piece *piece,
                                      lop_dtype as, void *out);

#endif
