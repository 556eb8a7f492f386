/* checks.h - the tests of the reference, for the program that runs them. */
#ifndef LOP_TESTS_REF_CHECKS_H
#define LOP_TESTS_REF_CHECKS_H

/* Against the golden files of shared data. */
void golden_dense_logits(void **state);
void golden_dense_perplexity(void **state);
void golden_pruned(void **state); /* *state: the row of its table, as a number */
void golden_besa(void **state);   /* the same */

/* Of the model's parts, from their definitions. */
void model_rope_scaling(void **state);
void model_rope_is_relative(void **state);
void model_window(void **state);
void model_grouped_heads(void **state);
void model_bias(void **state);

/* Of the selections, on small matrices done by hand. */
void cut_by_hand(void **state);
void cut_budget_is_exact(void **state);

/* Of BESA: by hand and in closed form, what must hold, gradients by differences, a learner. */
void besa_by_hand(void **state);
void besa_closed_forms(void **state);
void besa_prodigy(void **state);
void besa_adamw(void **state);
void besa_invariants(void **state);
void besa_order_and_masks(void **state);
void besa_bucket_sums(void **state);
void besa_errors(void **state);
void besa_budgets(void **state);
void besa_soft_gradient(void **state);
void besa_price(void **state);
void besa_hard_gradient(void **state);
void besa_nothing_pruned(void **state);
void besa_starts_as_wanda(void **state);
void besa_groups(void **state);
void besa_learns(void **state);

/* Of weights on grids: by hand, what must hold, and by differences. */
void quant_by_hand(void **state);
void quant_keeps_points(void **state);
void quant_gradient(void **state);

/* Of chance, on published answers. */
void masks_by_counters(void **state);

#endif
