/* stopper.c - a backend whose launch counts. The double of far_memory.h is one object a device, which knows itself by its
 * place: it is changed where it stands. */
#include "tests/prune/stopper.h"

#include "tests/harness/far_memory.h"

#include <string.h>

static struct {
    lop_backend real, shown;
    lop_log log;
    lop_kernel kernel;
    int64_t launches, at;
    void (*attach)(lop_device *device); /* of the try itself; NULL: nothing */
} stopper;

void stopper_set(lop_kernel kernel, int64_t at)
{
    stopper.kernel = kernel;
    stopper.launches = 0;
    stopper.at = at;
    atomic_store(&stopper.log.stop, false);
}

int64_t stopper_launches(void)
{
    return stopper.launches;
}

static lop_status launch_and_stop(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups,
                                  int32_t lanes, size_t local_bytes, int32_t nargs, const lop_arg *args)
{
    if (k == stopper.kernel && ++stopper.launches == stopper.at) atomic_store(&stopper.log.stop, true);
    return stopper.real.launch(q, k, word, wide, groups, lanes, local_bytes, nargs, args);
}

void stopper_attach(lop_device *device)
{
    if (stopper.attach != NULL) stopper.attach(device);
    const bool far = strcmp(prune_backend, FAR_MEMORY) == 0;
    lop_backend *shown = far ? (lop_backend *)(uintptr_t)device->backend : &stopper.shown;
    stopper.real = *device->backend;
    stopper.shown = *device->backend;
    shown->launch = launch_and_stop;
    device->backend = shown;
}

void stopper_stop_and_resume(prune_try t, lop_kernel kernel, int64_t at)
{
    char *text = NULL;
    stopper_set(kernel, at);
    stopper.attach = t.attach;
    t.log = &stopper.log;
    t.attach = stopper_attach;
    prune_fails(prune_do(&t, &text), LOP_E_STOPPED, "");
    t.log = NULL;
    t.attach = stopper.attach;
    stopper.attach = NULL;
    json_decref(prune_report(&t));
}
