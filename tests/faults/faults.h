/* faults.h - what a driver may do wrong, tried on the program: each test runs `lop` behind a library that lets calls of the
 * driver fail. One file of tests a backend; what all backends must do stands in faults_all.c. */
#ifndef LOP_TESTS_FAULTS_FAULTS_H
#define LOP_TESTS_FAULTS_FAULTS_H

extern const char *faults_backend; /* of this run */

/* What the next runs are preloaded with, and LOP_FAULT for it; NULL: nothing. */
void faults_set(const char *library, const char *fault);

/* cmocka's teardown of every test here. */
int faults_clear(void **state);

/* `lop devices` says all of the words; each follows what was found before it. */
void faults_devices_say(const char *const *words);
#define DEVICES_SAY(...) faults_devices_say((const char *const[]){__VA_ARGS__, NULL})

/* A prune of tests/data/tiny-llama: four blocks, some windows. */
#define FAULTS_PRUNE(save)                                                                                   \
    "prune", TINY, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", CALIB, "--nsamples", "4",      \
        "--seqlen", "64", "--save-masks", "--json", "--backend", faults_backend, "--save", (save)

/* A run that is cut off by `fault` ends with exit code 5, and taken up again leaves the files of one that was not. */
void faults_lost_device(const char *library, const char *fault);

/* A run ends well behind a CBLAS that ends the program. */
void faults_no_host_products(void **state);

int faults_tests_opencl(void);
int faults_tests_cuda(void);
int faults_tests_cuda_driver(void); /* of what is told where no GPU is; needs none */

#endif
