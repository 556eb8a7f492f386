/* cuda_factor.h - Cholesky factors of a queue. */
#ifndef LOP_BACKENDS_CUDA_FACTOR_H
#define LOP_BACKENDS_CUDA_FACTOR_H

#include "backends/cuda/cuda_backend.h"

/* As lop_fast has it: taken where the workspace fits in the queue's room. */
lop_status cuda_chol(lop_queue *q, lop_mat h, lop_mat info, bool *taken);
void cuda_factors_close(cuda_queue *queue);

#endif
