/* test_faults_opencl.c - what OpenCL's loader, its drivers and their devices may do wrong. */
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"
#include "tests/faults/faults.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A folder of registered drivers that holds one file, or none. */
static const char *drivers(const char *name, const char *file, const char *text)
{
    const char *folder = scratch_path(&here, name);
    assert_int_equal(mkdir(folder, 0777), 0);
    if (file != NULL) write_text(path_in(folder, file), text);
    assert_int_equal(setenv("OCL_ICD_VENDORS", folder, 1), 0);
    return folder;
}

static void no_platform(void **state)
{
    (void)state;
    (void)drivers("no-drivers", NULL, NULL);
    DEVICES_SAY("cpu:0", "opencl: no OpenCL platform", "no-drivers");
    REFUSES(5, "no OpenCL platform", FAULTS_PRUNE(scratch_path(&here, "none")));
}

/* The drivers that are registered here, and one that is not there. */
static void broken_driver(void **state)
{
    (void)state;
    const char *folder = drivers("drivers", "broken.icd", "libthat-is-not-there.so.1\n");
    DEVICES_SAY("opencl: no OpenCL platform", "broken.icd was passed over");
    copy_folder("/etc/OpenCL/vendors", folder);
    DEVICES_SAY("opencl:0", "opencl: broken.icd was passed over: \"libthat-is-not-there.so.1\"");
    cli_run r;
    RUN(&r, FAULTS_PRUNE(scratch_path(&here, "beside")));
    cli_expect(&r, 0, NULL);
    if (strstr(r.out, "broken.icd was passed over") == NULL) cli_fail_run(&r, "no warning");
    cli_close(&r);
}

static void platform_without_devices(void **state)
{
    (void)state;
    faults_set(LOP_OPENCL_FAULTS, "empty");
    DEVICES_SAY("opencl:0", "opencl: platform \"Nowhere\" has no devices");
}

/* Two platforms of two devices each: GPUs stand first, whichever platform and place they come from. */
static void order_of_devices(void **state)
{
    (void)state;
    cli_run r;
    RUN(&r, "devices");
    const bool pocl = strstr(r.out, "opencl:0  pthread") != NULL;
    cli_close(&r);
    if (!pocl) {
        print_message("skipped: device 0 is not PoCL's\n");
        skip();
    }
    assert_int_equal(setenv("POCL_DEVICES", "pthread basic", 1), 0);
    faults_set(LOP_OPENCL_FAULTS, "twice,pthread-gpu");
    DEVICES_SAY("opencl:0  pthread", "opencl:1  pthread", "opencl:2  basic", "opencl:3  basic");
    faults_set(LOP_OPENCL_FAULTS, NULL);
    DEVICES_SAY("opencl:0  basic", "opencl:1  pthread");
    assert_int_equal(unsetenv("POCL_DEVICES"), 0);
}

static void old_driver(void **state)
{
    (void)state;
    faults_set(LOP_OPENCL_FAULTS, "old");
    DEVICES_SAY("it has \"OpenCL 1.1 of old\", OpenCL 1.2 is needed");
    REFUSES(5, "OpenCL 1.2 is needed", FAULTS_PRUNE(scratch_path(&here, "old")));
}

static void text_that_does_not_build(void **state)
{
    (void)state;
    assert_int_equal(setenv("XDG_CACHE_HOME", scratch_path(&here, "no-cache"), 1),
                     0); /* nothing is built yet */
    faults_set(LOP_OPENCL_FAULTS, "text");
    REFUSES(5,
            "CL_BUILD_PROGRAM_FAILURE (-11); its compiler says: ", FAULTS_PRUNE(scratch_path(&here, "text")));
}

static void little_local_memory(void **state)
{
    (void)state;
    faults_set(LOP_OPENCL_FAULTS, "local=1024");
    REFUSES(3, "gives a group 1024 bytes of local memory", FAULTS_PRUNE(scratch_path(&here, "local")));
}

static void little_memory(void **state)
{
    (void)state;
    faults_set(LOP_OPENCL_FAULTS, "memory=65536");
    REFUSES(4, "CL_MEM_OBJECT_ALLOCATION_FAILURE", FAULTS_PRUNE(scratch_path(&here, "memory")));
    REFUSES(4, "--forward-batch", FAULTS_PRUNE(scratch_path(&here, "memory")));
}

static void lost_device(void **state)
{
    (void)state;
    faults_lost_device(LOP_OPENCL_FAULTS, "lost=300");
}

/* ---- built programs on disk */

/* The one file of a folder whose name begins with "opencl-"; the count of them. */
static int programs(const char *folder, char *out, size_t size)
{
    int count = 0;
    DIR *listed = opendir(folder);
    assert_non_null(listed);
    for (const struct dirent *e = readdir(listed); e != NULL; e = readdir(listed)) {
        if (strncmp(e->d_name, "opencl-", 7) != 0) continue;
        (void)snprintf(out, size, "%s/%s", folder, e->d_name);
        count++;
    }
    assert_int_equal(closedir(listed), 0);
    return count;
}

static void evaluate(void)
{
    PASSES("eval", TINY, "--text", HELD, "--seqlen", "64", "--windows", "1", "--backend", faults_backend);
}

static struct timespec changed(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mtim;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void built_programs_are_kept(void **state)
{
    (void)state;
    const char *cache = scratch_path(&here, "cache"), *folder = path_in(cache, "lop");
    char path[512];
    assert_int_equal(setenv("XDG_CACHE_HOME", cache, 1), 0);
    faults_set(LOP_OPENCL_FAULTS, "gpu"); /* those of a processor are not kept */
    evaluate();
    assert_true(programs(folder, path, sizeof path) >= 1);
    const struct timespec first = changed(path);
    evaluate();
    assert_true(same_time(changed(path), first));
    const size_t size = file_size(path);
    file_put(path, size / 2, "another byte", 12); /* not what its digest says */
    evaluate();
    assert_false(same_time(changed(path), first));
    file_cut(path, size / 2);
    evaluate();
    assert_int_equal(file_size(path), size);
    /* Whole, and no program: the digest of five bytes, and these. */
    write_text(path, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\nhello");
    evaluate();
    assert_int_equal(file_size(path), size);
}

int faults_tests_opencl(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, faults_clear)
    const struct CMUnitTest tests[] = {
        TEST(no_platform),
        TEST(broken_driver),
        TEST(platform_without_devices),
        TEST(order_of_devices),
        TEST(old_driver),
        TEST(text_that_does_not_build),
        TEST(little_local_memory),
        TEST(little_memory),
        TEST(lost_device),
        TEST(built_programs_are_kept),
        TEST(faults_no_host_products),
    };
    return cmocka_run_group_tests_name("faults.opencl", tests, here_open, here_close);
}
