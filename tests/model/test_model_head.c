/* test_model_head.c - the head kept on the device: its losses are those of a head that is read in chunks. */
#include "core/device/arena.h"
#include "tests/model/made_model.h"
#include "tests/model/model_groups.h"
#include "tests/model/rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* A head kept on the device gives the losses that one read in chunks gives; fewer rows than it is for will do. */
static void resident_head_at(made_shape shape, int32_t rows, int32_t room)
{
    static int32_t ids[1024];
    static float want[1024], got[1024];
    rig r;
    lop_head *head = NULL;
    lop_arena *arena = NULL;
    lop_mat x, target, nll;
    const made_model m = made_model_open(shape);
    made_model_ids(&m, ids, rows);
    ids[0] = -1;
    rig_open(&r, m.folder);
    assert_ok(lop_arena_open(&r.device, LOP_ON_DEVICE, 0, &arena));
    assert_ok(lop_arena_mat(arena, rows, m.shape.hidden, LOP_F32, &x));
    assert_ok(lop_arena_mat(arena, 1, rows, LOP_I32, &target));
    assert_ok(lop_arena_mat(arena, 1, rows, LOP_F32, &nll));
    float *stream = rig_stream(&r, ids + 1, 1, rows - 1, 1);
    assert_ok(lop_upload(&r.queue, stream, lop_mat_rows(x, 1, rows - 1)));
    assert_ok(lop_upload(&r.queue, stream, lop_mat_rows(x, 0, 1)));
    assert_ok(lop_upload(&r.queue, ids, target));
    assert_ok(lop_head_nll(&r.queue, &r.net, x, ids, want));
    assert_ok(lop_head_open_rows(&r.queue, &r.net, room, &head));
    assert_ok(lop_head_losses(&r.queue, head, x, target, nll));
    assert_ok(lop_download(&r.queue, nll, got));
    for (int32_t i = 0; i < rows; i++) assert_true(fabsf(got[i] - want[i]) <= 1e-5f * (1.0f + want[i]));
    assert_true(got[0] == 0.0f && got[1] > 0.0f);
    assert_failed(lop_head_best(&r.queue, head, lop_mat_rows(x, 0, 1), ids), LOP_E_ARGUMENT, "rows");
    lop_head_close(head);
    assert_failed(lop_head_open_rows(&r.queue, &r.net, 0, &head), LOP_E_ARGUMENT, "0 rows");
    assert_ok(lop_head_open_rows(&r.queue, &r.net, 2, &head));
    assert_failed(lop_head_losses(&r.queue, head, x, target, nll), LOP_E_ARGUMENT, "rows");
    lop_head_close(head);
    lop_arena_close(arena);
    free(stream);
    rig_close(&r);
    made_model_close(&m);
}

static void resident_head(void **state)
{
    (void)state;
    resident_head_at((made_shape){.vocab = 9001, .blocks = 1}, 1023, 1023);
    resident_head_at((made_shape){.tied = true, .blocks = 1}, 33, 40);
}

int test_model_head(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(resident_head)};
    return cmocka_run_group_tests_name("a head on the device", tests, NULL, NULL);
}
