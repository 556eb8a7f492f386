/* prune_rig.h - what the tests of pruning share: a folder of their own, a prune by method and settings, and what came
 * out of it. */
#ifndef LOP_TESTS_PRUNE_PRUNE_RIG_H
#define LOP_TESTS_PRUNE_PRUNE_RIG_H

#include "core/prune/masks.h"
#include "core/prune/report.h"
#include "core/prune/run.h"
#include "core/prune/verify.h"

#include <sys/types.h>

extern const char *prune_backend; /* of this run */

enum { PRUNE_SETTINGS_MOST = 16 };

/* A prune to be tried. Settings end at the first without a name. */
typedef struct prune_try {
    const char *model, *method, *save;
    lop_setting settings[PRUNE_SETTINGS_MOST];
    int threads; /* 0: all */
    uint64_t device_bytes_most, host_bytes_most;
    lop_log *log;
    void (*attach)(lop_device *device); /* NULL, or puts itself between core and the device's backend */
} prune_try;

/* Fails the running test with the library's sentence. */
void prune_ok(lop_status status);

/* Fails the running test unless the status is `want` and the library's sentence holds `words`. */
void prune_fails(lop_status status, lop_status want, const char *words);

/* A fresh folder under the system's temporary one; the name is in `out`. */
void scratch_open(char out[64]);
void scratch_close(const char *folder);

/* "folder/name" in static memory, valid until the eighth call after this one. */
const char *in_folder(const char *folder, const char *name);

/* Writes `count` ids as .i32. */
void ids_write(const char *path, const int32_t *ids, int64_t count);

/* The text of the report, or NULL with the status; the caller frees with lop_free. */
lop_status prune_do(const prune_try *t, char **report);

/* The same, which must succeed; the report parsed. */
json_t *prune_report(const prune_try *t);

/* The least budget of device memory under which it is allowed, as the refusal of one byte says: hidden states lie on the host
 * then. */
uint64_t prune_least_budget(prune_try t);

/* The same in a program of its own, which is this one called with --prune: a run that may be killed at any moment. */
pid_t prune_spawn(const prune_try *t);
int prune_spawned(int argc, char **argv); /* what --prune does; the exit code */

/* verify with settings that end at the first without a name. *result as lop_verify_run gives it. */
lop_status verify_do(const char *folder, const lop_setting *settings, char **result);

/* True if both folders hold the same files byte for byte, reports with what measures time set to null. Says which is
 * not. */
bool folders_equal(const char *a, const char *b);

/* The number at "a.b.c" of a JSON object; fails the test when it is not there. */
double json_at(const json_t *root, const char *path);

#endif
