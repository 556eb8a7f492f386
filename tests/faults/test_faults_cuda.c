/* test_faults_cuda.c - what NVIDIA's driver and devices may do wrong. */
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"
#include "tests/faults/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TEST(name) cmocka_unit_test_teardown(name, faults_clear)

/* ---- without a GPU */

static void no_driver(void **state)
{
    (void)state;
    faults_set(LOP_CUDA_FAULTS, "absent");
    DEVICES_SAY("cpu:0", "cuda: no NVIDIA driver is installed");
    REFUSES(5, "no NVIDIA driver is installed", FAULTS_PRUNE(scratch_path(&here, "absent")));
}

static void driver_too_old(void **state)
{
    (void)state;
    faults_set(LOP_CUDA_FAULTS, "old");
    DEVICES_SAY("cpu:0", "cuda: the NVIDIA driver is too old: it is made for CUDA 11.4", "update the driver");
    REFUSES(5, "the NVIDIA driver is too old", FAULTS_PRUNE(scratch_path(&here, "old")));
}

static void driver_without_gpu(void **state)
{
    (void)state;
    faults_set(LOP_CUDA_FAULTS, "none");
    DEVICES_SAY("cpu:0", "cuda: the NVIDIA driver sees no GPU");
    REFUSES(5, "the NVIDIA driver sees no GPU", FAULTS_PRUNE(scratch_path(&here, "none")));
}

static void driver_that_fails(void **state)
{
    (void)state;
    faults_set(LOP_CUDA_FAULTS, "broken");
    DEVICES_SAY("cpu:0", "cuda: ", "(cudaErrorSystemDriverMismatch)");
    PASSES("generate", TINY, "--prompt", "The", "--tokens", "2");
}

int faults_tests_cuda_driver(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_driver),
        TEST(driver_too_old),
        TEST(driver_without_gpu),
        TEST(driver_that_fails),
    };
    return cmocka_run_group_tests_name("faults.driver", tests, here_open, here_close);
}

/* ---- with one */

static void old_gpu(void **state)
{
    (void)state;
    faults_set(LOP_CUDA_FAULTS, "old-gpu");
    DEVICES_SAY("cpu:0", "has compute capability 7.5; lop needs 8.0");
    REFUSES(3, "has compute capability 7.5; lop needs 8.0", FAULTS_PRUNE(scratch_path(&here, "old-gpu")));
}

static void little_local_memory(void **state)
{
    (void)state;
    faults_set(LOP_CUDA_FAULTS, "local=1024");
    REFUSES(3, "gives a group 1024 bytes of local memory", FAULTS_PRUNE(scratch_path(&here, "local")));
}

static void little_memory(void **state)
{
    (void)state;
    faults_set(LOP_CUDA_FAULTS, "memory=65536");
    REFUSES(4, "cudaErrorMemoryAllocation", FAULTS_PRUNE(scratch_path(&here, "memory")));
    REFUSES(4, "--forward-batch", FAULTS_PRUNE(scratch_path(&here, "memory")));
}

static void lost_device(void **state)
{
    (void)state;
    faults_lost_device(LOP_CUDA_FAULTS, "lost=300");
}

int faults_tests_cuda(void)
{
    const struct CMUnitTest tests[] = {
        TEST(old_gpu),     TEST(little_local_memory),     TEST(little_memory),
        TEST(lost_device), TEST(faults_no_host_products),
    };
    return cmocka_run_group_tests_name("faults.cuda", tests, here_open, here_close);
}
