/* test_prune_pairs.c - two blocks that BESA learns together: what each is ranked by, one budget for both, which blocks go in
 * pairs, what the report tells of each, and a run that stops when only the first of two is on its way to the disk. */
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/prune/report_page.h"
#include "tests/prune/groups.h"
#include "tests/prune/prune_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const lop_setting half = {"sparsity-ratio", "0.5"}, pairs = {"unit", "two-blocks"};

static json_t *block_at(const json_t *report, size_t block)
{
    json_t *found = json_array_get(json_object_get(report, "blocks"), block);
    assert_non_null(found);
    return found;
}

/* Before the first step both blocks are as Wanda has them where dense blocks feed one another. */
static void no_steps_are_wanda_of_dense_inputs(void **state)
{
    (void)state;
    static const made_shape shapes[] = {
        {.blocks = 2}, {.blocks = 2, .family = "mistral", .window = 9}, {.blocks = 2, .family = "qwen2"}};
    static const lop_setting wanda[] = {half, {"exact-budget", "off"}, {"propagate", "dense"}, {NULL, NULL}};
    static const lop_setting besa[] = {half, {"exact-budget", "off"}, {"epochs", "0"}, pairs, {NULL, NULL}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        prune_bench b;
        char *one = NULL, *two = NULL;
        size_t sizes[2];
        bench_open(&b, shapes[i]);
        prune_try t = bench_try(&b, "wanda", wanda);
        json_decref(prune_report(&t));
        t = bench_try(&b, "besa", besa);
        t.save = bench_other(&b, "besa");
        json_decref(prune_report(&t));
        assert_true(bench_masks_differ(b.save, t.save) == 0.0);
        prune_ok(lop_file_read(in_folder(b.save, "model.safetensors"), 1 << 26, &one, &sizes[0]));
        prune_ok(lop_file_read(in_folder(t.save, "model.safetensors"), 1 << 26, &two, &sizes[1]));
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(one, two, sizes[0]);
        lop_free(two);
        lop_free(one);
        bench_close(&b);
    }
}

/* ---- which blocks, and how much of them goes */

static double dropped_of(const json_t *block, double *weights)
{
    double dropped = 0.0;
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(block, "linears"), i, line)
    {
        const json_t *shape = json_object_get(line, "shape");
        dropped += json_at(line, "dropped");
        if (json_at(line, "dropped") > 0.0)
            *weights +=
                json_number_value(json_array_get(shape, 0)) * json_number_value(json_array_get(shape, 1));
    }
    return dropped;
}

/* Blocks [first, first + count) were learned together, lose what they shall, and tell so. */
static void together(const json_t *report, size_t first, size_t count, double target)
{
    double dropped = 0.0, weights = 0.0;
    for (size_t b = first; b < first + count; b++) {
        const json_t *block = block_at(report, b), *learn = json_object_get(block, "learn");
        const json_t *blocks = json_object_get(learn, "blocks");
        assert_non_null(learn);
        assert_true((blocks != NULL) == (count > 1));
        if (blocks != NULL) {
            assert_int_equal(json_integer_value(json_array_get(blocks, 0)), first);
            assert_int_equal(json_integer_value(json_array_get(blocks, 1)), first + count - 1);
        }
        assert_int_equal(json_array_size(json_object_get(learn, "steps")), b == first ? BENCH_WINDOWS : 0);
        assert_true((json_object_get(learn, "moved") != NULL) == (b == first));
        dropped += dropped_of(block, &weights);
    }
    assert_true(dropped == nearbyint(target * weights));
}

static void alone(const json_t *report, size_t block)
{
    assert_null(json_object_get(block_at(report, block), "learn"));
}

static json_t *pruned(prune_bench *b, int blocks, lop_setting one, lop_setting two)
{
    const lop_setting how[] = {{"sparsity-ratio", "0.43"}, pairs, one, two, {NULL, NULL}};
    bench_open(b, (made_shape){.blocks = blocks, .dtype = LOP_DTYPE_BF16});
    const prune_try t = bench_try(b, "besa", how);
    return prune_report(&t);
}

/* The page has one picture a pair, named by both. */
static void page_tells(const prune_bench *b)
{
    char page[128], *result = NULL, *text = NULL;
    size_t size = 0;
    (void)snprintf(page, sizeof page, "%s/page.html", b->scratch);
    prune_ok(lop_report_page(b->save, page, NULL, &result));
    prune_ok(lop_file_read(page, 1 << 26, &text, &size));
    assert_non_null(strstr(text, "<title>Learning in blocks 0 and 1</title>"));
    assert_non_null(strstr(text, "<title>Learning in block 2</title>"));
    assert_null(strstr(text, "<title>Learning in block 1</title>"));
    lop_free(text);
    lop_free(result);
}

static void budgets_of_pairs(void **state)
{
    (void)state;
    static const lop_setting none = {NULL, NULL};
    static const char *const granularity[] = {"row", "rows:7", "layer"};
    prune_bench b;
    for (size_t i = 0; i < sizeof granularity / sizeof granularity[0]; i++) {
        json_t *report = pruned(&b, 3, (lop_setting){"granularity", granularity[i]}, none);
        together(report, 0, 2, 0.43);
        together(report, 2, 1, 0.43);
        page_tells(&b);
        json_decref(report);
        bench_close(&b);
    }
    json_t *report =
        pruned(&b, 6, (lop_setting){"layers", "1:6"}, (lop_setting){"skip", "re:layers.4|2.mlp"});
    alone(report, 0);
    together(report, 1, 2, 0.43);
    together(report, 3, 1, 0.43);
    alone(report, 4);
    together(report, 5, 1, 0.43);
    json_decref(report);
    bench_close(&b);
}

