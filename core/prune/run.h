/* run.h - the driver of a prune: calibrate, walk the blocks in depth, prune each, write, report.
 *
 * A method (method.h) decides which weights go; all the rest is done here and only here: reading blocks, statistics of
 * the dense block over the stream of already pruned blocks, applying masks, counting, rounding to the output's type,
 * propagating, writing, the journal and the report. */
#ifndef LOP_CORE_PRUNE_RUN_H
#define LOP_CORE_PRUNE_RUN_H

#include "core/base/log.h"
#include "core/base/option.h"
#include "core/comm/comm.h"
#include "core/device/device.h"
#include "core/io/checkpoint.h"
#include "core/prune/method.h"

/* The options of every prune; lop_method_find(name)->options adds the method's own. The table is the library's. */
const lop_option *lop_prune_options(int *count);

/* The set to open settings with: the common options and those of `method`. */
void lop_prune_option_set(const lop_method *method, lop_option_set *out);

typedef struct lop_prune_call {
    lop_device *device; /* open; every buffer of the run is opened on it and closed again */
    const lop_checkpoint *model;
    const char *method;           /* name or alias */
    const lop_settings *settings; /* opened with lop_prune_option_set */
    const char *command;          /* argv as a JSON array, for the report; NULL: [] */
    const char *save;             /* the folder to write */
    lop_comm *comm;               /* the ranks; NULL: this process alone */
    uint64_t device_bytes_most;   /* budgets; 0: none. They change where data lies, never the result */
    uint64_t host_bytes_most;
    lop_log *log; /* may be NULL */
} lop_prune_call;

/* Prunes and publishes the folder `save`. *report receives the text of prune_report.json; the caller frees it with
 * lop_free. A run that stops leaves `save` as it was but for `.lop`, from which the setting resume=on goes on; the files
 * it then ends with are those of an undisturbed run (docs/architecture.md names the figures that measure time). A run
 * that fails where it would fail again, or before its first block is finished, leaves no `.lop` either.
 *
 *   Errors   LOP_E_ARGUMENT settings, a folder that may not be written, a resume of another run; LOP_E_UNSUPPORTED a
 *            method of another version; LOP_E_NUMERIC non-finite activations, block named; LOP_E_STOPPED; those of
 *            reading, writing and memory */
LOP_CHECKED lop_status lop_prune_run(const lop_prune_call *call, char **report);

/* What the run would take, as JSON: stages [{name, device_bytes, host_bytes, disk_bytes, flops}], peak {device, host,
 * disk}. Reads headers only; `save` is not looked at. The caller frees *plan with lop_free. */
LOP_CHECKED lop_status lop_prune_plan(const lop_prune_call *call, char **plan);

#endif
