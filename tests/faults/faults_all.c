/* faults_all.c - what the tests of every backend share. */
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"
#include "tests/faults/faults.h"
#include "tests/harness/test_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *faults_backend = "";

static void variable(const char *name, const char *value)
{
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
}

void faults_set(const char *library, const char *fault)
{
    variable("LD_PRELOAD", library);
    variable("LOP_FAULT", fault);
}

int faults_clear(void **state)
{
    (void)state;
    faults_set(NULL, NULL);
    variable("OCL_ICD_VENDORS", NULL);
    variable("XDG_CACHE_HOME", NULL);
    return 0;
}

void faults_devices_say(const char *const *words)
{
    cli_run r;
    RUN(&r, "devices");
    if (r.code != 0) cli_fail_run(&r, "the devices cannot be listed");
    const char *at = r.out;
    for (int i = 0; words[i] != NULL; i++) {
        at = strstr(at, words[i]);
        if (at == NULL) cli_fail_run(&r, words[i]);
        at += strlen(words[i]);
    }
    cli_close(&r);
}

void faults_lost_device(const char *library, const char *fault)
{
    const char *whole = scratch_path(&here, "whole"), *cut = scratch_path(&here, "cut");
    cli_run r;
    faults_set(NULL, NULL);
    PASSES(FAULTS_PRUNE(whole));
    faults_set(library, fault);
    RUN(&r, FAULTS_PRUNE(cut));
    cli_expect(&r, 5, NULL);
    if (strstr(r.out, "\"index\":0,\"of\":4,\"state\":\"computed\"") == NULL)
        cli_fail_run(&r, "it was cut off before its first block was done");
    cli_close(&r);
    faults_set(NULL, NULL);
    RUN(&r, FAULTS_PRUNE(cut), "--resume");
    cli_expect(&r, 0, NULL);
    if (strstr(r.out, "\"index\":0,\"of\":4,\"state\":\"replayed\"") == NULL)
        cli_fail_run(&r, "block 0 was computed again");
    cli_close(&r);
    char *expected = folder_digest(whole), *digest = folder_digest(cut);
    assert_string_equal(digest, expected);
    free(digest);
    free(expected);
}

void faults_no_host_products(void **state)
{
    (void)state;
    const char *save = scratch_path(&here, "alone");
    cli_run r;
    faults_set(LOP_CBLAS_ABORTS, NULL);
    RUN(&r, "prune", TINY, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", CALIB, "--nsamples",
        "2", "--seqlen", "32", "--backend", "cpu", "--save", scratch_path(&here, "host"));
    if (strstr(r.err, "cblas_sgemm was called") == NULL)
        cli_fail_run(&r, "the library does not stand in front");
    cli_close(&r);
    PASSES(FAULTS_PRUNE(save));
}

static bool is_built(const char *backend)
{
    const lop_backend_list list = lop_backends();
    for (int i = 0; i < list.count; i++)
        if (strcmp(list.at[i]->name, backend) == 0) return true;
    return false;
}

/* What a driver says that is not there can be tried wherever its backend is built. */
static int driver_tests(void)
{
    faults_backend = "cuda";
    if (is_built(faults_backend)) return faults_tests_cuda_driver() != 0;
    printf("skipped: this build has no backend cuda\n");
    return 77;
}

int main(int argc, char **argv)
{
    faults_backend = argc > 1 ? argv[1] : "opencl";
    if (strcmp(faults_backend, "driver") == 0) return driver_tests();
    const int missing = backend_missing(faults_backend);
    if (missing) return missing;
    return (strcmp(faults_backend, "opencl") == 0 ? faults_tests_opencl() : faults_tests_cuda()) != 0;
}
