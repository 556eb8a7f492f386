/* status_checks.h - what a test says of a status: that it is LOP_OK, or a failure with its sentence. Where it is not so
 * the running cmocka test fails and shows the sentence. */
#ifndef LOP_TESTS_HARNESS_STATUS_CHECKS_H
#define LOP_TESTS_HARNESS_STATUS_CHECKS_H

#include "core/base/status.h"

#define assert_ok(call) status_ok((call), __FILE__, __LINE__)

/* The status is `expected` and the thread's sentence contains `words`. */
#define assert_failed(call, expected, words) status_failed((call), (expected), (words), __FILE__, __LINE__)

void status_ok(lop_status status, const char *file, int line);
void status_failed(lop_status status, lop_status expected, const char *words, const char *file, int line);

#endif
