/* weights_reader.c - the threads that read blocks ahead, and the queue that carries what they read.
 *
 * The caller's blocks go round: empty, filling, full, taken, and empty again once the caller takes the next. Threads draw
 * pieces in order; the last piece of a block marks it full. Where the host reaches a matrix its values are read into it;
 * else a thread reads into one of two page-locked buffers of its own while the device takes the other. */
#include "core/base/memory.h"
#include "core/model/weights_piece.h"

#include <pthread.h>
#include <string.h>

#define THREADS 3 /* a cold disk wants several reads at once; each also looks at what it reads */
#define HALVES  2

typedef enum slot_state { SLOT_EMPTY, SLOT_FILLING, SLOT_FULL, SLOT_TAKEN } slot_state;

typedef struct slot {
    lop_block *block;
    slot_state state;
    int32_t index;      /* of the block that fills it, or filled it last */
    int32_t left;       /* its pieces that are not through */
    lop_fence filled;   /* on the reader's queue: all is there */
    lop_fence released; /* on the caller's queue: nobody looks any more */
    bool used;          /* released has been marked */
    bool behind;        /* under queue_lock: what is queued next for this block comes behind released */
} slot;

/* The next piece to be drawn. */
typedef struct cursor {
    int32_t block, part, piece;
} cursor;

typedef struct reading {
    lop_reader *reader;
    pthread_t thread;
    bool started;
    lop_staging staging;
    lop_fence drained[HALVES]; /* the device has taken what stood there */
    bool used[HALVES];
    int turn;
} reading;

struct lop_reader {
    const lop_net *net;
    lop_device *device;
    lop_source source;
    int32_t first, end, next; /* next: the block to take */
    int32_t count, held;
    slot *slots;
    size_t half; /* bytes of half a thread's buffer */
    reading threads[THREADS];
    lop_queue queue;
    lop_buf landing; /* for what the device converts: one piece, the queue's own order keeps it */
    pthread_mutex_t queue_lock;
    pthread_mutex_t lock; /* over what follows, and the slots */
    pthread_cond_t changed;
    cursor cursor;
    int32_t working; /* threads at a piece */
    bool closing, failed;
    cursor failed_at; /* of the failures of several threads the first in the file is told */
    lop_error_record error;
};

static slot *slot_of(const lop_reader *r, int32_t block)
{
    return &r->slots[(block - r->first) % r->count];
}

size_t lop_reader_bytes(const lop_net *net, const lop_device *device, lop_place place)
{
    if (device->host_memory) return 0;
    const size_t piece = lop_piece_most(net);
    return place == LOP_ON_HOST ? THREADS * HALVES * piece : piece;
}

/* ---- one piece */

static bool is_near(const lop_piece *p)
{
    return p->part.to.buf->host != NULL;
}

static lop_dtype dtype_of(lop_type type)
{
    return type == LOP_F16 ? LOP_DTYPE_F16 : type == LOP_BF16 ? LOP_DTYPE_BF16 : LOP_DTYPE_F32;
}

static lop_status read_near(const lop_reader *r, const slot *s, const lop_piece *p)
{
    const lop_mat to = lop_piece_mat(p);
    if (s->used) LOP_TRY(lop_fence_wait_host(&s->released));
    return lop_piece_read(r->net, &r->source, p, dtype_of(to.type), lop_mat_host(to));
}

static lop_status queue_piece(lop_reader *r, reading *t, slot *s, const lop_piece *p, lop_dtype as)
{
    if (s->behind) LOP_TRY(lop_fence_wait(&r->queue, &s->released));
    s->behind = false;
    const lop_staging way = {.host = t->staging.host, .landing = r->landing};
    LOP_TRY(lop_staging_move(&r->queue, &way, (size_t)t->turn * r->half, as, lop_piece_mat(p)));
    return lop_fence_mark(&r->queue, &t->drained[t->turn]);
}

static lop_status read_far(lop_reader *r, reading *t, slot *s, const lop_piece *p)
{
    const lop_dtype as = lop_checkpoint_word(p->part.tensor);
    t->turn = (t->turn + 1) % HALVES;
    if (t->used[t->turn]) LOP_TRY(lop_fence_wait_host(&t->drained[t->turn]));
    void *out = lop_staging_at(&t->staging, (size_t)t->turn * r->half);
    LOP_TRY(lop_piece_read(r->net, &r->source, p, as, out));
    t->used[t->turn] = true;
    (void)pthread_mutex_lock(&r->queue_lock);
    const lop_status status = queue_piece(r, t, s, p, as);
    (void)pthread_mutex_unlock(&r->queue_lock);
    return status;
}

/* ---- the threads; what follows holds r->lock unless it says otherwise */

