/* run_identity.c - what a run is: its fingerprint, which holds the digest of the whole model. A new run finds that digest
 * in a thread of its own while it computes, so that the model is read from the disk once; until it is known the journal's
 * lines are held back (core/io/output.h). A resumed run finds it first: nothing is trusted before. */
#include "core/prune/run_parts.h"

#include "core/base/memory.h"

#include <string.h>

lop_status lop_run_identify(lop_run *run, const atomic_bool *stop, char **fingerprint)
{
    *fingerprint = NULL;
    LOP_TRY(lop_checkpoint_sha256(run->call->model, stop, run->model_sha256));
    LOP_TRY(lop_run_fingerprint(run, fingerprint));
    return lop_sha256_memory(*fingerprint, strlen(*fingerprint), run->fingerprint_sha256);
}

static void *identity_main(void *user)
{
    lop_run *run = user;
    char *fingerprint = NULL;
    lop_status status = lop_run_identify(run, &run->identity.stop, &fingerprint);
    if (status == LOP_OK) status = lop_output_identify(run->output, fingerprint);
    if (status != LOP_OK) {
        lop_error_save(&run->identity.failed);
        atomic_store(&run->identity.lost, true);
    }
    lop_free(fingerprint);
    return NULL;
}

lop_status lop_run_identity_look(lop_run *run)
{
    return atomic_load(&run->identity.lost) ? lop_run_identity_wait(run) : LOP_OK;
}

lop_status lop_run_identity_start(lop_run *run)
{
    run->identity.started = pthread_create(&run->identity.thread, NULL, identity_main, run) == 0;
    if (run->identity.started) return LOP_OK;
    return LOP_FAIL(LOP_E_MEMORY, "the thread that reads the model's digest could not be started");
}

lop_status lop_run_identity_wait(lop_run *run)
{
    lop_identity *id = &run->identity;
    if (id->started) (void)pthread_join(id->thread, NULL);
    id->started = false;
    if (id->failed.code != LOP_OK) lop_error_restore(&id->failed);
    return id->failed.code;
}

void lop_run_identity_close(lop_run *run, bool wanted)
{
    if (!wanted || lop_output_held_back(run->output) == 0) atomic_store(&run->identity.stop, true);
    if (lop_run_identity_wait(run) != LOP_OK) lop_error_clear();
}
