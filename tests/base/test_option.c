/* test_option.c - settings held against option tables. */
#include "core/base/option.h"
#include "tests/base/base_groups.h"
#include "tests/harness/ladder.h"

#include <math.h>
#include <string.h>

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

static const lop_option call_options[] = {
    {.name = "sparsity-ratio", .alias = "sparsity|ratio", .kind = LOP_OPTION_REAL, .low = 0, .high = 1},
    {.name = "sparsity-type",
     .kind = LOP_OPTION_CHOICE,
     .choices = "unstructured|2:4|4:8",
     .default_text = "unstructured"},
    {.name = "nsamples",
     .kind = LOP_OPTION_INT,
     .low = 1,
     .high = 65536,
     .unit = "windows",
     .default_text = "128"},
    {.name = "seed", .kind = LOP_OPTION_INT, .low = 0, .high = HUGE_VAL, .default_text = "0"},
    {.name = "shift", .kind = LOP_OPTION_REAL, .low = -HUGE_VAL, .high = 10},
    {.name = "any", .kind = LOP_OPTION_REAL},
    {.name = "force", .kind = LOP_OPTION_FLAG, .default_text = "off"},
    {.name = "max-host-mem", .kind = LOP_OPTION_BYTES},
    {.name = "calib", .kind = LOP_OPTION_PATH},
    {.name = "prompt", .kind = LOP_OPTION_TEXT},
    {.name = "backend", .kind = LOP_OPTION_CHOICE, .choices = "here"},
};
static const lop_option method_options[] = {
    {.name = "damping",
     .alias = "percdamp",
     .kind = LOP_OPTION_REAL,
     .low = 0,
     .high = 1e6,
     .default_text = "0.01"},
};
static const lop_option_set both = {
    {call_options, method_options}, {COUNT(call_options), COUNT(method_options)}, 2};

static void defaults(void **state)
{
    (void)state;
    lop_settings s;
    assert_int_equal(lop_settings_open(&both, NULL, 0, &s), LOP_OK);
    assert_int_equal(lop_settings_int(&s, "nsamples"), 128);
    assert_true(lop_settings_real(&s, "damping") == 0.01);
    assert_string_equal(lop_settings_text(&s, "sparsity-type"), "unstructured");
    assert_null(lop_settings_text(&s, "calib"));
    assert_false(lop_settings_flag(&s, "force"));
    assert_false(lop_settings_given(&s, "nsamples"));
    assert_int_equal(lop_settings_bytes(&s, "max-host-mem"), 0);
    assert_true(lop_settings_real(&s, "shift") == 0);
    lop_settings_close(&s);
    lop_settings_close(&s);
    lop_settings_close(NULL);
}

static void values_of_every_kind(void **state)
{
    (void)state;
    char ratio[] = "0.7";
    const lop_setting given[] = {
        {"sparsity_ratio", ratio}, {"sparsity-type", "2:4"}, {"nsamples", "16"}, {"seed", "123456789012"},
        {"shift", "-1e9"},         {"any", "-3.5"},          {"force", "on"},    {"max_host_mem", "20G"},
        {"calib", "a b.txt"},      {"prompt", ""},           {"percdamp", "0.1"}};
    lop_settings s;
    assert_int_equal(lop_settings_open(&both, given, COUNT(given), &s), LOP_OK);
    ratio[2] = '1';
    assert_int_equal(s.count, COUNT(given));
    assert_true(lop_settings_real(&s, "sparsity-ratio") == 0.7);
    assert_true(lop_settings_real(&s, "sparsity") == 0.7);
    assert_ptr_equal(s.at[0].name, call_options[0].name);
    assert_string_equal(lop_settings_text(&s, "sparsity-type"), "2:4");
    assert_int_equal(lop_settings_int(&s, "nsamples"), 16);
    assert_true(lop_settings_int(&s, "seed") == 123456789012);
    assert_true(lop_settings_real(&s, "shift") == -1e9);
    assert_true(lop_settings_flag(&s, "force"));
    assert_true(lop_settings_bytes(&s, "max-host-mem") == 21474836480);
    assert_string_equal(lop_settings_text(&s, "calib"), "a b.txt");
    assert_string_equal(lop_settings_text(&s, "prompt"), "");
    assert_true(lop_settings_real(&s, "damping") == 0.1);
    assert_true(lop_settings_given(&s, "damping"));
    lop_settings_close(&s);
}

static void the_last_of_equal_names_wins(void **state)
{
    (void)state;
    const lop_setting given[] = {
        {"sparsity", "0.1"}, {"nsamples", "4"}, {"ratio", "0.2"}, {"sparsity_ratio", "0.3"}};
    lop_settings s;
    assert_int_equal(lop_settings_open(&both, given, COUNT(given), &s), LOP_OK);
    assert_int_equal(s.count, 2);
    assert_true(lop_settings_real(&s, "sparsity-ratio") == 0.3);
    lop_settings_close(&s);
}

