/* list.h - every kernel once: K(name, words, kinds of its arguments in order). From it come the enum, the OpenCL names,
 * the CUDA table, the CPU's type-checked calls, and the check that a launch hands over what the kernel takes.
 *
 *   words   WORDS: an instance for each of f32, f16, bf16;  HALVES: for f16 and bf16;  F32: one instance
 *   kinds   M matrix (base, offset, stride)   I int32   L int64   U uint64   F float
 *
 * This file has no guard: who includes it defines K first. */

/* pair.cl: two storage words, the instance's and the one in the name */
K(cast_f32, WORDS, M, M, I)
K(cast_f16, WORDS, M, M, I)
K(cast_bf16, WORDS, M, M, I)
K(axpby_f32, WORDS, F, M, F, M, I)
K(axpby_f16, WORDS, F, M, F, M, I)
K(axpby_bf16, WORDS, F, M, F, M, I)
K(sq_error_row_f32, WORDS, M, M, M, I)
K(sq_error_row_f16, WORDS, M, M, M, I)
K(sq_error_row_bf16, WORDS, M, M, M, I)

/* layernorm.cl, rmsnorm.cl: from rows of the instance's word, and from rows of f32 */
K(layernorm_row, WORDS, M, M, M, F, M, I)
K(layernorm_row_f32, HALVES, M, M, M, F, M, I)
K(layernorm_back_row, WORDS, M, M, F, M, M, I)
K(layernorm_back_row_f32, HALVES, M, M, F, M, M, I)
K(rmsnorm_row, WORDS, M, M, F, M, I)
K(rmsnorm_row_f32, HALVES, M, M, F, M, I)
K(rmsnorm_back_row, WORDS, M, M, F, M, M, I)
K(rmsnorm_back_row_f32, HALVES, M, M, F, M, M, I)

/* row.cl, softmax.cl, gate.cl, loss.cl */
K(add_bias, WORDS, M, M, I, I)
K(gather_row, WORDS, M, M, M, I)
K(rope_row, WORDS, M, M, F, I, I, I)
K(softmax_row, WORDS, M, I, I, I, I, F, I)
K(softmax_back_row, WORDS, M, M, F, I)
K(gate_row, WORDS, M, M, M, I, I, I)
K(gate_back_row, WORDS, M, M, M, I, I, I)
K(cross_entropy_begin, F32, M, I)
K(cross_entropy_add, WORDS, M, M, M, I, I)
K(cross_entropy_end, F32, M, M, M, I)
K(argmax_row, WORDS, M, M, I)

/* reduce.cl, reduce_end.cl */
K(colsum_sq_part, WORDS, M, M, I, I, I, I)
K(sum_rows, F32, M, M, I, I, I, I, I)
K(sum_add, F32, M, M, I)
K(count_row, WORDS, M, M, I, I)
K(count_add, F32, M, M, I)

/* learn.cl, step.cl */
K(error_back_row, WORDS, M, M, M, F, M, I)
K(reciprocal_row, F32, M, F, F, I)
K(adam_row, F32, M, M, M, M, M, F, F, F, F, F, F, I)
K(count_up, F32, M)
K(prodigy_begin, F32, M, U)
K(prodigy_part_row, F32, M, M, M, M, M, U, F, F, I)
K(prodigy_estimate, F32, M, M, U, U, U, U, F, U, U, U, I)
K(prodigy_row, F32, M, M, M, M, M, F, F, F, I)

/* score.cl, select.cl, select_all.cl, rank.cl */
K(score_row, WORDS, M, M, M, I, I)
K(score_obs_row, WORDS, M, M, M, I, I)
K(zero_dropped, WORDS, M, M, I)
K(keep_row, F32, M, M, M, I)
K(rank_value_row, F32, M, M, M, I)
K(keep_n_of_m, F32, M, M, I, I, I)
K(all_count, F32, M, M, M, I, I, I, I)
K(all_digit, F32, M, M, L, I)
K(all_ties, F32, M, M, M, L, I, I)
K(all_share, F32, M, M, L, I, I)
K(all_keep, F32, M, M, M, M, I)
K(rank_row, F32, M, M, M, I, I)

/* symmetric.cl, tile_factor.cl, chol_end.cl */
K(mirror_tile, F32, M, I, I)
K(reverse_row, F32, M, I, I)
K(diag_get, F32, M, M, I)
K(diag_mean, F32, M, M, I)
K(diag_add, F32, M, F, M, I, I, I)
K(diag_revive, F32, M, F, I)
K(tile_factor, F32, M, M, M, I, I, I, I)
K(tile_place_row, F32, M, M, I)
K(tile_inverse, F32, M, M, I)
K(chol_look, F32, M, M, M, I, I, I)
K(chol_end_row, F32, M, M, I, I, I)

/* random.cl */
K(bernoulli_row, F32, M, M, M, U, I, I, I, I)

/* wanda_alpha.cl */
K(wanda_part_row, F32, M, M, M, I)
K(wanda_within_row, F32, M, M, M, F, M, I)

/* besa.cl */
K(bucket_row, WORDS, M, M, M, M, F, I, I, I)
K(flip_row, WORDS, M, M, M, I, M, M)
K(rate_count_row, F32, M, M, M, M, M, I, I, I, I, I, I)
K(rate_mean, F32, M, M, L, I)
K(rate_slope_row, F32, M, M, M, M, F, I, I, I, I)
K(rate_price, F32, M, M, M, F, F, I)
K(rate_tilt, F32, M, M, M, F, I)
K(rate_grad_row, F32, M, M, M, M, M, F, F, I, I, I, I)

/* sparsegpt.cl */
K(sparsegpt_row, F32, M, M, M, M, M, I, I, I)

/* sparsellm.cl */
K(auxiliary_gated_row, WORDS, M, M, M, M, M, M, F, F, F, I, I)
K(auxiliary_row, WORDS, M, M, M, M, F, F, F, I, I)
K(target_row, WORDS, M, M, M, M, M, F, F, I, I)

/* quant.cl */
K(quant_range_row, WORDS, M, M, M, I)
K(quant_row, WORDS, M, M, M, M, I, I)
K(quant_back_row, WORDS, M, M, M, M, M, M, M, M, F, I, I)
K(quant_scale_row, F32, M, M, M, M, M, I, I, I)
