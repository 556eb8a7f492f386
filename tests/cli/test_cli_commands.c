/* test_cli_commands.c - every command as a user runs it on the trained model, and every key that the contract of --json
 * names, with its type. */
#include "tests/cli/cli_groups.h"
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"
#include "tests/harness/shared_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* `keys`: paths and kinds, "sparsity.zeros:i"; i whole number, r number, s text, o object, a array, b true or false,
 * n null, ? anything. Parted by blanks. */
static void has_keys(json_t *root, const char *keys)
{
    char path[128];
    for (const char *at = keys; *at;) {
        const size_t n = strcspn(at, " ");
        const char kind = at[n - 1];
        (void)snprintf(path, sizeof path, "%.*s", (int)(n - 2), at);
        json_t *value = json_find(root, path);
        const bool right = (kind == 'i' && json_is_integer(value)) ||
                           (kind == 'r' && json_is_number(value)) || (kind == 's' && json_is_string(value)) ||
                           (kind == 'o' && json_is_object(value)) || (kind == 'a' && json_is_array(value)) ||
                           (kind == 'b' && json_is_boolean(value)) || (kind == 'n' && json_is_null(value)) ||
                           kind == '?';
        if (!right) fail_msg("%s is not of kind %c", path, kind);
        at += n + (at[n] == ' ');
    }
}

static void prune_writes_what_is_promised(void **state)
{
    (void)state;
    cli_run r;
    const char *save = scratch_path(&here, "out");
    RUN(&r, SMALL(TINY, save), "--save-masks", "--losses", "on", "--json");
    cli_expect(&r, 0, NULL);
    has_keys(
        r.last,
        "schema:i tool:s version:s command:a command.0:s model:s model_sha256:s method:s options:o seed:i "
        "backend:s device:s calibration.file:s calibration.sha256:s calibration.nsamples:i "
        "calibration.seqlen:i calibration.tokens:i sparsity.target:r sparsity.prunable:r "
        "sparsity.all_parameters:r sparsity.dropped:i sparsity.zeros:i sparsity.zeros_before:i "
        "sparsity.prunable_weights:i sparsity.parameters:i seconds.total:r seconds.load:r "
        "seconds.calibrate:r seconds.learn:r seconds.write:r peak_bytes.device:n peak_bytes.host:i "
        "skipped:a blocks:a blocks.3.index:i blocks.3.seconds:r blocks.3.loss_before:r "
        "blocks.3.loss_after:r blocks.3.linears:a blocks.3.linears.6.name:s blocks.3.linears.6.shape.0:i "
        "blocks.3.linears.6.shape.1:i blocks.3.linears.6.dropped:i blocks.3.linears.6.zeros:i "
        "blocks.3.linears.6.sparsity:r blocks.3.linears.6.row_sparsity.19:i");
    assert_int_equal(json_integer_value(json_find(r.last, "schema")), 1);
    assert_int_equal(json_integer_value(json_find(r.last, "sparsity.dropped")), 393216);
    assert_int_equal(json_integer_value(json_find(r.last, "sparsity.prunable_weights")), 786432);
    assert_int_equal(json_integer_value(json_find(r.last, "sparsity.parameters")), 1049728);
    assert_int_equal(json_integer_value(json_find(r.last, "calibration.tokens")), 64);
    assert_string_equal(json_text_at(r.last, "command.1"), "prune");
    assert_string_equal(json_text_at(r.last, "blocks.0.linears.0.name"),
                        "model.layers.0.self_attn.q_proj.weight");
    json_t *report = json_load_file(path_in(save, "prune_report.json"), JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_object_set_new(report, "event", json_string("result")), 0);
    assert_true(json_equal(report, r.last));
    json_decref(report);
    cli_close(&r);
    static const char *const there[] = {"config.json",       "generation_config.json",
                                        "tokenizer.json",    "tokenizer_config.json",
                                        "model.safetensors", "masks.safetensors"};
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        assert_int_equal(access(path_in(save, there[i]), R_OK), 0);
    assert_int_not_equal(access(path_in(save, ".lop"), F_OK), 0);
    for (size_t i = 0; i < 4; i++) assert_true(same_file(path_in(TINY, there[i]), path_in(save, there[i])));
}

