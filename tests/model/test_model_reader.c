/* test_model_reader.c - the thread that reads ahead: order, sources that override the file, and what it says when the
 * file is not what it was. */
#include "tests/model/made_model.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct reading {
    made_model model;
    rig rig;
    lop_arena *arena;
    lop_block blocks[3], *block;
    lop_reader *reader;
} reading;

static void reading_open(reading *t, made_shape shape)
{
    memset(t, 0, sizeof *t);
    t->model = made_model_open(shape);
    rig_open(&t->rig, t->model.folder);
    assert_ok(lop_arena_open(&t->rig.device, LOP_ON_DEVICE, 0, &t->arena));
    for (int i = 0; i < 3; i++) assert_ok(lop_block_place(t->arena, &t->rig.net, LOP_F32, &t->blocks[i]));
}

/* Opens t->reader, or another where that is wanted. */
static lop_status read_from(reading *t, const lop_source *source, int32_t first, int32_t end,
                            lop_reader **out)
{
    const lop_reader_plan plan = {.net = &t->rig.net,
                                  .device = &t->rig.device,
                                  .source = source,
                                  .first = first,
                                  .end = end,
                                  .blocks = t->blocks,
                                  .count = 2};
    return lop_reader_open(&plan, out ? out : &t->reader);
}

static void reading_close(reading *t)
{
    lop_reader_close(t->reader);
    lop_arena_close(t->arena);
    rig_close(&t->rig);
    made_model_close(&t->model);
}

static lop_status take(reading *t)
{
    LOP_TRY(lop_reader_take(t->reader, &t->rig.queue, &t->block));
    return lop_queue_wait(&t->rig.queue);
}

static float first_of(reading *t, lop_mat m)
{
    float value = 0.0f;
    assert_ok(lop_download(&t->rig.queue, lop_mat_cols(lop_mat_rows(m, 0, 1), 0, 1), &value));
    return value;
}

/* Every linear of every block holds what the file holds; the views lie in the stacks. */
static void blocks_in_order(void **state)
{
    (void)state;
    reading t;
    static float file[64 * 104], device[64 * 104];
    reading_open(&t, (made_shape){.blocks = 5, .dtype = LOP_DTYPE_F16, .bias = true, .ffn = 104});
    assert_ok(read_from(&t, NULL, 0, 5, NULL));
    for (int b = 0; b < 5; b++) {
        assert_ok(take(&t));
        assert_int_equal(t.block->index, b);
        assert_int_equal(t.block->count, LOP_LINEAR_COUNT);
        for (int i = 0; i < t.block->count; i++) {
            const lop_linear_view *v = &t.block->linears[i];
            const lop_linear_file *l = &t.rig.net.blocks[b].linear[v->id];
            const size_t bytes = (size_t)l->out * (size_t)l->in * sizeof(float);
            assert_string_equal(v->name, l->weight->name);
            assert_ok(lop_checkpoint_read(t.rig.file, l->weight, 0, l->out, LOP_DTYPE_F32, file));
            assert_ok(lop_download(&t.rig.queue, v->w, device));
            assert_memory_equal(file, device, bytes);
            assert_ok(lop_checkpoint_read(t.rig.file, l->bias, 0, l->out, LOP_DTYPE_F32, file));
            assert_ok(lop_download(&t.rig.queue, v->bias, device));
            assert_memory_equal(file, device, (size_t)l->out * sizeof(float));
        }
    }
    assert_int_equal(take(&t), LOP_E_INTERNAL);
    reading_close(&t);
}

/* The last two stay as they were handed out while a third one is filled. */
static void two_stay(void **state)
{
    (void)state;
    reading t;
    lop_block *before = NULL;
    float was = 0.0f;
    reading_open(&t, (made_shape){.blocks = 7});
    const lop_reader_plan plan = {
        .net = &t.rig.net, .device = &t.rig.device, .end = 7, .blocks = t.blocks, .count = 3, .held = 2};
    assert_ok(lop_reader_open(&plan, &t.reader));
    for (int b = 0; b < 7; b++) {
        assert_ok(take(&t));
        assert_int_equal(t.block->index, b);
        if (before != NULL) {
            assert_true(before != t.block && before->index == b - 1);
            assert_true(first_of(&t, before->down) == was);
        }
        before = t.block;
        was = first_of(&t, t.block->down);
    }
    reading_close(&t);
}

