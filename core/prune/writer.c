/* writer.c - one thread, one job under way, one being filled. */
#include "core/prune/writer.h"

#include "core/base/hash.h"
#include "core/base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { PLACE_ALIGN = 64 };

struct lop_writer {
    lop_output *output;
    const lop_masks *masks;
    lop_job jobs[2];
    int filling; /* which job the run fills; the other is the thread's */
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool busy, quit;         /* under the mutex */
    lop_error_record failed; /* code LOP_OK: nothing has */
};

static lop_status write_linear(const lop_writer *w, const lop_job_linear *linear)
{
    char digest[LOP_SHA256_TEXT];
    LOP_TRY(lop_output_write(w->output, linear->name, linear->values, linear->bytes));
    LOP_TRY(lop_sha256_memory(linear->values, linear->bytes, digest));
    if (json_object_set_new(linear->json, "sha256", json_string(digest)) != 0)
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    if (linear->mask == NULL) return LOP_OK;
    return lop_masks_write(w->masks, linear->mask, linear->bits);
}

static lop_status write_job(const lop_writer *w, const lop_job *job)
{
    for (int i = 0; i < job->count; i++) LOP_TRY(write_linear(w, &job->linears[i]));
    if (w->masks != NULL) LOP_TRY(lop_file_sync(&w->masks->file));
    char *line = json_dumps(job->line, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (line == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the journal's line");
    const lop_status status = lop_output_commit(w->output, line);
    free(line);
    return status;
}

static void *work(void *user)
{
    lop_writer *w = user;
    (void)pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (!w->busy && !w->quit) (void)pthread_cond_wait(&w->changed, &w->mutex);
        if (!w->busy) break;
        const lop_job *job = &w->jobs[1 - w->filling];
        (void)pthread_mutex_unlock(&w->mutex);
        lop_error_record record = {.code = write_job(w, job)};
        if (record.code != LOP_OK) lop_error_save(&record);
        (void)pthread_mutex_lock(&w->mutex);
        if (record.code != LOP_OK) w->failed = record;
        w->busy = false;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return NULL;
}

lop_status lop_writer_open(lop_output *output, const lop_masks *masks, size_t room, lop_writer **out)
{
    lop_status status = LOP_OK;
    lop_writer *w = NULL;
    *out = NULL;
    LOP_TRY(LOP_NEW(&w, 1));
    w->output = output;
    w->masks = masks;
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    for (int i = 0; i < 2; i++) {
        w->jobs[i].room = room;
        LOP_TRY_DONE(lop_alloc_aligned(room, PLACE_ALIGN, &w->jobs[i].bytes));
    }
    w->started = pthread_create(&w->thread, NULL, work, w) == 0;
    if (!w->started) status = LOP_FAIL(LOP_E_MEMORY, "no thread for writing can be started");
done:
    if (status == LOP_OK)
        *out = w;
    else
        lop_writer_close(w);
    return status;
}

void lop_writer_close(lop_writer *w)
{
    if (w == NULL) return;
    if (w->started) {
        (void)pthread_mutex_lock(&w->mutex);
        w->quit = true;
        (void)pthread_cond_broadcast(&w->changed);
        (void)pthread_mutex_unlock(&w->mutex);
        (void)pthread_join(w->thread, NULL);
    }
    (void)pthread_cond_destroy(&w->changed);
    (void)pthread_mutex_destroy(&w->mutex);
    for (int i = 0; i < 2; i++) lop_free(w->jobs[i].bytes);
    lop_free(w);
}

lop_job *lop_writer_job(lop_writer *w)
{
    lop_job *job = &w->jobs[w->filling];
    job->count = 0;
    job->used = 0;
    job->line = NULL;
    return job;
}

void *lop_job_place(lop_job *job, size_t bytes)
{
    void *at = job->bytes + job->used;
    job->used += (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
    assert(job->used <= job->room);
    return at;
}

/* With the mutex held: waits until the thread has nothing to do, and passes on what failed. */
static lop_status idle(lop_writer *w)
{
    while (w->busy) (void)pthread_cond_wait(&w->changed, &w->mutex);
    if (w->failed.code != LOP_OK) lop_error_restore(&w->failed);
    return w->failed.code;
}

lop_status lop_writer_wait(lop_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    const lop_status status = idle(w);
    (void)pthread_mutex_unlock(&w->mutex);
    return status;
}

lop_status lop_writer_submit(lop_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    const lop_status status = idle(w);
    if (status == LOP_OK) {
        w->filling = 1 - w->filling;
        w->busy = true;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return status;
}
