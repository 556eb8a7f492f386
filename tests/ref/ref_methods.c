/* ref_methods.c - what only one method computes. Source: Wanda, lib/prune.py, return_given_alpha. */
#include "tests/ref/ref_ops.h"

void ref_wanda_part(const ref_mat *score, const ref_mat *order, ref_mat *part)
{
    for (int32_t r = 0; r < score->rows; r++) {
        const int64_t row = (int64_t)r * score->cols;
        double all = 0.0, sum = 0.0;
        for (int32_t c = 0; c < score->cols; c++) all += score->at[row + c];
        for (int32_t k = 0; k < score->cols; k++) {
            sum += score->at[row + (int64_t)order->at[row + k]];
            part->at[row + k] = all > 0.0 ? sum / all : 0.0;
            part->magnitude[row + k] = part->at[row + k];
        }
    }
    part->terms = score->cols;
}

void ref_wanda_within(const ref_mat *score, const ref_mat *order, const ref_mat *part, double alpha,
                      ref_mat *drop)
{
    for (int32_t r = 0; r < score->rows; r++) {
        const int64_t row = (int64_t)r * score->cols;
        int32_t count = 0;
        for (int32_t k = 0; k < score->cols; k++) count += part->at[row + k] <= alpha;
        while (count > 0 && count < score->cols &&
               score->at[row + (int64_t)order->at[row + count]] ==
                   score->at[row + (int64_t)order->at[row + count - 1]]) {
            count++;
        }
        drop->at[r] = count;
    }
    drop->terms = 0;
}
