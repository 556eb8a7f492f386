/* test_cli_verify.c - one byte changed in a pruned folder: verify does not pass and names where. */
#include "tests/cli/cli_groups.h"
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NORM "model.layers.2.input_layernorm.weight"

static scratch place;
static char folder[300], weights[400], report[400], masks[400], kept_masks[400];

static int set_up(void **state)
{
    (void)state;
    scratch_open(&place);
    (void)snprintf(folder, sizeof folder, "%s/out", place.path);
    (void)snprintf(weights, sizeof weights, "%s/model.safetensors", folder);
    (void)snprintf(report, sizeof report, "%s/prune_report.json", folder);
    (void)snprintf(masks, sizeof masks, "%s/masks.safetensors", folder);
    (void)snprintf(kept_masks, sizeof kept_masks, "%s/kept.safetensors", place.path);
    PASSES(SMALL(TINY, folder), "--save-masks");
    copy_file(masks, kept_masks);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_close(&place);
    return 0;
}

/* The finding that names `tensor` must be there; with an element, its last index in a tensor of `cols`. */
static void finds(const char *tensor, int64_t element, int64_t cols, const char *const *arguments)
{
    cli_run r;
    cli_go(&r, arguments);
    if (r.code != 1) cli_fail_run(&r, "verify passed");
    assert_true(json_is_false(json_find(r.last, "ok")));
    bool named = false;
    size_t i;
    json_t *failure;
    json_array_foreach(json_find(r.last, "failures"), i, failure)
    {
        const char *what = json_text_at(failure, "what"),
                   *name = json_string_value(json_find(failure, "tensor"));
        const json_t *at = json_find(failure, "element");
        const bool about = (name != NULL && strcmp(name, tensor) == 0) || strstr(what, tensor) != NULL;
        const bool there = element < 0 || (json_array_size(at) == (cols > 0 ? 2u : 1u) &&
                                           json_integer_value(json_array_get(at, 0)) * cols +
                                                   json_integer_value(json_array_get(at, cols > 0 ? 1 : 0)) ==
                                               element);
        named = named || (about && there);
    }
    if (!named) cli_fail_run(&r, tensor);
    cli_close(&r);
}
#define FINDS(tensor, element, cols, ...)                                                                    \
    finds((tensor), (element), (cols), (const char *const[]){"verify", folder, "--json", __VA_ARGS__, NULL})

/* The first element of Q_PROJ that is (not) zero. */
static size_t first_where(bool zero)
{
    size_t i = 0;
    while ((tensor_value(weights, Q_PROJ, i) == 0) != zero) i++;
    return i;
}

/* Without --against the element is told by the source that the report names. */
static void a_kept_weight(void **state)
{
    (void)state;
    const size_t at = first_where(false);
    tensor_fill(weights, Q_PROJ, at, 1, tensor_value(weights, Q_PROJ, at) ^ 1);
    FINDS(Q_PROJ, (int64_t)at, 128, "--quiet");
    FINDS(Q_PROJ, (int64_t)at, 128, "--against", TINY);
    assert_int_equal(unlink(report), 0);
    FINDS(Q_PROJ, (int64_t)at, 128, "--against", TINY);
    assert_int_equal(unlink(masks), 0);
    FINDS(Q_PROJ, (int64_t)at, 128, "--against", TINY);
}

static void a_zero(void **state)
{
    (void)state;
    const size_t at = first_where(true);
    tensor_fill(weights, Q_PROJ, at, 1, 0x3c00);
    FINDS(Q_PROJ, (int64_t)at, 128, "--quiet");
    assert_int_equal(unlink(masks), 0);
    FINDS(Q_PROJ, (int64_t)at, 128, "--quiet");
    FINDS(Q_PROJ, (int64_t)at, 128, "--masks", kept_masks);
    assert_int_equal(unlink(report), 0);
    FINDS(Q_PROJ, (int64_t)at, 128, "--masks", kept_masks);
    FINDS(Q_PROJ, (int64_t)at, 128, "--against", TINY);
}

static void an_untouched_tensor(void **state)
{
    (void)state;
    tensor_fill(weights, NORM, 17, 1, tensor_value(weights, NORM, 17) ^ 1);
    FINDS(NORM, 17, 0, "--quiet");
    FINDS(NORM, 17, 0, "--against", TINY);
    assert_int_equal(unlink(report), 0);
    FINDS(NORM, 17, 0, "--against", TINY);
    assert_int_equal(unlink(masks), 0);
    FINDS(NORM, 17, 0, "--against", TINY);
}

static void a_weight_that_was_zeroed(void **state)
{
    (void)state;
    const size_t at = first_where(false);
    tensor_fill(weights, Q_PROJ, at, 1, 0);
    FINDS(Q_PROJ, (int64_t)at, 128, "--quiet");
    assert_int_equal(unlink(report), 0);
    FINDS(Q_PROJ, (int64_t)at, 128, "--against", TINY, "--masks", kept_masks);
}

static void a_header(void **state)
{
    (void)state;
    tensor_file file;
    tensor_file_read(weights, &file);
    (void)json_object_set_new(file.header, "__metadata__", json_pack("{s:s}", "format", "np"));
    tensor_file_write(weights, &file);
    tensor_file_close(&file);
    FINDS("model.safetensors", -1, 0, "--quiet");
    file_put(weights, 12, "\xff\xff", 2);
    cli_run r;
    RUN(&r, "verify", folder, "--json");
    if (r.code != 1 && r.code != 3) cli_fail_run(&r, "a header that is no JSON passed");
    cli_close(&r);
}

static void the_report(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
    } edits[] = {{"method", "\"magnitude\""}, {"seed", "1"}, {"tool", "\"other\""}, {"report_sha256", NULL}};
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char copy[400];
        (void)snprintf(copy, sizeof copy, "%s/report", place.path);
        copy_file(report, copy);
        json_edit(report, edits[i].key, edits[i].value);
        FINDS("prune_report.json", -1, 0, "--quiet");
        copy_file(copy, report);
    }
    PASSES("verify", folder);
    file_cut(report, file_size(report) - 2);
    cli_run r;
    RUN(&r, "verify", folder, "--json");
    if (r.code != 1 && r.code != 3) cli_fail_run(&r, "half a report passed");
    cli_close(&r);
}

static void the_masks(void **state)
{
    (void)state;
    size_t at = 0, bytes = 0;
    unsigned char byte = 0;
    tensor_place(masks, Q_PROJ, &at, &bytes);
    FILE *file = fopen(masks, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at + 5, SEEK_SET), 0);
    assert_int_equal(fread(&byte, 1, 1, file), 1);
    (void)fclose(file);
    byte ^= 0x10;
    file_put(masks, at + 5, &byte, 1);
    FINDS("masks.safetensors", -1, 0, "--quiet");
    const bool drops = (byte & 0x10) == 0; /* now dropped, and the weight is not zero */
    assert_int_equal(unlink(report), 0);
    if (drops) FINDS(Q_PROJ, 5 * 8 + 3, 128, "--quiet");
    if (!drops) FINDS(Q_PROJ, 5 * 8 + 3, 128, "--against", TINY);
}

int cli_tests_verify(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kept_weight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_zero, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_untouched_tensor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_weight_that_was_zeroed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_report, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_masks, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