/* A choice that leaves no pair is told once, and only then. */
typedef struct listener {
    lop_log log;
    int told;
} listener;

static void listen(const lop_event *event, void *user)
{
    listener *l = user;
    l->told += event->kind == LOP_EVENT_NOTE && strstr(event->text, "no 2 neighbouring blocks") != NULL;
}

static void no_pair_is_told(void **state)
{
    (void)state;
    static const struct {
        lop_setting choice, unit;
        int blocks, told;
    } cases[] = {{{NULL, NULL}, pairs, 1, 1},
                 {{"layers", "1:2"}, pairs, 3, 1},
                 {{"skip", "re:layers.1"}, pairs, 3, 1},
                 {{"only", "re:layers.[12]"}, pairs, 3, 0},
                 {{NULL, NULL}, pairs, 2, 0},
                 {{NULL, NULL}, {"unit", "block"}, 2, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prune_bench b;
        listener l = {.told = 0};
        const lop_setting how[] = {half, {"epochs", "0"}, cases[i].unit, cases[i].choice, {NULL, NULL}};
        l.log.fn = listen;
        l.log.user = &l;
        bench_open(&b, (made_shape){.blocks = cases[i].blocks});
        prune_try t = bench_try(&b, "besa", how);
        t.log = &l.log;
        json_decref(prune_report(&t));
        assert_int_equal(l.told, cases[i].told);
        bench_close(&b);
    }
}

/* ---- losses */

/* The first of a pair stands against its own dense outputs, the second against those of both dense blocks; where nothing goes
 * there is no loss, and magnitude's of the first is what it is alone. */
static void losses(void **state)
{
    (void)state;
    static const lop_setting nothing[] = {{"sparsity-ratio", "0"}, pairs, {"losses", "on"}, {NULL, NULL}};
    static const lop_setting two[] = {half, pairs, {"losses", "on"}, {NULL, NULL}};
    static const lop_setting one[] = {half, {"losses", "on"}, {NULL, NULL}};
    prune_bench b;
    bench_open(&b, (made_shape){.blocks = 2});
    prune_try t = bench_try(&b, "besa", nothing);
    json_t *report = prune_report(&t);
    for (size_t k = 0; k < 2; k++) {
        assert_true(json_at(block_at(report, k), "loss_before") == 0.0);
        assert_true(json_at(block_at(report, k), "loss_after") == 0.0);
    }
    json_decref(report);
    t = bench_try(&b, "besa", two);
    report = prune_report(&t);
    t = bench_try(&b, "besa", one);
    json_t *apart = prune_report(&t);
    assert_true(json_at(block_at(report, 0), "loss_before") == json_at(block_at(apart, 0), "loss_before"));
    for (size_t k = 0; k < 2; k++) assert_true(json_at(block_at(report, k), "loss_after") > 0.0);
    assert_true(json_at(block_at(report, 1), "loss_after") < json_at(block_at(report, 1), "loss_before"));
    json_decref(apart);
    json_decref(report);
    bench_close(&b);
}

/* ---- stopped between the two */

typedef struct watcher {
    lop_log log;
    int computed, stop_at, replayed;
} watcher;

static void watch(const lop_event *event, void *user)
{
    watcher *w = user;
    w->computed += strstr(event->json, "\"state\":\"computed\"") != NULL;
    w->replayed += strstr(event->json, "\"state\":\"replayed\"") != NULL;
    if (w->computed == w->stop_at) atomic_store(&w->log.stop, true);
}

/* Of the second pair the first block is handed to the writer: a resumed run begins with that block again. */
static void stopped_between_two(void **state)
{
    (void)state;
    static const lop_setting more[][2] = {{{"quantize-bits", "4"}, {"quantize-group", "16"}},
                                          {{"quantize-bits", "4"}, {"quantize-clip", "none"}},
                                          {{"rank-by", "sparsegpt"}, {"granularity", "layer"}},
                                          {{"propagate", "dense"}, {"losses", "off"}},
                                          {{"propagate", "dense"}, {"target", "dense-stream"}},
                                          {{"update", "sparsegpt"}, {"step-windows", "2"}}};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        prune_bench b;
        char *text = NULL;
        const lop_setting how[] = {half, pairs, more[i][0], more[i][1], {NULL, NULL}};
        const lop_setting again[] = {half, pairs, more[i][0], more[i][1], {"resume", "on"}, {NULL, NULL}};
        bench_open(&b, (made_shape){.blocks = 5, .dtype = LOP_DTYPE_BF16});
        prune_try t = bench_try(&b, "besa", how);
        json_decref(prune_report(&t));
        prune_ok(verify_do(b.save, (const lop_setting[]){{NULL, NULL}}, &text));
        lop_free(text);
        watcher w = {.stop_at = 3};
        w.log.fn = watch;
        w.log.user = &w;
        t = bench_try(&b, "besa", again);
        t.save = bench_other(&b, "stopped");
        t.log = &w.log;
        prune_fails(prune_do(&t, &text), LOP_E_STOPPED, "");
        assert_int_equal(w.computed, 3);
        atomic_store(&w.log.stop, false);
        w.stop_at = -1;
        json_decref(prune_report(&t));
        assert_int_equal(w.replayed, 2);
        assert_int_equal(w.computed, 6);
        assert_true(folders_equal(b.save, t.save));
        bench_close(&b);
    }
}

int test_prune_pairs(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_steps_are_wanda_of_dense_inputs),
        cmocka_unit_test(budgets_of_pairs),
        cmocka_unit_test(no_pair_is_told),
        cmocka_unit_test(losses),
        cmocka_unit_test(stopped_between_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
