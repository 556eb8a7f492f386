/* ops_main.c - runs every case of the table on the backend that argv[1] or LOP_TEST_BACKEND names: what it
 * gives, what it refuses; then large products, ranges, and whether every kernel was reached. */
#include "tests/harness/harness.h"
#include "tests/harness/test_groups.h"
#include "tests/ops/ops_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

typedef struct job {
    harness *h;
    const op_case *c;
} job;

static void values(void **state)
{
    const job *j = *state;
    if (harness_words(j->h, j->c) == 0) {
        print_message("skipped: this device's products take none of the words of %s\n", j->c->name);
        skip();
    }
    const int64_t before = j->h->instances;
    struct timespec from, to;
    timespec_get(&from, TIME_UTC);
    if (!harness_run(j->h, j->c)) fail_msg("%s", j->h->why);
    timespec_get(&to, TIME_UTC);
    print_message("%-18s %5lld instances, %.1f s\n", j->c->name, (long long)(j->h->instances - before),
                  (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec));
}

static void refused(void **state)
{
    const job *j = *state;
    if (!harness_refuse(j->h, j->c)) fail_msg("%s", j->h->why);
}

enum { MOST_TESTS = 256 };

static int list_add(harness *h, const case_list *list, job *jobs, struct CMUnitTest *tests, int at)
{
    static char names[MOST_TESTS][48];
    for (int i = 0; i < list->count; i++) {
        jobs[at] = jobs[at + 1] = (job){h, &list->at[i]};
        tests[at] = (struct CMUnitTest){list->at[i].name, values, NULL, NULL, &jobs[at]};
        snprintf(names[at], sizeof names[at], "%s refuses", list->at[i].name);
        tests[at + 1] = (struct CMUnitTest){names[at], refused, NULL, NULL, &jobs[at + 1]};
        at += 2;
    }
    return at;
}

int main(int argc, char **argv)
{
    static harness h;
    static job jobs[MOST_TESTS];
    static struct CMUnitTest tests[MOST_TESTS];
    const case_list *const lists[] = {&cases_product, &cases_elementwise, &cases_rows,  &cases_reduce,
                                      &cases_select,  &cases_methods,     &cases_besa,  &cases_sparsellm,
                                      &cases_quant,   &cases_chance,      &cases_learn, &cases_symmetric,
                                      &cases_factor};
    const char *backend = harness_backend(argc, argv);
    int count = 0;
    const int missing = backend_missing(backend);
    if (missing) return missing;
    if (harness_open(&h, backend) != LOP_OK) {
        printf("failed: %s\n", lop_error());
        return 1;
    }
    printf("%s: %s\n", backend, h.device.name);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        count = list_add(&h, lists[i], jobs, tests, count);
    tests[count++] = (struct CMUnitTest){"products by property", product_property, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"products together", products_together, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"products of many shapes", products_of_many_shapes, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"sums keep what rounding takes", sums_kept, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"prodigy goes its way", prodigy_goes_its_way, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"prodigy scalars", prodigy_scalars, NULL, NULL, &h};
    tests[count++] =
        (struct CMUnitTest){"adam by constant gradient", adam_by_constant_gradient, NULL, NULL, &h};
    tests[count++] =
        (struct CMUnitTest){"prodigy without gradient", prodigy_without_gradient, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"known factors", factor_known, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"pivots that fail", factor_pivots, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"large factors", factor_large, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"factors by the backend's own", factor_by_backend, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"ranges", refusals, NULL, NULL, &h};
    tests[count++] = (struct CMUnitTest){"every kernel has a case", kernels_covered, NULL, NULL, &h};
    if (argc > 2) cmocka_set_test_filter(argv[2]); /* a pattern with * and ? */
    const int failures = cmocka_run_group_tests_name(backend, tests, NULL, NULL);
    harness_close(&h);
    return failures == 0 ? 0 : 1;
}
