/* rig.c - opens models and carries ids through them. */
#include "tests/model/rig.h"
#include "tests/harness/test_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void rig_open(rig *r, const char *path)
{
    memset(r, 0, sizeof *r);
    assert_ok(test_device_open(test_backend, &r->device));
    assert_ok(lop_queue_open(&r->device, &r->queue));
    assert_ok(lop_checkpoint_open(path, &r->file));
    assert_ok(lop_net_open(r->file, &r->net));
}

void rig_close(rig *r)
{
    lop_net_close(&r->net);
    lop_checkpoint_close(r->file);
    lop_queue_close(&r->queue);
    lop_device_close(&r->device);
}

/* x through all blocks. */
static void run_blocks(rig *r, lop_block blocks[2], lop_mat x, int32_t sequences, int32_t tokens,
                       int32_t batch)
{
    lop_forward *forward = NULL;
    lop_reader *reader = NULL;
    assert_ok(
        lop_forward_open(&r->net, &r->device, lop_walk_word(&r->device, &r->net), batch, tokens, &forward));
    const lop_reader_plan plan = {
        .net = &r->net, .device = &r->device, .end = r->net.config->blocks, .blocks = blocks, .count = 2};
    assert_ok(lop_reader_open(&plan, &reader));
    for (int32_t b = 0; b < r->net.config->blocks; b++) {
        lop_block *block = NULL;
        assert_ok(lop_reader_take(reader, &r->queue, &block));
        for (int32_t s = 0; s < sequences; s += batch) {
            const int32_t n = sequences - s < batch ? sequences - s : batch;
            const lop_mat rows = lop_mat_rows(x, s * tokens, n * tokens);
            assert_ok(lop_block_forward(&r->queue, forward, block, rows, n, tokens, NULL));
        }
    }
    assert_ok(lop_queue_wait(&r->queue));
    lop_reader_close(reader);
    lop_forward_close(forward);
}

static float *run(rig *r, const int32_t *ids, int32_t sequences, int32_t tokens, int32_t batch, bool logits)
{
    const int32_t rows = sequences * tokens;
    lop_arena *arena = NULL;
    lop_block blocks[2];
    lop_mat x;
    float *out =
        malloc((size_t)rows * (size_t)(logits ? r->net.config->vocab : r->net.config->hidden) * sizeof *out);
    assert_non_null(out);
    assert_ok(lop_arena_open(&r->device, LOP_ON_DEVICE, 0, &arena));
    for (int i = 0; i < 2; i++)
        assert_ok(lop_block_place(arena, &r->net, lop_walk_word(&r->device, &r->net), &blocks[i]));
    assert_ok(lop_arena_mat(arena, rows, r->net.config->hidden, LOP_F32, &x));
    const lop_token_rows embedded = {.ids = ids, .count = rows, .tokens = tokens};
    assert_ok(lop_embed(&r->queue, &r->net, &embedded, x));
    run_blocks(r, blocks, x, sequences, tokens, batch);
    assert_ok(logits ? lop_head_logits(&r->queue, &r->net, x, out) : lop_download(&r->queue, x, out));
    lop_arena_close(arena);
    return out;
}

float *rig_stream(rig *r, const int32_t *ids, int32_t sequences, int32_t tokens, int32_t batch)
{
    return run(r, ids, sequences, tokens, batch, false);
}

float *rig_logits(rig *r, const int32_t *ids, int32_t sequences, int32_t tokens, int32_t batch)
{
    return run(r, ids, sequences, tokens, batch, true);
}
