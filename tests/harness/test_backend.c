/* test_backend.c - the backend of this run, and what a program returns without it. */
#include "core/device/device.h"
#include "tests/harness/far_memory.h"
#include "tests/harness/shared_data.h"
#include "tests/harness/test_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *test_backend = "cpu";

lop_status test_device_open(const char *backend, lop_device *out)
{
    const char *fast = getenv("LOP_FAST");
    const bool far = strcmp(backend, FAR_MEMORY) == 0;
    LOP_TRY(lop_device_open(far ? "cpu" : backend, 0, out));
    lop_device_math(out, LOP_MATH_F32);
    lop_device_fast(out, fast == NULL || strcmp(fast, "0") != 0);
    if (!far) return LOP_OK;
    const lop_status status = far_memory_attach(out);
    if (status != LOP_OK) lop_device_close(out);
    return status;
}

int backend_missing(const char *backend)
{
    lop_device device;
    if (test_device_open(backend, &device) == LOP_OK) {
        lop_device_close(&device);
        return 0;
    }
    const bool required = require_names(backend);
    printf("%s: backend %s is not there: %s\n", required ? "failed" : "skipped", backend, lop_error());
    return required ? 1 : 77;
}