/* A resumed run's source: it has k_proj of block 1 and nothing else. */
static lop_status override(void *user, const lop_tensor *t, int64_t first, int64_t rows, lop_dtype as,
                           void *values, bool *taken)
{
    (void)first;
    *taken = strcmp(t->name, user) == 0;
    if (!*taken) return LOP_OK;
    assert_int_equal(as, LOP_DTYPE_F32);
    for (int64_t i = 0; i < rows * t->shape[1]; i++) ((float *)values)[i] = 42.0f;
    return LOP_OK;
}

static void source(void **state)
{
    (void)state;
    reading t;
    char name[] = "model.layers.1.self_attn.k_proj.weight";
    const lop_source from = {.fn = override, .user = name};
    reading_open(&t, (made_shape){0});
    assert_ok(read_from(&t, &from, 0, 2, NULL));
    assert_ok(take(&t));
    assert_true(first_of(&t, t.block->linears[LOP_LINEAR_K].w) < 42.0f);
    assert_ok(take(&t));
    assert_true(first_of(&t, t.block->linears[LOP_LINEAR_K].w) == 42.0f);
    assert_true(first_of(&t, t.block->linears[LOP_LINEAR_V].w) < 42.0f);
    reading_close(&t);
}

static lop_status broken(void *user, const lop_tensor *t, int64_t first, int64_t rows, lop_dtype as,
                         void *values, bool *taken)
{
    (void)user, (void)t, (void)first, (void)rows, (void)as, (void)values, (void)taken;
    return LOP_FAIL(LOP_E_FILE, "the source has gone");
}

/* A failure in the reader's thread is the caller's: code and sentence. */
static void source_fails(void **state)
{
    (void)state;
    reading t;
    const lop_source from = {.fn = broken};
    reading_open(&t, (made_shape){0});
    assert_ok(read_from(&t, &from, 0, 2, NULL));
    assert_failed(take(&t), LOP_E_FILE, "the source has gone");
    assert_failed(take(&t), LOP_E_FILE, "the source has gone");
    reading_close(&t);
}