static void prune_says_what_people_need(void **state)
{
    (void)state;
    static const char *const said[] = {"393216 of 786432", "all 1049728 parameters", "from_pretrained(",
                                       "lm_eval", "neither smaller nor faster"};
    cli_run r;
    RUN(&r, SMALL(TINY, scratch_path(&here, "out")));
    cli_expect(&r, 0, "backend cpu");
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (strstr(r.out, said[i]) == NULL) cli_fail_run(&r, said[i]);
    cli_close(&r);
    RUN(&r, "prune", TINY, "--method", "magnitude", "--sparsity-type", "2:4", "--save",
        scratch_path(&here, "b"), "--quiet");
    cli_expect(&r, 0, NULL);
    if (strstr(r.out, "neither smaller") != NULL || r.err[0] != '\0') cli_fail_run(&r, "says too much");
    cli_close(&r);
}

static void eval_asks(void **state)
{
    (void)state;
    cli_run r, s;
    static const char *const keys[] = {"requests", "tokens", "cut", "joined", "peak_bytes.host", "seconds"};
    RUN(&r, "eval", TINY, "--choices", CHOICES, "--threads", "1", "--json");
    cli_expect(&r, 0, NULL);
    assert_true(json_real_at(r.last, "accuracy") == 0.8);
    assert_true(json_real_at(r.last, "accuracy_per_char") == 1.0);
    assert_true(json_real_at(r.last, "accuracy_per_token") == 0.8);
    assert_true(fabs(json_real_at(r.last, "stderr") - 0.2) < 1e-12); /* sqrt(0.8 0.2 / 4) */
    assert_true(json_real_at(r.last, "questions") == 5.0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) (void)json_real_at(r.last, keys[i]);
    assert_non_null(strstr(json_text_at(r.last, "protocol"), "log p"));
    RUN(&s, "eval", TINY, "--choices", CHOICES, "--threads", "1", "--forward-batch", "1", "--json");
    assert_true(json_real_at(s.last, "accuracy") == 0.8);
    cli_close(&s);
    RUN(&s, "eval", TINY, "--choices", CHOICES, "--threads", "1");
    cli_expect(&s, 0, NULL);
    assert_non_null(strstr(s.out, "accuracy 0.8000 +- 0.2000"));
    assert_non_null(strstr(s.out, "protocol: "));
    cli_close(&s);
    cli_close(&r);
}