static void assert_refused(const char *name, const char *value, const char *sentence)
{
    const lop_setting given[] = {{"nsamples", "4"}, {name, value}};
    lop_settings s;
    lop_error_clear();
    assert_int_equal(lop_settings_open(&both, given, 2, &s), LOP_E_ARGUMENT);
    assert_string_equal(lop_error(), sentence);
    assert_null(s.at);
    assert_int_equal(s.count, 0);
}

static void wrong_values_are_told(void **state)
{
    (void)state;
    assert_refused("sparsity", "50",
                   "sparsity-ratio is 50; expected a number from 0 to 1; did you mean 0.5?");
    assert_refused("sparsity-ratio", "-0.1", "sparsity-ratio is -0.1; expected a number from 0 to 1");
    assert_refused("sparsity-ratio", "500", "sparsity-ratio is 500; expected a number from 0 to 1");
    assert_refused("sparsity-ratio", "half", "sparsity-ratio is half; expected a number from 0 to 1");
    assert_refused("sparsity-ratio", "nan", "sparsity-ratio is nan; expected a number from 0 to 1");
    assert_refused("nsamples", "0", "nsamples is 0; expected a whole number from 1 to 65536 (windows)");
    assert_refused("nsamples", "1.5", "nsamples is 1.5; expected a whole number from 1 to 65536 (windows)");
    assert_refused("seed", "-1", "seed is -1; expected a whole number of at least 0");
    assert_refused("shift", "11", "shift is 11; expected a number of at most 10");
    assert_refused("any", "x", "any is x; expected a number");
    assert_refused("force", "yes", "force is yes; expected on or off");
    assert_refused("max-host-mem", "lots", "max-host-mem is lots; expected a size like 20G, 512M or 1048576");
    assert_refused("sparsity-type", "3:4", "sparsity-type is 3:4; expected unstructured, 2:4 or 4:8");
    assert_refused("sparsity-type", "2:4|4:8", "sparsity-type is 2:4|4:8; expected unstructured, 2:4 or 4:8");
    assert_refused("sparsity-type", "", "sparsity-type is empty; expected unstructured, 2:4 or 4:8");
    assert_refused("backend", "there", "backend is there; expected here");
    assert_refused("calib", "", "calib is empty; expected the path of a file or folder");
    assert_refused("calib", NULL, "calib has no value");
    assert_refused(NULL, "1", "an option has no name");
}

static void unknown_names_are_guessed(void **state)
{
    (void)state;
    assert_refused("sparcity-ratio", "1", "unknown option \"sparcity-ratio\"; did you mean sparsity-ratio?");
    assert_refused("sparsty_ratio", "1", "unknown option \"sparsty_ratio\"; did you mean sparsity-ratio?");
    assert_refused("percdmp", "1", "unknown option \"percdmp\"; did you mean damping?");
    assert_refused("sed", "1", "unknown option \"sed\"; did you mean seed?");
    assert_refused("n-samples", "1", "unknown option \"n-samples\"; did you mean nsamples?");
    assert_refused("wholly-different", "1", "unknown option \"wholly-different\"");
    assert_refused("", "1", "unknown option \"\"");
    assert_refused("q", "1", "unknown option \"q\"");
    assert_refused("sparsity|ratio", "1", "unknown option \"sparsity|ratio\"; did you mean sparsity-ratio?");
}

static void long_names_are_not_guessed(void **state)
{
    (void)state;
    char name[4001];
    memset(name, 's', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const lop_setting given = {name, "1"};
    lop_settings s;
    assert_int_equal(lop_settings_open(&both, &given, 1, &s), LOP_E_ARGUMENT);
    assert_memory_equal(lop_error(), "unknown option \"sss", 19);
}

static void counts_are_checked(void **state)
{
    (void)state;
    lop_settings s;
    assert_failed(lop_settings_open(&both, NULL, 2, &s), LOP_E_ARGUMENT, "2 settings");
    const lop_setting given = {"seed", "1"};
    assert_failed(lop_settings_open(&both, &given, -1, &s), LOP_E_ARGUMENT, "-1 settings");
}

static lop_status open_some(void *context)
{
    (void)context;
    const lop_setting given[] = {{"sparsity", "0.1"}, {"nsamples", "4"}, {"ratio", "0.2"}};
    lop_settings s;
    LOP_TRY(lop_settings_open(&both, given, COUNT(given), &s));
    lop_settings_close(&s);
    return LOP_OK;
}

static void settings_survive_the_ladder(void **state)
{
    (void)state;
    assert_int_equal(ladder_climb(open_some, NULL), 4);
}

int test_option(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(the_last_of_equal_names_wins),
        cmocka_unit_test(wrong_values_are_told),
        cmocka_unit_test(unknown_names_are_guessed),
        cmocka_unit_test(long_names_are_not_guessed),
        cmocka_unit_test(counts_are_checked),
        cmocka_unit_test(settings_survive_the_ladder),
    };
    return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
