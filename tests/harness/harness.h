/* harness.h - the loop that runs the table of cases.h on one backend.
 *
 * For every variant, storage word, shape, kind of input and placement it puts the inputs into views between
 * red zones, calls, fetches, compares with the reference, checks that inputs and red zones are as they were,
 * and calls again with other bytes in the red zones and in what is to be overwritten, on one host thread,
 * demanding equal bits. */
#ifndef LOP_TESTS_HARNESS_HARNESS_H
#define LOP_TESTS_HARNESS_HARNESS_H

#include "tests/harness/cases.h"
#include "tests/harness/launch_counter.h"
#include "tests/harness/views.h"

typedef struct harness {
    lop_device device;
    lop_queue queue;
    launch_counter counter;
    view views[CASE_MATS];
    int64_t instances; /* run so far */
    char why[1024];    /* what the last failure was */
} harness;

/* The backend that argv[1], or LOP_TEST_BACKEND, names; "cpu" otherwise. */
const char *harness_backend(int argc, char **argv);

/* Opens device 0 of a backend with the counter in between. LOP_E_DEVICE when it is not there. */
LOP_CHECKED lop_status harness_open(harness *h, const char *backend);
void harness_close(harness *h);

/* Runs all instances of a case; false with h->why set at the first that fails. */
bool harness_run(harness *h, const op_case *c);

/* Calls the case with each matrix in turn given another shape, another type, or an output laid over an
 * input: all must be LOP_E_ARGUMENT with a sentence that names the shapes, and queue nothing. */
bool harness_refuse(harness *h, const op_case *c);

/* The words of the case that this device takes. */
uint32_t harness_words(const harness *h, const op_case *c);

/* "rmsnorm (3, 128) f16 variant 0, heavy-tailed, seed 17" */
void case_describe(const op_case *c, const case_at *at, char *out, size_t size);

/* The numbers of one instance. */
typedef struct case_data {
    case_mat mats[CASE_MATS];
    int count;
    double *input[CASE_MATS]; /* what goes to the device */
    ref_mat want[CASE_MATS];  /* what must come back */
} case_data;

/* Draws the inputs and works out the reference. Returns false if the case has no such instance. Close it
 * either way. */
bool case_data_open(const op_case *c, const case_at *at, case_data *out);
void case_data_close(case_data *data);

/* Puts all matrices on the device: outputs and scratch full of `red`, inputs between it. m receives the
 * views. */
LOP_CHECKED lop_status case_put(harness *h, const case_data *data, view_place place, uint8_t red, lop_mat *m);

#endif
