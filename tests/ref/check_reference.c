/* check_reference.c - runs what proves the reference. */
#include "tests/ref/checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_rope_scaling),
        cmocka_unit_test(model_rope_is_relative),
        cmocka_unit_test(model_window),
        cmocka_unit_test(model_grouped_heads),
        cmocka_unit_test(model_bias),
        cmocka_unit_test(cut_by_hand),
        cmocka_unit_test(cut_budget_is_exact),
        cmocka_unit_test(masks_by_counters),
        cmocka_unit_test(besa_by_hand),
        cmocka_unit_test(besa_closed_forms),
        cmocka_unit_test(besa_prodigy),
        cmocka_unit_test(besa_adamw),
        cmocka_unit_test(besa_invariants),
        cmocka_unit_test(besa_order_and_masks),
        cmocka_unit_test(besa_bucket_sums),
        cmocka_unit_test(besa_errors),
        cmocka_unit_test(besa_budgets),
        cmocka_unit_test(besa_soft_gradient),
        cmocka_unit_test(besa_price),
        cmocka_unit_test(besa_hard_gradient),
        cmocka_unit_test(besa_nothing_pruned),
        cmocka_unit_test(besa_starts_as_wanda),
        cmocka_unit_test(besa_groups),
        cmocka_unit_test(besa_learns),
        cmocka_unit_test(quant_by_hand),
        cmocka_unit_test(quant_keeps_points),
        cmocka_unit_test(quant_gradient),
        cmocka_unit_test(golden_dense_logits),
        cmocka_unit_test(golden_dense_perplexity),
        {"golden_magnitude_50", golden_pruned, NULL, NULL, (void *)0},
        {"golden_wanda_50", golden_pruned, NULL, NULL, (void *)1},
        {"golden_wanda_70", golden_pruned, NULL, NULL, (void *)2},
        {"golden_wanda_2of4", golden_pruned, NULL, NULL, (void *)3},
        {"golden_besa_row", golden_besa, NULL, NULL, (void *)0},
        {"golden_besa_layer", golden_besa, NULL, NULL, (void *)1},
        {"golden_besa_row_exact", golden_besa, NULL, NULL, (void *)2},
        {"golden_besa_opt_layer", golden_besa, NULL, NULL, (void *)3},
        {"golden_besa_opt_row", golden_besa, NULL, NULL, (void *)4},
    };
    return cmocka_run_group_tests_name("ref", tests, NULL, NULL);
}
