/* weights_reader.c - the thread that reads blocks ahead. Two host buffers go round: the thread fills one with the next
 * block while the device still takes the other. */
#include "core/base/memory.h"
#include "core/model/staging.h"
#include "core/model/weights.h"

#include <pthread.h>
#include <string.h>

#define SLOTS       2
#define PIECES_MOST (2 + 2 * LOP_LINEAR_COUNT) /* two norms; weight and bias of each linear */

/* One tensor of a block and the matrix it goes to. */
typedef struct piece {
    const lop_tensor *tensor;
    lop_mat to;
} piece;

typedef struct piece_list {
    piece at[PIECES_MOST];
    int32_t count;
} piece_list;

typedef struct slot {
    lop_staging staging;
    lop_fence drained; /* the device has taken what stood here */
    bool full, used;   /* full: read and not taken; used: the fence has been marked */
} slot;

struct lop_reader {
    const lop_net *net;
    lop_source source;
    int32_t first, end, next; /* next: the block to take */
    slot slots[SLOTS];
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* over what follows, and slot.full and slot.used */
    pthread_cond_t changed;
    bool closing, failed;
    lop_error_record error;
};

/* ---- what a block is made of */

static void list_add(piece_list *list, const lop_tensor *tensor, lop_mat to)
{
    if (tensor) list->at[list->count++] = (piece){tensor, to};
}

/* Always in the same order. Without `block` the matrices are left empty: the thread wants the tensors alone. */
static piece_list list_pieces(const lop_block_file *file, const lop_block *block)
{
    piece_list list = {.count = 0};
    list_add(&list, file->norm_attention, block ? block->norm_attention : LOP_NONE);
    list_add(&list, file->norm_ffn, block ? block->norm_ffn : LOP_NONE);
    for (int id = 0, view = 0; id < LOP_LINEAR_COUNT; id++) {
        if (file->linear[id].weight == NULL) continue;
        list_add(&list, file->linear[id].weight, block ? block->linears[view].w : LOP_NONE);
        list_add(&list, file->linear[id].bias, block ? block->linears[view].bias : LOP_NONE);
        view++;
    }
    return list;
}

static int64_t tensor_elements(const lop_tensor *t)
{
    return t->rank < 2 ? t->shape[0] : t->shape[0] * t->shape[1];
}

static size_t piece_bytes(const piece *p)
{
    return lop_staging_bytes(lop_checkpoint_word(p->tensor), tensor_elements(p->tensor));
}

/* The bytes of the largest block of [first, end), and of the largest tensor in them. */
static size_t slot_bytes(const lop_net *net, int32_t first, int32_t end, size_t *largest)
{
    size_t most = 0;
    *largest = 0;
    for (int32_t b = first; b < end; b++) {
        const piece_list list = list_pieces(&net->blocks[b], NULL);
        size_t sum = 0;
        for (int32_t i = 0; i < list.count; i++) {
            const size_t bytes = piece_bytes(&list.at[i]);
            if (bytes > *largest) *largest = bytes;
            sum += bytes;
        }
        if (sum > most) most = sum;
    }
    return most;
}

size_t lop_reader_bytes(const lop_net *net)
{
    size_t largest = 0;
    return SLOTS * slot_bytes(net, 0, net->config->blocks, &largest);
}

/* ---- the reader's thread */

static lop_status read_piece(const lop_reader *r, const lop_tensor *t, void *out)
{
    const lop_dtype as = lop_checkpoint_word(t);
    bool taken = false;
    if (r->source.fn) LOP_TRY(r->source.fn(r->source.user, t, as, out, &taken));
    if (!taken) LOP_TRY(lop_checkpoint_read(r->net->file, t, 0, t->shape[0], as, out));
    return lop_staging_check(t, 0, as, out, tensor_elements(t));
}

static bool is_closing(lop_reader *r)
{
    (void)pthread_mutex_lock(&r->lock);
    const bool closing = r->closing;
    (void)pthread_mutex_unlock(&r->lock);
    return closing;
}

static lop_status read_block(lop_reader *r, int32_t index, const slot *s)
{
    const piece_list list = list_pieces(&r->net->blocks[index], NULL);
    size_t at = 0;
    for (int32_t i = 0; i < list.count && !is_closing(r); i++) {
        LOP_TRY(read_piece(r, list.at[i].tensor, lop_staging_at(&s->staging, at)));
        at += piece_bytes(&list.at[i]);
    }
    return LOP_OK;
}

/* False when the reader closes meanwhile. */
static bool wait_empty(lop_reader *r, const slot *s)
{
    (void)pthread_mutex_lock(&r->lock);
    while (s->full && !r->closing) (void)pthread_cond_wait(&r->changed, &r->lock);
    const bool go_on = !r->closing;
    (void)pthread_mutex_unlock(&r->lock);
    return go_on;
}

