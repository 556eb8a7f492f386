/* kernel_coverage.c - every kernel of kernels/list.h ran while the table was gone through; prints in which
 * words, and whether in its narrow form, its wide one, or both. */
#include "tests/harness/harness.h"
#include "tests/ops/ops_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define WORDS  WORDS_ALL
#define HALVES (1u << LOP_F16 | 1u << LOP_BF16)
#define F32    (1u << LOP_F32)
static const uint32_t kernel_words[] = {
#define K(name, words, ...) words,
#include "kernels/list.h"
#undef K
    0};

static const char *mark(const launch_counter *counter, lop_kernel k, lop_type word)
{
    if (!(kernel_words[k] >> word & 1u)) return "-";
    const bool narrow = counter->launches[k][word][0] > 0, wide = counter->launches[k][word][1] > 0;
    if (narrow && wide) return "both";
    return narrow ? "narrow" : wide ? "wide" : "NONE";
}

void kernels_covered(void **state)
{
    const harness *h = *state;
    const launch_counter *counter = &h->counter;
    int missing = 0;
    print_message("%-22s %8s %8s %8s\n", "kernel", "f32", "f16", "bf16");
    for (int k = 0; k < LOP_KERNEL_COUNT; k++) {
        const lop_kernel kernel = (lop_kernel)k;
        print_message("%-22s %8s %8s %8s\n", kernel_name(kernel), mark(counter, kernel, LOP_F32),
                      mark(counter, kernel, LOP_F16), mark(counter, kernel, LOP_BF16));
        missing += launch_count(counter, kernel) == 0;
    }
    if (missing > 0) fail_msg("%d kernels have no case in the table", missing);
}
