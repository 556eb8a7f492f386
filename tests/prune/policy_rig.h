/* policy_rig.h - what the tests of learning masks share: probabilities as whole numbers and back, and seeded numbers. */
#ifndef LOP_TESTS_PRUNE_POLICY_RIG_H
#define LOP_TESTS_PRUNE_POLICY_RIG_H

#include <stdint.h>

int32_t policy_fixed(double x); /* to the nearest 2^-30 */
double policy_real(int32_t x);

/* Fails the running test unless |have - want| <= within. */
void policy_near(double have, double want, double within);

/* The next number of a sequence in [0, 1). */
double policy_draw(uint64_t *state);

#endif