/* The pieces of a block; its slot is filling from now on. */
static void slot_begin(const lop_reader *r, slot *s, int32_t block)
{
    lop_block_reshape(r->net, block, s->block);
    const lop_part_list list = lop_parts_of(&r->net->blocks[block], s->block);
    s->state = SLOT_FILLING;
    s->index = block;
    s->left = 0;
    for (int32_t i = 0; i < list.count; i++) s->left += lop_pieces(&list.at[i]);
}

static bool is_before(cursor a, cursor b)
{
    if (a.block != b.block) return a.block < b.block;
    return a.part != b.part ? a.part < b.part : a.piece < b.piece;
}

static void fail(lop_reader *r, cursor where)
{
    if (!r->failed || is_before(where, r->failed_at)) {
        r->failed_at = where;
        lop_error_save(&r->error);
    }
    r->failed = true;
}

static void piece_done(lop_reader *r, cursor where, lop_status status)
{
    slot *s = slot_of(r, where.block);
    if (status == LOP_OK && --s->left == 0) {
        (void)pthread_mutex_lock(&r->queue_lock);
        status = lop_fence_mark(&r->queue, &s->filled);
        (void)pthread_mutex_unlock(&r->queue_lock);
        if (status == LOP_OK) s->state = SLOT_FULL;
    }
    if (status != LOP_OK) fail(r, where);
}

/* A block that has lost both halves is full as soon as it begins. */
static void skip_empty(lop_reader *r, slot *s)
{
    s->left = 1;
    piece_done(r, r->cursor, LOP_OK);
    r->cursor.block++;
    (void)pthread_cond_broadcast(&r->changed);
}

/* Draws the next piece; false when there is none to draw yet, or any more. */
static bool draw(lop_reader *r, lop_piece *out, cursor *where)
{
    cursor *c = &r->cursor;
    if (c->block >= r->end || r->failed) return false;
    slot *s = slot_of(r, c->block);
    if (s->state == SLOT_EMPTY) slot_begin(r, s, c->block);
    if (s->state != SLOT_FILLING || s->index != c->block) return false;
    if (s->left == 0) {
        skip_empty(r, s);
        return false; /* the next draw looks at the block behind it */
    }
    const lop_part_list list = lop_parts_of(&r->net->blocks[c->block], s->block);
    *where = *c;
    *out = lop_piece_at(&list.at[c->part], c->piece);
    if (++c->piece < lop_pieces(&list.at[c->part])) return true;
    *c = (cursor){c->block, c->part + 1, 0};
    if (c->part == list.count) *c = (cursor){c->block + 1, 0, 0};
    return true;
}

