/* policy_rig.c - numbers of tests. */
#include "tests/prune/policy_rig.h"

#include "core/prune/policy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

int32_t policy_fixed(double x)
{
    return (int32_t)llrint(x * LOP_POLICY_ONE);
}

double policy_real(int32_t x)
{
    return (double)x / LOP_POLICY_ONE;
}

void policy_near(double have, double want, double within)
{
    if (!(fabs(have - want) <= within)) fail_msg("%.12g, expected %.12g within %.3g", have, want, within);
}

double policy_draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}