static void eval_measures(void **state)
{
    (void)state;
    cli_run r, s;
    RUN(&r, "eval", TINY, "--text", HELD, "--seqlen", "128", "--windows", "8", "--threads", "1", "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "perplexity:r nll:r tokens:i windows:i seqlen:i protocol:s");
    const double nll = json_real_at(r.last, "nll"), perplexity = json_real_at(r.last, "perplexity");
    assert_true(fabs(exp(nll) / perplexity - 1) < 1e-12 && perplexity > 20 && perplexity < 200);
    assert_int_equal(json_integer_value(json_find(r.last, "tokens")), 8 * 127);
    const char *ids = scratch_path(&here, "held.i32");
    PASSES("tokenize", TINY, "--text", HELD, "--save", ids);
    RUN(&s, "eval", TINY, "--tokens", ids, "--seqlen", "128", "--windows", "8", "--threads", "1", "--json");
    cli_expect(&s, 0, NULL);
    assert_true(json_real_at(s.last, "nll") == nll);
    cli_close(&s);
    cli_close(&r);
    RUN(&r, "eval", TINY, "--tokens", ids, "--seqlen", "64", "--windows", "2", "--threads", "1");
    cli_expect(&r, 0, NULL);
    if (strstr(r.out, "protocol") == NULL || strstr(r.out, "perplexity") == NULL)
        cli_fail_run(&r, "neither protocol nor perplexity");
    cli_close(&r);
    REFUSES(2, "just one", "eval", TINY, "--choices", CHOICES, "--text", HELD);
    REFUSES(2, "--windows", "eval", TINY, "--choices", CHOICES, "--windows", "2");
    REFUSES(2, "--text", "eval", TINY);
    REFUSES(2, "--text", "eval", TINY, "--text", HELD, "--tokens", ids);
    REFUSES(2, "512", "eval", TINY, "--text", HELD, "--seqlen", "513");
}

static void tokenize_writes_ids(void **state)
{
    (void)state;
    cli_run r;
    const char *ids = scratch_path(&here, "ids.i32");
    RUN(&r, "tokenize", TINY, "--text", CALIB, "--save", ids, "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "ids:i sha256:s save:s");
    assert_int_equal(json_integer_value(json_find(r.last, "ids")) * 4, file_size(ids));
    cli_close(&r);
    REFUSES(2, "--text", "tokenize", TINY, "--json");
}

static void info_and_plan_say_what_is_there(void **state)
{
    (void)state;
    cli_run r;
    RUN(&r, "info", TINY, "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last,
             "family:s blocks:i hidden:i parameters:i prunable_weights:i zeros:i dtype:s tokenizer:s");
    assert_string_equal(json_text_at(r.last, "family"), "llama");
    assert_int_equal(json_integer_value(json_find(r.last, "parameters")), 1049728);
    cli_close(&r);
    RUN(&r, "info", TINY, "--zeros", "off", "--json");
    has_keys(r.last, "zeros:n");
    cli_close(&r);
    RUN(&r, "plan", TINY, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", CALIB, "--save",
        "unused", "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "stages:a stages.0.name:s stages.0.device_bytes:i stages.0.host_bytes:i "
                     "stages.0.disk_bytes:i stages.0.flops:r peak.device:i peak.host:i peak.disk:i");
    assert_true(json_real_at(r.last, "peak.disk") >= (double)file_size(TINY "/model.safetensors") - 8192);
    cli_close(&r);
    RUN(&r, "plan", TINY, "--method", "besa", "--sparsity-ratio", "0.5", "--calib", CALIB, "--json");
    cli_expect(&r, 0, NULL);
    assert_string_equal(json_text_at(r.last, "stages.2.name"), "learn");
    /* A step's products are three to four times a forward's, and every window makes one. */
    const double once = json_real_at(r.last, "stages.1.flops"),
                 learn = json_real_at(r.last, "stages.2.flops");
    assert_true(learn > 2.5 * once && learn < 3.5 * once);
    cli_close(&r);
    RUN(&r, "plan", TINY, "--method", "magnitude", "--sparsity-ratio", "0.5");
    cli_expect(&r, 0, NULL);
    if (strstr(r.out, "peak") == NULL || strstr(r.out, "write") == NULL) cli_fail_run(&r, "no stages");
    cli_close(&r);
    assert_int_not_equal(access("unused", F_OK), 0);
}

static void devices_answer(void **state)
{
    (void)state;
    cli_run r;
    RUN(&r, "devices", "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last,
             "devices:a devices.0.backend:s devices.0.index:i devices.0.name:s devices.0.bytes_total:i "
             "devices.0.units:i missing:a");
    const size_t count = json_array_size(json_find(r.last, "missing"));
    if (count > 0) has_keys(r.last, "missing.0.backend:s missing.0.why:s");
    cli_close(&r);
    PASSES("devices");
}

static void report_draws_a_page(void **state)
{
    (void)state;
    cli_run r;
    struct stat page_stat;
    const char *save = scratch_path(&here, "out"), *page = scratch_path(&here, "page.html"),
               *report = path_in(save, "prune_report.json"), *copy = scratch_path(&here, "copy.json");
    PASSES(SMALL(TINY, save), "--quiet");
    for (int i = 0; i < 2; i++) { /* again over the page before */
        RUN(&r, "report", save, "--save", page, "--json");
        cli_expect(&r, 0, NULL);
        has_keys(r.last, "page:s bytes:i sealed:b");
        assert_string_equal(json_text_at(r.last, "page"), page);
        assert_int_equal(stat(page, &page_stat), 0);
        assert_int_equal(json_integer_value(json_find(r.last, "bytes")), page_stat.st_size);
        assert_true(json_is_true(json_find(r.last, "sealed")));
        cli_close(&r);
    }
    RUN(&r, "report", "--model", save, "--save", page);
    cli_expect(&r, 0, NULL);
    if (strstr(r.out, "page.html") == NULL || r.err[0] != '\0') cli_fail_run(&r, "the page is not named");
    cli_close(&r);
    REFUSES(2, "--save", "report", save);
    REFUSES(2, "which model", "report", "--save", page);
    copy_file(report, copy);
    REFUSES(2, "is no page", "report", save, "--save", report, "--json");
    assert_true(same_file(report, copy));
    REFUSES(2, "is a folder", "report", save, "--save", save);
    REFUSES(8, "page.html", "report", save, "--save", scratch_path(&here, "none/page.html"), "--json");
    REFUSES(3, "has no prune_report.json", "report", TINY, "--save", page, "--json");
    REFUSES(3, "is no folder", "report", scratch_path(&here, "nowhere"), "--save", page);
    json_edit(report, "seed", "1");
    RUN(&r, "report", save, "--save", page);
    cli_expect(&r, 0, "does not agree with its own digest");
    cli_close(&r);
    file_cut(report, file_size(report) / 2);
    REFUSES(3, "prune_report.json", "report", save, "--save", page, "--json");
}

static void generate_continues(void **state)
{
    (void)state;
    cli_run r, s;
    RUN(&r, "generate", TINY, "--prompt", "The Debian", "--tokens", "6", "--threads", "1", "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "text:s prompt_tokens:i new_tokens:i ids:a");
    assert_true(json_real_at(r.last, "new_tokens") <= 6);
    RUN(&s, "generate", TINY, "--prompt", "The Debian", "--tokens", "6", "--threads", "1");
    cli_expect(&s, 0, NULL);
    if (strstr(s.out, json_text_at(r.last, "text")) == NULL) cli_fail_run(&s, "another text");
    cli_close(&s);
    cli_close(&r);
    RUN(&r, "generate", TINY, "--prompt", "\xe2\x82\xac \xf0\x9f\x98\x80", "--tokens", "3", "--threads", "1",
        "--json");
    cli_expect(&r, 0, NULL);
    cli_close(&r);
    REFUSES(2, "--prompt", "generate", TINY);
}

static void convert_changes_nothing_else(void **state)
{
    (void)state;
    cli_run r;
    const char *wide = scratch_path(&here, "f32"), *back = scratch_path(&here, "bf16");
    RUN(&r, "convert", TINY, "--save", wide, "--outtype", "f32", "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "save:s tensors:i bytes:i left_out:i");
    cli_close(&r);
    PASSES("convert", wide, "--save", back, "--outtype", "bf16");
    assert_true(same_file(path_in(back, "tokenizer.json"), TINY "/tokenizer.json"));
    PASSES("verify", back, "--against", TINY);
    REFUSES(2, "not empty", "convert", TINY, "--save", back);
    PASSES("convert", TINY, "--save", back, "--force");
    assert_true(same_file(path_in(back, "model.safetensors"), TINY "/model.safetensors"));
}

/* Blocks that differ in width, one without a feed-forward. */
#define UNEVEN LOP_SOURCE_DIR "/tests/fuzz/seeds/gguf/written_deci.gguf"

static double perplexity_of(const char *model)
{
    cli_run r;
    RUN(&r, "eval", model, "--text", HELD, "--seqlen", "64", "--windows", "4", "--threads", "1", "--json");
    cli_expect(&r, 0, NULL);
    const double value = json_real_at(r.last, "perplexity");
    cli_close(&r);
    return value;
}

/* A folder, its GGUF file, and the folder of that: one perplexity, one text, and the same bytes at the end. */
static void convert_goes_to_gguf_and_back(void **state)
{
    (void)state;
    cli_run r, s;
    const char *file = scratch_path(&here, "tiny.gguf"), *back = scratch_path(&here, "back");
    RUN(&r, "convert", TINY, "--save", file, "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "save:s tensors:i bytes:i left_out:i");
    cli_close(&r);
    PASSES("convert", file, "--save", back, "--outtype", "bf16");
    assert_true(same_file(path_in(back, "model.safetensors"), TINY "/model.safetensors"));
    const double dense = perplexity_of(TINY), written = perplexity_of(file);
    assert_false(dense < written || dense > written);
    RUN(&r, "generate", TINY, "--prompt", "The water", "--tokens", "8", "--threads", "1", "--json");
    RUN(&s, "generate", file, "--prompt", "The water", "--tokens", "8", "--threads", "1", "--json");
    assert_true(json_equal(json_find(r.last, "ids"), json_find(s.last, "ids")));
    cli_close(&r);
    cli_close(&s);
    REFUSES(2, "--force", "convert", TINY, "--save", file);
    REFUSES(3, "not pruned again", SMALL(UNEVEN, scratch_path(&here, "again")));
    PASSES("convert", TINY, "--save", file, "--force", "--outtype", "f16");
    REFUSES(2, "is the model itself", "convert", file, "--save", file, "--force");
    REFUSES(8, "none/x.gguf", "convert", file, "--save", scratch_path(&here, "none/x.gguf"));
}

static void masks_are_put_back_compared_and_united(void **state)
{
    (void)state;
    cli_run r;
    const char *a = scratch_path(&here, "a"), *b = scratch_path(&here, "b"), *c = scratch_path(&here, "c");
    const char *both = scratch_path(&here, "both.safetensors");
    PASSES(SMALL(TINY, a), "--save-masks");
    PASSES("prune", TINY, "--method", "magnitude", "--sparsity-ratio", "0.5", "--save-masks", "--save", b);
    const char *ma = path_in(a, "masks.safetensors"), *mb = path_in(b, "masks.safetensors");
    RUN(&r, "mask", "apply", TINY, "--masks", ma, "--save", c, "--json");
    cli_expect(&r, 0, NULL);
    assert_int_equal(json_integer_value(json_find(r.last, "dropped")), 393216);
    cli_close(&r);
    assert_true(same_file(path_in(a, "model.safetensors"), path_in(c, "model.safetensors")));
    RUN(&r, "mask", "diff", ma, mb, "--json");
    cli_expect(&r, 0, NULL);
    const double same = json_real_at(r.last, "agreement");
    assert_true(same > 0.5 && same < 1);
    cli_close(&r);
    RUN(&r, "mask", "union", "--masks", ma, "--other", mb, "--save", both, "--json");
    cli_expect(&r, 0, NULL);
    assert_true(json_real_at(r.last, "dropped") != 393216);
    cli_close(&r);
    PASSES("mask", "diff", ma, both);
    REFUSES(2, "apply", "mask", "turn", ma);
    REFUSES(2, "apply|diff|union", "mask");
    REFUSES(2, "--save", "mask", "apply", TINY, "--masks", ma);
    REFUSES(2, "not empty", "mask", "apply", TINY, ma, "--save", c);
}

static void verify_proves_a_prune(void **state)
{
    (void)state;
    cli_run r;
    const char *save = scratch_path(&here, "out");
    PASSES(SMALL(TINY, save), "--sparsity-type", "2:4", "--save-masks");
    RUN(&r, "verify", save, "--against", TINY, "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "ok:b zeros:i prunable_weights:i linears:a linears.0.name:s linears.0.shape:a "
                     "linears.0.zeros:i linears.0.pattern_claimed:s linears.0.pattern_holds:b "
                     "untouched_identical:b failures:a");
    assert_true(json_is_true(json_find(r.last, "ok")));
    assert_int_equal(json_integer_value(json_find(r.last, "zeros")), 393216);
    cli_close(&r);
    RUN(&r, "verify", save, "--json");
    cli_expect(&r, 0, NULL);
    has_keys(r.last, "untouched_identical:n");
    cli_close(&r);
    assert_int_equal(unlink(path_in(save, "prune_report.json")), 0);
    PASSES("verify", save, "--against", TINY);
    REFUSES(3, "recompute", "verify", save, "--recompute", "1", "--calib", CALIB);
}

static void synth_writes_a_shape(void **state)
{
    (void)state;
    REFUSES(2, "smollm2-135m", "synth", "--shape", "llama-9b", "--save", scratch_path(&here, "s"));
    REFUSES(2, "--shape", "synth", "--save", scratch_path(&here, "s"));
    if (access("/dev/shm", W_OK) != 0) skip();
    cli_run r;
    const char *save = scratch_path(&here, "smol");
    RUN(&r, "synth", "--shape", "smollm2-135m", "--save", save, "--json");
    cli_expect(&r, 0, NULL);
    cli_close(&r);
    RUN(&r, "info", save, "--zeros", "off", "--json");
    cli_expect(&r, 0, NULL);
    assert_int_equal(json_integer_value(json_find(r.last, "blocks")), 30);
    has_keys(r.last, "tokenizer:?");
    cli_close(&r);
}

static void shards_stay_shards(void **state)
{
    (void)state;
    const char *model = scratch_path(&here, "shards"), *save = scratch_path(&here, "out"),
               *whole = scratch_path(&here, "whole");
    write_shards(model);
    PASSES(SMALL(model, save));
    PASSES(SMALL(TINY, whole));
    assert_int_equal(access(path_in(save, "model-00002-of-00002.safetensors"), R_OK), 0);
    assert_int_equal(access(path_in(save, "model.safetensors.index.json"), R_OK), 0);
    assert_int_not_equal(access(path_in(save, "model.safetensors"), F_OK), 0);
    PASSES("verify", save, "--against", TINY);
    PASSES("verify", whole, "--against", model);
}

static void threads_do_not_change_a_byte(void **state)
{
    (void)state;
    static const char *const threads[] = {"1", "2", "3", "8"};
    char *first = NULL;
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        const char *save = scratch_path(&here, threads[i]);
        PASSES("prune", TINY, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", CALIB, "--nsamples",
               "3", "--seqlen", "96", "--forward-batch", "2", "--losses", "on", "--threads", threads[i],
               "--save-masks", "--save", save, "--quiet");
        char *digest = folder_digest(save);
        if (first == NULL)
            first = digest;
        else
            assert_string_equal(digest, first);
        if (digest != first) free(digest);
    }
    free(first);
}

static void shared_models_are_pruned_and_proved(void **state)
{
    (void)state;
    shared_need("data/models/TinyStories-656K");
    cli_run r;
    const char *model = shared_path("data/models/TinyStories-656K"), *save = scratch_path(&here, "out"),
               *ids = scratch_path(&here, "few.i32");
    int32_t few[256];
    for (int n = 0; n < 256; n++) few[n] = n % 50 + 1;
    write_bytes(ids, few, sizeof few);
    RUN(&r, "prune", model, "--method", "wanda", "--sparsity-ratio", "0.5", "--calib", ids, "--nsamples", "4",
        "--seqlen", "64", "--threads", "1", "--save", save, "--json");
    cli_expect(&r, 0, NULL);
    cli_close(&r);
    PASSES("verify", save, "--against", model);
    PASSES("eval", save, "--tokens", ids, "--seqlen", "64", "--threads", "1");
}

int cli_tests_commands(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(prune_writes_what_is_promised, here_open, here_close),
        cmocka_unit_test_setup_teardown(prune_says_what_people_need, here_open, here_close),
        cmocka_unit_test_setup_teardown(eval_measures, here_open, here_close),
        cmocka_unit_test_setup_teardown(eval_asks, here_open, here_close),
        cmocka_unit_test_setup_teardown(tokenize_writes_ids, here_open, here_close),
        cmocka_unit_test_setup_teardown(info_and_plan_say_what_is_there, here_open, here_close),
        cmocka_unit_test_setup_teardown(devices_answer, here_open, here_close),
        cmocka_unit_test_setup_teardown(report_draws_a_page, here_open, here_close),
        cmocka_unit_test_setup_teardown(generate_continues, here_open, here_close),
        cmocka_unit_test_setup_teardown(convert_changes_nothing_else, here_open, here_close),
        cmocka_unit_test_setup_teardown(convert_goes_to_gguf_and_back, here_open, here_close),
        cmocka_unit_test_setup_teardown(masks_are_put_back_compared_and_united, here_open, here_close),
        cmocka_unit_test_setup_teardown(verify_proves_a_prune, here_open, here_close),
        cmocka_unit_test_setup_teardown(synth_writes_a_shape, here_open, here_close),
        cmocka_unit_test_setup_teardown(shards_stay_shards, here_open, here_close),
        cmocka_unit_test_setup_teardown(threads_do_not_change_a_byte, here_open, here_close),
        cmocka_unit_test_setup_teardown(shared_models_are_pruned_and_proved, here_open, here_close),
    };
    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