/* Overwrites one element of a tensor in the file. */
static void patch(const reading *t, const char *name, int64_t element, const void *value, size_t bytes)
{
    const lop_tensor *tensor = lop_checkpoint_find(t->rig.file, name);
    assert_non_null(tensor);
    FILE *f = fopen(made_model_file(&t->model), "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)(tensor->at + (uint64_t)element * bytes), SEEK_SET), 0);
    assert_int_equal(fwrite(value, bytes, 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

static void bad_weight(made_shape shape, const char *name, int64_t element, const void *value, size_t bytes,
                       const char *words)
{
    reading t;
    reading_open(&t, shape);
    patch(&t, name, element, value, bytes);
    assert_ok(read_from(&t, NULL, 0, 2, NULL));
    assert_ok(take(&t));
    const lop_status status = take(&t);
    assert_failed(status, LOP_E_FORMAT, name);
    assert_failed(status, LOP_E_FORMAT, words);
    reading_close(&t);
}

static void not_a_number(void **state)
{
    (void)state;
    const uint32_t nan32 = 0x7fc00001u, inf32 = 0xff800000u;
    const uint16_t nan16 = 0x7e00u, inf16 = 0xff80u;
    bad_weight((made_shape){0}, "model.layers.1.mlp.up_proj.weight", 5 * 64 + 17, &nan32, 4,
               "row 5, column 17");
    bad_weight((made_shape){.hidden = 128}, "model.layers.1.mlp.gate_proj.weight", 95 * 128 + 127, &inf32, 4,
               "row 95, column 127");
    bad_weight((made_shape){0}, "model.layers.1.input_layernorm.weight", 63, &nan32, 4, "element 63");
    bad_weight((made_shape){.dtype = LOP_DTYPE_F16}, "model.layers.1.self_attn.o_proj.weight", 0, &nan16, 2,
               "row 0, column 0");
    bad_weight((made_shape){.dtype = LOP_DTYPE_BF16}, "model.layers.1.self_attn.q_proj.weight", 64, &inf16, 2,
               "row 1, column 0");
}

static void bad_ends(void **state)
{
    (void)state;
    const uint32_t nan32 = 0x7fc00001u;
    const int32_t ids[2] = {3, 4};
    reading t;
    lop_mat x;
    float nll[2];
    reading_open(&t, (made_shape){0});
    assert_ok(lop_arena_mat(t.arena, 2, 64, LOP_F32, &x));
    const lop_token_rows two = {.ids = ids, .count = 2, .tokens = 2};
    assert_ok(lop_embed(&t.rig.queue, &t.rig.net, &two, x));
    patch(&t, "lm_head.weight", 64, &nan32, 4);
    assert_failed(lop_head_nll(&t.rig.queue, &t.rig.net, x, ids, nll), LOP_E_FORMAT, "lm_head.weight");
    patch(&t, "model.embed_tokens.weight", 4 * 64 + 2, &nan32, 4);
    assert_failed(lop_embed(&t.rig.queue, &t.rig.net, &two, x), LOP_E_FORMAT, "row 4, column 2");
    const lop_token_rows outside = {.ids = (const int32_t[]){3, 300}, .count = 2, .tokens = 2};
    const lop_token_rows negative = {.ids = (const int32_t[]){-1, 3}, .count = 2, .tokens = 2};
    assert_failed(lop_embed(&t.rig.queue, &t.rig.net, &outside, x), LOP_E_FORMAT, "300");
    assert_failed(lop_embed(&t.rig.queue, &t.rig.net, &negative, x), LOP_E_FORMAT, "-1");
    reading_close(&t);
}

static void file_shrinks(void **state)
{
    (void)state;
    reading t;
    reading_open(&t, (made_shape){.blocks = 4});
    const lop_tensor *tensor = lop_checkpoint_find(t.rig.file, "model.layers.2.mlp.gate_proj.weight");
    assert_non_null(tensor);
    assert_int_equal(truncate(made_model_file(&t.model), (off_t)tensor->at + 100), 0);
    assert_ok(read_from(&t, NULL, 0, 4, NULL));
    assert_ok(take(&t));
    assert_ok(take(&t));
    assert_failed(take(&t), LOP_E_FILE, "model.layers.2.mlp.gate_proj.weight");
    reading_close(&t);
}

static void closed_early(void **state)
{
    (void)state;
    for (int taken = 0; taken < 4; taken++) {
        reading t;
        reading_open(&t, (made_shape){.blocks = 6});
        assert_ok(read_from(&t, NULL, 1, 6, NULL));
        for (int i = 0; i < taken; i++) assert_ok(take(&t));
        reading_close(&t);
    }
}

static void bounded(void **state)
{
    (void)state;
    reading t;
    reading_open(&t, (made_shape){.blocks = 6, .hidden = 256, .ffn = 512});
    const size_t before[2] = {lop_buf_used(LOP_ON_HOST).now, lop_buf_used(LOP_ON_DEVICE).now};
    assert_ok(read_from(&t, NULL, 0, 6, NULL));
    for (int place = 0; place < 2; place++) {
        const lop_place where = place == 0 ? LOP_ON_HOST : LOP_ON_DEVICE;
        const size_t held = lop_buf_used(where).now - before[place];
        assert_int_equal(held, lop_reader_bytes(&t.rig.net, &t.rig.device, where));
        assert_true(held < t.rig.net.prunable / 6 * 2 * sizeof(float) + 65536);
    }
    lop_reader *beyond = NULL;
    assert_failed(read_from(&t, NULL, 3, 7, &beyond), LOP_E_ARGUMENT, "the model has 6");
    assert_null(beyond);
    reading_close(&t);
}

int test_model_reader(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_in_order), cmocka_unit_test(two_stay),     cmocka_unit_test(source),
        cmocka_unit_test(source_fails),    cmocka_unit_test(not_a_number), cmocka_unit_test(bad_ends),
        cmocka_unit_test(file_shrinks),    cmocka_unit_test(closed_early), cmocka_unit_test(bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
