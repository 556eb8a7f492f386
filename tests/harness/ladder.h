/* ladder.h - the fault ladder: a call is made with its 1st, 2nd, ... allocation failing until it gets through. Each rung
 * must end with LOP_E_MEMORY and a sentence; what leaks on the way down the address sanitizer shows. */
#ifndef LOP_TESTS_HARNESS_LADDER_H
#define LOP_TESTS_HARNESS_LADDER_H

#include "core/base/status.h"

/* Does the whole thing that is tested, closes what it opened, and returns its status. */
typedef lop_status ladder_call(void *context);

/* Returns how many allocations the call makes; fails the running cmocka test where a rung goes wrong. */
int ladder_climb(ladder_call *call, void *context);

#endif
