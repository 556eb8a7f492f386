/* ops_checks.h - what test_ops runs beside the table. */
#ifndef LOP_TESTS_OPS_OPS_CHECKS_H
#define LOP_TESTS_OPS_OPS_CHECKS_H

/* *state is the harness. */
void product_property(void **state);          /* large products against vectors, as BLIS tests them */
void products_together(void **state);         /* the device's threads do not disturb each other */
void products_of_many_shapes(void **state);   /* what is kept of one shape does not serve another */
void sums_kept(void **state);                 /* a sum of squares has twice a float's digits */
void prodigy_goes_its_way(void **state);      /* ten steps against a table */
void prodigy_scalars(void **state);           /* its scalars lose less than a float's last digits */
void adam_by_constant_gradient(void **state); /* a thousand steps against a closed form */
void prodigy_without_gradient(void **state);  /* zeros change nothing, NaN stays */
void factor_known(void **state);              /* factors that are known exactly */
void factor_pivots(void **state);             /* a pivot that fails is told, and nothing stands in for it */
void factor_large(void **state);              /* large factors by what they multiply to */
void factor_by_backend(void **state);         /* all of it where a backend has a factorisation of its own */
void refusals(void **state);                  /* arguments out of range that the table cannot spoil */
void kernels_covered(void **state);           /* every kernel of list.h ran; last of all */

#endif
