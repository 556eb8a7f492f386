/* status_checks.c - statuses against what was due. */
#include "tests/harness/status_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void status_ok(lop_status status, const char *file, int line)
{
    if (status != LOP_OK)
        print_error("%s: %s (%s)\n", lop_status_name(status), lop_error(), lop_error_place());
    _assert_true(status == LOP_OK, "status == LOP_OK", file, line);
}

void status_failed(lop_status status, lop_status expected, const char *words, const char *file, int line)
{
    const bool told = strstr(lop_error(), words) != NULL;
    if (status != expected || !told)
        print_error("%s: %s; expected %s with \"%s\"\n", lop_status_name(status), lop_error(),
                    lop_status_name(expected), words);
    _assert_true(status == expected, "status == expected", file, line);
    _assert_true(told, "the sentence says it", file, line);
}
