/* writer.c - one thread, and two jobs that go round between it and the run. */
#include "core/prune/writer.h"

#include "core/base/hash.h"
#include "core/base/memory.h"
#include "core/prune/report.h"
#include "core/prune/sparsity.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { PLACE_ALIGN = 64, JOBS = 2 };

struct lop_writer {
    lop_writer_plan plan;
    lop_job jobs[JOBS];
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t changed;
    int64_t submitted; /* jobs handed over, of which plan.first is number 0; job n is jobs[n % JOBS] */
    int64_t through;   /* of them those done or given up */
    bool quit;
    lop_error_record failed; /* code LOP_OK: nothing has */
};

static lop_status grids_put(const lop_job_linear *linear, const unsigned char *memory)
{
    const lop_report_grids grids = {.quant = linear->quant,
                                    .count = (int64_t)linear->rows * linear->grids,
                                    .scale = (const float *)(const void *)(memory + linear->scale),
                                    .zero = (const float *)(const void *)(memory + linear->zero)};
    return lop_report_grids_put(linear->json, &grids);
}

/* Written before it is hashed: the disk works meanwhile. */
static lop_status write_linear(const lop_writer *w, const lop_job *job, const lop_job_linear *linear)
{
    char digest[LOP_SHA256_TEXT];
    int64_t bins[LOP_ROW_BINS];
    const unsigned char *memory = job->bytes.host, *bits = memory + linear->bits;
    LOP_TRY(lop_output_write(w->plan.output, linear->name, memory + linear->values, linear->bytes));
    LOP_TRY(lop_sha256_memory(memory + linear->values, linear->bytes, digest));
    LOP_TRY(
        lop_report_rows_put(linear->json, lop_keep_count_rows(bits, linear->rows, linear->cols, bins), bins));
    LOP_TRY(lop_json_put(linear->json, "sha256", json_string(digest)));
    if (linear->quant.bits != 0) LOP_TRY(grids_put(linear, memory));
    return linear->mask == NULL ? LOP_OK : lop_masks_write(w->plan.masks, linear->mask, bits);
}

static lop_status write_bias(const lop_writer *w, const lop_job *job, const lop_job_bias *bias)
{
    char digest[LOP_SHA256_TEXT];
    const unsigned char *values = (const unsigned char *)job->bytes.host + bias->values;
    LOP_TRY(lop_output_write(w->plan.output, bias->name, values, bias->bytes));
    LOP_TRY(lop_sha256_memory(values, bias->bytes, digest));
    return lop_json_put(bias->json, "sha256", json_string(digest));
}

static lop_status write_job(const lop_writer *w, const lop_job *job)
{
    for (int i = 0; i < job->count; i++) LOP_TRY(write_linear(w, job, &job->linears[i]));
    for (int i = 0; i < job->bias_count; i++) LOP_TRY(write_bias(w, job, &job->biases[i]));
    if (w->plan.masks != NULL) LOP_TRY(lop_file_sync(&w->plan.masks->file));
    if (job->line == NULL) return LOP_OK;
    char *line = json_dumps(job->line, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (line == NULL) return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the journal's line");
    const lop_status status = lop_output_commit(w->plan.output, line);
    free(line);
    return status;
}

static lop_status do_job(const lop_writer *w, int64_t number)
{
    return number == 0 ? w->plan.first(w->plan.user) : write_job(w, &w->jobs[number % JOBS]);
}

/* Behind a job that failed none is written. */
static void *work(void *user)
{
    lop_writer *w = user;
    (void)pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (w->through == w->submitted && !w->quit) (void)pthread_cond_wait(&w->changed, &w->mutex);
        if (w->through == w->submitted) break;
        const int64_t number = w->through;
        const bool goes_on = w->failed.code == LOP_OK;
        (void)pthread_mutex_unlock(&w->mutex);
        lop_error_record record = {.code = goes_on ? do_job(w, number) : LOP_OK};
        if (record.code != LOP_OK) lop_error_save(&record);
        (void)pthread_mutex_lock(&w->mutex);
        if (record.code != LOP_OK) w->failed = record;
        w->through++;
        (void)pthread_cond_broadcast(&w->changed);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return NULL;
}

lop_status lop_writer_open(const lop_writer_plan *plan, lop_writer **out)
{
    lop_status status = LOP_OK;
    lop_writer *w = NULL;
    *out = NULL;
    LOP_TRY(LOP_NEW(&w, 1));
    w->plan = *plan;
    w->submitted = 1;
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->changed, NULL);
    for (int i = 0; i < JOBS; i++)
        LOP_TRY_DONE(lop_buf_open(plan->device, LOP_ON_HOST, plan->room, &w->jobs[i].bytes));
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
    for (int i = 0; i < JOBS; i++) lop_buf_close(&w->jobs[i].bytes);
    lop_free(w);
}

/* With the mutex held: waits until at most `most` jobs are under way, and passes on what failed. */
static lop_status await(lop_writer *w, int64_t most)
{
    while (w->submitted - w->through > most) (void)pthread_cond_wait(&w->changed, &w->mutex);
    if (w->failed.code != LOP_OK) lop_error_restore(&w->failed);
    return w->failed.code;
}

lop_status lop_writer_job(lop_writer *w, lop_job **out)
{
    (void)pthread_mutex_lock(&w->mutex);
    const lop_status status = await(w, JOBS - 1);
    lop_job *job = &w->jobs[w->submitted % JOBS];
    (void)pthread_mutex_unlock(&w->mutex);
    job->count = job->bias_count = 0;
    job->used = 0;
    job->block = job->line = NULL;
    *out = job;
    return status;
}

size_t lop_job_place(lop_job *job, size_t bytes)
{
    const size_t at = job->used;
    job->used += (bytes + PLACE_ALIGN - 1) / PLACE_ALIGN * PLACE_ALIGN;
    assert(job->used <= job->bytes.bytes);
    return at;
}

lop_status lop_writer_wait(lop_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    const lop_status status = await(w, 0);
    (void)pthread_mutex_unlock(&w->mutex);
    return status;
}

void lop_writer_submit(lop_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    w->submitted++;
    (void)pthread_cond_broadcast(&w->changed);
    (void)pthread_mutex_unlock(&w->mutex);
}
