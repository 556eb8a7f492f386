/* ladder.c - climbs the fault ladder of core/base/memory.h. */
#include "tests/harness/ladder.h"

#include "core/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RUNGS_MOST 100000 /* a call that still fails here does not end */

int ladder_climb(ladder_call *call, void *context)
{
    for (int rung = 1; rung < RUNGS_MOST; rung++) {
        lop_error_clear();
        lop_alloc_fail_at(rung);
        const lop_status status = call(context);
        lop_alloc_fail_at(0);
        if (status == LOP_OK) return rung - 1;
        if (status != LOP_E_MEMORY || lop_error()[0] == '\0')
            fail_msg("allocation %d failed and the call ended with \"%s\": %s", rung, lop_status_name(status),
                     lop_error());
    }
    fail_msg("the call still failed at allocation %d", RUNGS_MOST);
    return -1;
}
