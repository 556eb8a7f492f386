/* test_cli_options.c - how options may be spelled, what is said when they may not, and help everywhere. */
#include "tests/cli/cli_groups.h"
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAGNITUDE "prune", TINY, "--method", "magnitude"

/* A prune that works; the number or text at `key` of its result must be `want` as JSON text. */
static void gives(const char *key, const char *want, const char *const *arguments)
{
    cli_run r;
    cli_go(&r, arguments);
    cli_expect(&r, 0, NULL);
    json_t *value = json_find(r.last, key);
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (strcmp(text, want) != 0) fail_msg("%s is %s, expected %s", key, text, want);
    free(text);
    cli_close(&r);
}
#define GIVES(key, want, ...) gives((key), (want), (const char *const[]){__VA_ARGS__, NULL})

static void spellings_of_the_scripts_work(void **state)
{
    (void)state;
    static const char *const names[] = {"--sparsity", "--sparsity_ratio", "--sparsity-ratio"};
    for (size_t i = 0; i < 3; i++) {
        const char *save = scratch_path(&here, names[i] + 2);
        GIVES("sparsity.dropped", "393216", MAGNITUDE, names[i], "0.5", "--save", save, "--json");
    }
    const char *a = scratch_path(&here, "a"), *b = scratch_path(&here, "b"), *c = scratch_path(&here, "c"),
               *d = scratch_path(&here, "d");
    GIVES("method", "\"magnitude\"", "prune", "--model", TINY, "--prune_method", "magnitude",
          "--sparsity_type", "2:4", "--save_model", a, "--json");
    GIVES("sparsity.pattern", "\"4:8\"", "prune", "--model=" TINY, "--method=magnitude", "--prunen=4",
          "--prunem=8", "--save-model", b, "--json=on");
    GIVES("options.exact-budget", "false", MAGNITUDE, "--sparsity=0.3", "--exact_budget", "off", "--save", c,
          "--json", "on");
    GIVES("seed", "7", MAGNITUDE, "--sparsity", "0.3", "--seed", "3", "--seed", "7", "--save", d, "--json");
}

static void flags_take_on_and_off(void **state)
{
    (void)state;
    cli_run r;
    RUN(&r, "devices", "--json=off");
    r.code == 0 && r.out[0] != '{' ? (void)0 : cli_fail_run(&r, "JSON although it is off");
    cli_close(&r);
    const char *a = scratch_path(&here, "a"), *b = scratch_path(&here, "b");
    PASSES(MAGNITUDE, "--sparsity", "0.5", "--save-masks", "off", "--save", a);
    PASSES(MAGNITUDE, "--sparsity", "0.5", "--save-masks", "on", "--save", b);
    assert_int_not_equal(access(path_in(a, "masks.safetensors"), F_OK), 0);
    assert_int_equal(access(path_in(b, "masks.safetensors"), F_OK), 0);
    REFUSES(2, "on or off", "devices", "--quiet=loud");
    REFUSES(2, "on or off", MAGNITUDE, "--sparsity", "0.5", "--save", a, "--resume=maybe");
}

static void unknown_options_get_a_guess(void **state)
{
    (void)state;
    REFUSES(2, "did you mean --sparsity-ratio?", MAGNITUDE, "--sparsty-ratio", "0.5");
    REFUSES(2, "did you mean --threads?", "devices", "--thread", "2");
    REFUSES(2, "did you mean --json?", "devices", "--jsn");
    REFUSES(2, "did you mean --save?", MAGNITUDE, "--safe", "x", "--json");
    REFUSES(2, "--help", MAGNITUDE, "--wholly-unknown", "--json");
    REFUSES(2, "no option of lop info", "info", TINY, "--save", "x");
    REFUSES(2, "no option of lop eval", "eval", TINY, "-q");
    REFUSES(2, "one argument too many", "info", TINY, "more");
    REFUSES(2, "no command", "prnue", TINY, "--json");
    REFUSES(2, "argument 2 is not UTF-8", "info", "mod\xe8le", "--json");
    REFUSES(2, "no command", "mod\xe8le", "--json");
    REFUSES(2, "which command", "--json");
    cli_run r;
    RUN(&r, "");
    cli_expect(&r, 2, "which command");
    cli_close(&r);
}

