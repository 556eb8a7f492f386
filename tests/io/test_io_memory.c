/* test_io_memory.c - memory that runs out at every allocation of opening, writing and drawing: said each time, and nothing
 * is lost or left behind. */
#include "core/base/file.h"
#include "core/io/convert.h"
#include "core/io/corpus.h"
#include "core/io/synth.h"
#include "tests/harness/ladder.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"
#include "tests/io/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static scratch place;

static int open_place(void **state)
{
    (void)state;
    scratch_open(&place);
    small_folder(scratch_path(&place, "many"), false, LOP_DTYPE_F16, 30000);
    write_text(scratch_path(&place, "t.jsonl"),
               "{\"text\":\"some words of text\"}\n{\"text\":\"and some more of them\"}");
    return 0;
}

static int close_place(void **state)
{
    (void)state;
    scratch_close(&place);
    return 0;
}

static lop_status open_model(void *context)
{
    lop_checkpoint *c = NULL;
    const lop_status status = lop_checkpoint_open(context, &c);
    lop_checkpoint_close(c);
    return status;
}

static void opening(void **state)
{
    (void)state;
    char folder[512];
    (void)snprintf(folder, sizeof folder, "%s", scratch_path(&place, "many"));
    assert_true(ladder_climb(open_model, folder) > 20);
}

static lop_status convert_model(void *context)
{
    lop_checkpoint *c = NULL;
    lop_convert_result result;
    lop_status status = lop_checkpoint_open(scratch_path(&place, "many"), &c);
    const lop_convert_plan plan = {.source = c, .save = context, .force = true};
    if (status == LOP_OK) status = lop_convert_model(&plan, &result);
    lop_checkpoint_close(c);
    return status;
}

static void writing(void **state)
{
    (void)state;
    char folder[512];
    (void)snprintf(folder, sizeof folder, "%s", scratch_path(&place, "copy"));
    assert_true(ladder_climb(convert_model, folder) > 50);
    assert_same_folder(scratch_path(&place, "many"), folder, NULL);
}

static void writing_a_file(void **state)
{
    (void)state;
    char file[512];
    (void)snprintf(file, sizeof file, "%s", scratch_path(&place, "copy.gguf"));
    assert_true(ladder_climb(convert_model, file) > 50);
    lop_checkpoint_close(must_open(file));
}

static lop_status draw(void *context)
{
    lop_tokenizer *t = NULL;
    lop_corpus c = {0};
    lop_status status = lop_synth_tokenizer(&t);
    const lop_corpus_wish w = {.path = scratch_path(&place, "t.jsonl"),
                               .tokenizer = t,
                               .vocab = 258,
                               .seqlen = 8,
                               .windows = 3,
                               .sampler = *(const lop_sampler *)context};
    if (status == LOP_OK) status = lop_corpus_draw(&w, &c);
    lop_corpus_close(&c);
    lop_tokenizer_close(t);
    return status;
}

static void drawing(void **state)
{
    (void)state;
    lop_sampler sampler = LOP_SAMPLER_STREAM;
    assert_true(ladder_climb(draw, &sampler) > 5);
    sampler = LOP_SAMPLER_WANDA;
    assert_true(ladder_climb(draw, &sampler) > 5);
}

int test_io_memory(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening),
        cmocka_unit_test(writing),
        cmocka_unit_test(writing_a_file),
        cmocka_unit_test(drawing),
    };
    return cmocka_run_group_tests_name("memory that runs out", tests, open_place, close_place);
}