static void *thread_main(void *user)
{
    reading *t = user;
    lop_reader *r = t->reader;
    (void)pthread_mutex_lock(&r->lock);
    while (!r->closing && !r->failed && r->cursor.block < r->end) {
        lop_piece piece;
        cursor where;
        const int32_t block = r->cursor.block;
        if (!draw(r, &piece, &where)) {
            if (r->cursor.block == block) (void)pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        r->working++;
        (void)pthread_mutex_unlock(&r->lock);
        const lop_status status = is_near(&piece) ? read_near(r, slot_of(r, where.block), &piece)
                                                  : read_far(r, t, slot_of(r, where.block), &piece);
        (void)pthread_mutex_lock(&r->lock);
        r->working--;
        piece_done(r, where, status);
        (void)pthread_cond_broadcast(&r->changed);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- open, take, close */

static lop_status open_slots(lop_reader *r, const lop_reader_plan *plan)
{
    LOP_TRY(LOP_NEW(&r->slots, r->count));
    for (int32_t i = 0; i < r->count; i++) {
        r->slots[i].block = &plan->blocks[i];
        LOP_TRY(lop_fence_open(r->device, &r->slots[i].filled));
        LOP_TRY(lop_fence_open(r->device, &r->slots[i].released));
    }
    return LOP_OK;
}

/* Norms that no tensor fills. */
static lop_status fill_norms(lop_reader *r)
{
    if (!r->net->config->norm_plain) return LOP_OK;
    for (int32_t i = 0; i < r->count; i++) {
        LOP_TRY(lop_norm_fill(&r->queue, &r->slots[i].block->norm_attention));
        LOP_TRY(lop_norm_fill(&r->queue, &r->slots[i].block->norm_ffn));
    }
    return lop_queue_wait(&r->queue);
}

static lop_status open_buffers(lop_reader *r)
{
    if (r->device->host_memory) return LOP_OK;
    r->half = lop_piece_most(r->net);
    LOP_TRY(lop_buf_open(r->device, LOP_ON_DEVICE, r->half, &r->landing));
    for (int i = 0; i < THREADS; i++) {
        reading *t = &r->threads[i];
        LOP_TRY(lop_buf_open(r->device, LOP_ON_HOST, HALVES * r->half, &t->staging.host));
        for (int h = 0; h < HALVES; h++) LOP_TRY(lop_fence_open(r->device, &t->drained[h]));
    }
    return LOP_OK;
}

static lop_status start(lop_reader *r)
{
    for (int i = 0; i < THREADS; i++) {
        reading *t = &r->threads[i];
        t->reader = r;
        t->started = pthread_create(&t->thread, NULL, thread_main, t) == 0;
        if (!t->started) return LOP_FAIL(LOP_E_MEMORY, "a thread that reads weights could not be started");
    }
    return LOP_OK;
}

lop_status lop_reader_open(const lop_reader_plan *plan, lop_reader **out)
{
    *out = NULL;
    if (plan->first < 0 || plan->first > plan->end || plan->end > plan->net->config->blocks ||
        plan->count < 1)
        return LOP_FAIL(LOP_E_ARGUMENT, "blocks %d to %d were asked for, %d at a time; the model has %d",
                        plan->first, plan->end, plan->count, plan->net->config->blocks);
    lop_reader *r = NULL;
    LOP_TRY(LOP_NEW(&r, 1));
    r->net = plan->net;
    r->device = plan->device;
    r->first = r->next = r->cursor.block = plan->first;
    r->end = plan->end;
    r->count = plan->count;
    r->held = plan->held > 0 ? plan->held : 1;
    if (plan->source) r->source = *plan->source;
    (void)pthread_mutex_init(&r->queue_lock, NULL);
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->changed, NULL);
    lop_status status = lop_queue_open(r->device, &r->queue);
    if (status == LOP_OK) status = open_slots(r, plan);
    if (status == LOP_OK) status = fill_norms(r);
    if (status == LOP_OK) status = open_buffers(r);
    if (status == LOP_OK) status = start(r);
    if (status != LOP_OK) {
        lop_reader_close(r);
        return status;
    }
    *out = r;
    return LOP_OK;
}

/* The queue closes first: it waits for what it still takes from the buffers. */
void lop_reader_close(lop_reader *r)
{
    if (r == NULL) return;
    (void)pthread_mutex_lock(&r->lock);
    r->closing = true;
    (void)pthread_cond_broadcast(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < THREADS; i++)
        if (r->threads[i].started) (void)pthread_join(r->threads[i].thread, NULL);
    lop_queue_close(&r->queue);
    for (int i = 0; i < THREADS; i++) {
        for (int h = 0; h < HALVES; h++) lop_fence_close(&r->threads[i].drained[h]);
        lop_staging_close(&r->threads[i].staging);
    }
    lop_buf_close(&r->landing);
    for (int32_t i = 0; r->slots != NULL && i < r->count; i++) {
        lop_fence_close(&r->slots[i].filled);
        lop_fence_close(&r->slots[i].released);
    }
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    (void)pthread_mutex_destroy(&r->queue_lock);
    lop_free(r->slots);
    lop_free(r);
}

static bool is_taken(lop_reader *r, const slot *s)
{
    (void)pthread_mutex_lock(&r->lock);
    const bool taken = s->state == SLOT_TAKEN;
    (void)pthread_mutex_unlock(&r->lock);
    return taken;
}

/* Work of the reader's queue on this block comes behind what the caller has queued with it. */
static lop_status give_back(lop_reader *r, lop_queue *q, slot *s)
{
    if (!is_taken(r, s)) return LOP_OK;
    LOP_TRY(lop_fence_mark(q, &s->released));
    (void)pthread_mutex_lock(&r->queue_lock);
    s->behind = true;
    (void)pthread_mutex_unlock(&r->queue_lock);
    (void)pthread_mutex_lock(&r->lock);
    s->used = true;
    s->state = SLOT_EMPTY;
    (void)pthread_cond_broadcast(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    return LOP_OK;
}

/* A failure is told when every thread has come back from its piece: then it is the first one. */
static lop_status wait_full(lop_reader *r, slot *s)
{
    lop_status status = LOP_OK;
    (void)pthread_mutex_lock(&r->lock);
    while (s->state != SLOT_FULL && !(r->failed && r->working == 0))
        (void)pthread_cond_wait(&r->changed, &r->lock);
    if (s->state == SLOT_FULL) {
        s->state = SLOT_TAKEN;
    } else {
        lop_error_restore(&r->error);
        status = r->error.code;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

lop_status lop_reader_take(lop_reader *r, lop_queue *q, lop_block **out)
{
    if (r->next >= r->end)
        return LOP_FAIL(LOP_E_INTERNAL, "block %d was asked for; the reader ends before %d", r->next, r->end);
    slot *s = slot_of(r, r->next);
    const lop_block_file *file = &r->net->blocks[r->next];
    if (r->next - r->held >= r->first) LOP_TRY(give_back(r, q, slot_of(r, r->next - r->held)));
    LOP_TRY(wait_full(r, s));
    LOP_TRY(lop_fence_wait(q, &s->filled));
    lop_block *block = s->block;
    block->index = r->next++;
    for (int32_t i = 0; i < block->count; i++)
        block->linears[i].name = file->linear[block->linears[i].id].weight->name;
    *out = block;
    return LOP_OK;
}
