/* faults.h - what a driver may do wrong, tried on the program: each test runs `lop` behind a library that lets calls of the
 * driver fail. One file of tests a backend; what all backends must do stands in faults_all.c. */
#ifndef LOP_TESTS_FAULTS_FAULTS_H
#define LOP_TESTS_FAULTS_FAULTS_H

extern const char *faults_backend; /* of this run */

/* What the next runs are preloaded with, and LOP_FAULT for it; NULL: nothing. */
void faults_set(const char *library, const char *fault);

/* cmocka's teardown of every test here. */
int faults_clear(void **state);

/* A prune of tests/data/tiny-llama: four blocks, some windows. */
#define FAULTS_PRUNE(save)                                                                                   \
    "prune", TINY, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", CALIB, "--nsamples", "4",      \
        "--seqlen", "64", "--save-masks", "--json", "--backend", faults_backend, "--save", (save)

/* A run that is cut off by `fault` ends with exit code 5, and taken up again leaves the files of one that was not. */
void faults_lost_device(const char *library, const char *fault);

/* A run ends well behind a CBLAS that ends the program. */
void faults_no_host_products(void **state);

int faults_tests_opencl(void);

#endif