static void report(lop_reader *r, slot *s, lop_status status)
{
    (void)pthread_mutex_lock(&r->lock);
    if (status == LOP_OK) {
        s->full = true;
    } else {
        r->failed = true;
        lop_error_save(&r->error);
    }
    (void)pthread_cond_broadcast(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
}

static void *reader_main(void *user)
{
    lop_reader *r = user;
    for (int32_t index = r->first; index < r->end; index++) {
        slot *s = &r->slots[(index - r->first) % SLOTS];
        if (!wait_empty(r, s)) break;
        lop_status status = s->used ? lop_fence_wait_host(&s->drained) : LOP_OK;
        if (status == LOP_OK) status = read_block(r, index, s);
        report(r, s, status);
        if (status != LOP_OK) break;
    }
    return NULL;
}

/* ---- open, take, close */

static lop_status open_slots(lop_reader *r, lop_device *device)
{
    size_t largest = 0;
    const size_t bytes = slot_bytes(r->net, r->first, r->end, &largest);
    for (int i = 0; i < SLOTS && i < r->end - r->first; i++) {
        LOP_TRY(lop_staging_open(device, bytes, largest, &r->slots[i].staging));
        LOP_TRY(lop_fence_open(device, &r->slots[i].drained));
    }
    return LOP_OK;
}

lop_status lop_reader_open(const lop_net *net, lop_device *device, const lop_source *source, int32_t first,
                           int32_t end, lop_reader **out)
{
    *out = NULL;
    if (first < 0 || first > end || end > net->config->blocks)
        return LOP_FAIL(LOP_E_ARGUMENT, "blocks %d to %d were asked for; the model has %d", first, end,
                        net->config->blocks);
    lop_reader *r = NULL;
    LOP_TRY(LOP_NEW(&r, 1));
    r->net = net;
    r->first = r->next = first;
    r->end = end;
    if (source) r->source = *source;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->changed, NULL);
    lop_status status = open_slots(r, device);
    if (status == LOP_OK && pthread_create(&r->thread, NULL, reader_main, r) != 0)
        status = LOP_FAIL(LOP_E_MEMORY, "the thread that reads weights could not be started");
    r->started = status == LOP_OK;
    if (status != LOP_OK) {
        lop_reader_close(r);
        return status;
    }
    *out = r;
    return LOP_OK;
}

/* What the device still takes from a buffer must be through before the buffer goes. */
void lop_reader_close(lop_reader *r)
{
    if (r == NULL) return;
    (void)pthread_mutex_lock(&r->lock);
    r->closing = true;
    (void)pthread_cond_broadcast(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    if (r->started) (void)pthread_join(r->thread, NULL);
    for (int i = SLOTS - 1; i >= 0; i--) {
        slot *s = &r->slots[i];
        if (s->used && lop_fence_wait_host(&s->drained) != LOP_OK) lop_error_clear();
        if (s->drained.device) lop_fence_close(&s->drained);
        lop_staging_close(&s->staging);
    }
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    lop_free(r);
}

static lop_status wait_full(lop_reader *r, const slot *s)
{
    lop_status status = LOP_OK;
    (void)pthread_mutex_lock(&r->lock);
    while (!s->full && !r->failed) (void)pthread_cond_wait(&r->changed, &r->lock);
    if (!s->full) {
        lop_error_restore(&r->error);
        status = r->error.code;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return status;
}

static lop_status queue_block(lop_queue *q, const slot *s, const piece_list *list)
{
    size_t at = 0;
    for (int32_t i = 0; i < list->count; i++) {
        const piece *p = &list->at[i];
        LOP_TRY(lop_staging_move(q, &s->staging, at, lop_checkpoint_word(p->tensor), p->to));
        at += piece_bytes(p);
    }
    return LOP_OK;
}

lop_status lop_reader_take(lop_reader *r, lop_queue *q, lop_block *block)
{
    if (r->next >= r->end)
        return LOP_FAIL(LOP_E_INTERNAL, "block %d was asked for; the reader ends before %d", r->next, r->end);
    slot *s = &r->slots[(r->next - r->first) % SLOTS];
    const lop_block_file *file = &r->net->blocks[r->next];
    LOP_TRY(wait_full(r, s));
    const piece_list list = list_pieces(file, block);
    LOP_TRY(queue_block(q, s, &list));
    LOP_TRY(lop_fence_mark(q, &s->drained));
    (void)pthread_mutex_lock(&r->lock);
    s->full = false;
    s->used = true;
    (void)pthread_cond_broadcast(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    block->index = r->next++;
    for (int32_t i = 0; i < block->count; i++)
        block->linears[i].name = file->linear[block->linears[i].id].weight->name;
    return LOP_OK;
}