static void missing_and_wrong_values_are_named(void **state)
{
    (void)state;
    const char *save = scratch_path(&here, "never");
    static const struct {
        const char *words, *name, *value;
    } wrong[] = {
        {"did you mean 0.5?", "--sparsity-ratio", "50"},
        {"0 <= R < 1", "--sparsity-ratio", "1"},
        {"0 <= R < 1", "--sparsity-ratio", "-0.1"},
        {"a number", "--sparsity-ratio", "nan"},
        {"a number", "--sparsity-ratio", "half"},
        {"a number", "--sparsity-ratio", ""},
        {"5:4", "--keep", "5:4"},
        {"0:4", "--keep", "0:4"},
        {"n:m", "--keep", "half"},
        {"3:7", "--keep", "3:7"},
        {"2:4", "--sparsity-type", "3:5"},
        {"--keep", "--prunen", "3"},
        {"a:b", "--layers", "2:1"},
        {"a:b", "--layers", "0:9"},
        {"re:", "--skip", "q_proj"},
        {"regular expression", "--skip", "re:("},
        {"re:", "--only", "x"},
        {"whole number", "--threads", "two"},
        {"f32", "--math", "f64"},
        {"0 to 4294967295", "--seed", "-1"},
        {"f16", "--dtype", "int8"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const bool ratio = strncmp(wrong[i].name, "--sp", 4) == 0 || strcmp(wrong[i].name, "--keep") == 0;
        cli_run r;
        RUN(&r, MAGNITUDE, "--save", save, "--json", wrong[i].name, wrong[i].value,
            ratio ? "--json" : "--sparsity=0.5");
        cli_expect(&r, 2, wrong[i].words);
        cli_close(&r);
    }
    REFUSES(2, "needs a value", MAGNITUDE, "--sparsity", "0.5", "--save");
    REFUSES(2, "needs a value", MAGNITUDE, "--save", "--sparsity", "0.5");
    REFUSES(2, "give 0.25", MAGNITUDE, "--keep", "3:4", "--sparsity", "0.5", "--save", save);
    REFUSES(2, "--save-model", MAGNITUDE, "--sparsity", "0.5", "--save", save, "--save_model", save);
    REFUSES(2, "both given", "info", TINY, "--model", TINY);
    REFUSES(2, "which model", "prune", "--method", "magnitude", "--sparsity", "0.5", "--save", save);
    REFUSES(2, "--method", "prune", TINY, "--sparsity", "0.5", "--save", save);
    REFUSES(2, "how much", MAGNITUDE, "--save", save);
    REFUSES(2, "magnitude, wanda", "prune", TINY, "--method", "wander", "--sparsity", "0.5", "--save", save);
    REFUSES(3, "not in this version", "prune", TINY, "--method", "pg", "--sparsity", "0.5", "--save", save);
    REFUSES(2, "--calib", "prune", TINY, "--method", "wanda", "--sparsity", "0.5", "--save", save);
    REFUSES(2, "512", SMALL(TINY, save), "--seqlen", "513");
    REFUSES(3, "max-host-mem", MAGNITUDE, "--sparsity", "0.5", "--max-host-mem", "1G", "--save", save);
    assert_int_not_equal(access(save, F_OK), 0);
}

static void linears_are_chosen(void **state)
{
    (void)state;
    cli_run r;
    RUN(&r, MAGNITUDE, "--sparsity", "0.5", "--layers", "1:3", "--skip", "re:down_proj", "--save",
        scratch_path(&here, "a"), "--json");
    cli_expect(&r, 0, NULL);
    assert_int_equal(json_array_size(json_find(r.last, "skipped")), 2 * 7 + 2);
    assert_non_null(json_text_at(r.last, "skipped.0.reason"));
    assert_int_equal(json_integer_value(json_find(r.last, "sparsity.dropped")), 2 * (196608 - 49152) / 2);
    cli_close(&r);
    GIVES("sparsity.dropped", "24576", MAGNITUDE, "--keep", "3:4", "--only", "re:k_proj", "--save",
          scratch_path(&here, "b"), "--save-masks", "--json", "--layers", "0:4", "--skip", "re:layers[.]3[.]",
          "--sparsity", "0.25", "--quiet", "--only", "re:[kq]_proj|v_proj", "--keep", "3:4");
    PASSES("verify", scratch_path(&here, "b"), "--against", TINY);
}

static void help_is_everywhere(void **state)
{
    (void)state;
    static const char *const commands[] = {"prune",    "eval",    "verify",   "info", "plan",
                                           "generate", "convert", "tokenize", "mask", "report",
                                           "devices",  "synth",   "bench"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        cli_run r;
        RUN(&r, commands[i], i % 2 ? "-h" : "--help");
        cli_expect(&r, 0, NULL);
        if (strstr(r.out, commands[i]) == NULL || strstr(r.out, "--threads") == NULL)
            cli_fail_run(&r, "no help");
        cli_close(&r);
        RUN(&r, commands[i], "--version");
        cli_expect(&r, 0, NULL);
        assert_string_equal(r.out, "lop 0.1.0\n");
        cli_close(&r);
    }
    cli_run r;
    RUN(&r, "prune", "--method", "wanda", "--help");
    cli_expect(&r, 0, NULL);
    if (strstr(r.out, "Options of the method") == NULL || strstr(r.out, "Sun et al.") == NULL)
        cli_fail_run(&r, "no options of the method");
    cli_close(&r);
    REFUSES(2, "not known", "prune", "--method", "wander", "-h");
    PASSES("--help");
    PASSES("-h");
    PASSES("--version");
    PASSES("--version", "--json");
    PASSES("prune", "-h", "--json");
}

static void lost_output_is_no_success(void **state)
{
    (void)state;
    const char *const arguments[] = {"info", TINY, "--json", NULL};
    cli_run r;
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) skip();
    cli_start(&r, arguments, full);
    cli_wait(&r);
    (void)close(full);
    cli_expect(&r, 8, "standard output");
    cli_close(&r);
}

static void backends_and_devices_that_are_not_there(void **state)
{
    (void)state;
    const char *save = scratch_path(&here, "never");
    REFUSES(5, "cpu (1 device)", SMALL(TINY, save), "--backend", "gpu");
    REFUSES(5, "cpu (1 device)", SMALL(TINY, save), "--backend", "cpu", "--device", "1", "--json");
    REFUSES(5, "cpu (1 device)", "eval", TINY, "--text", HELD, "--backend", "tpu");
    assert_int_not_equal(access(save, F_OK), 0);
}

int cli_tests_options(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spellings_of_the_scripts_work, here_open, here_close),
        cmocka_unit_test_setup_teardown(flags_take_on_and_off, here_open, here_close),
        cmocka_unit_test_setup_teardown(unknown_options_get_a_guess, here_open, here_close),
        cmocka_unit_test_setup_teardown(missing_and_wrong_values_are_named, here_open, here_close),
        cmocka_unit_test_setup_teardown(linears_are_chosen, here_open, here_close),
        cmocka_unit_test_setup_teardown(help_is_everywhere, here_open, here_close),
        cmocka_unit_test_setup_teardown(lost_output_is_no_success, here_open, here_close),
        cmocka_unit_test_setup_teardown(backends_and_devices_that_are_not_there, here_open, here_close),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
