/* bench.c - the table of benches, and the way from a call to one of them. */
#include "bench/bench.h"

#include "bench/parts.h"
#include "core/lop/session.h"
#include "core/prune/run.h"

#include <string.h>

static const lop_option options[] = {
    {.name = "method", .alias = "prune-method", .kind = LOP_OPTION_TEXT, .help = "of block and model"},
    {.name = "shape",
     .kind = LOP_OPTION_TEXT,
     .default_text = "llama-7b",
     .help = "of block: smollm2-135m, llama-1b, llama-7b, ..."},
    {.name = "model", .kind = LOP_OPTION_PATH, .help = "of model and io: a folder or a .gguf file"},
    {.name = "save", .kind = LOP_OPTION_PATH, .help = "of model: where the output goes and stays"},
    {.name = "text", .kind = LOP_OPTION_PATH, .help = "of io: a text to tokenise"},
    {.name = "stages",
     .kind = LOP_OPTION_FLAG,
     .default_text = "off",
     .help = "of block: also time the parts of a forward one by one"},
    {.name = "reps",
     .kind = LOP_OPTION_INT,
     .low = 1,
     .high = 10000,
     .help = "repetitions that count; by default as many as make a second or two"},
};

const lop_option *bench_options(int *count)
{
    *count = (int)(sizeof options / sizeof options[0]);
    return options;
}

/* `reads`: the options it reads, parted by blanks; "*": any. `words`: how many arguments follow its name. */
static const struct {
    const char *name;
    const char *reads;
    int words;
    bool computes;
    bench_run_fn *run;
} benches[] = {
    {"roof", "reps", 0, true, bench_roof},         {"ops", "reps", 0, true, bench_ops},
    {"block", "*", 0, true, bench_block},          {"model", "*", 0, false, bench_model},
    {"io", "model text reps", 0, false, bench_io}, {"diff", "", 2, false, bench_diff},
};

enum { BENCHES = sizeof benches / sizeof benches[0] };

static bool has_word(const char *list, const char *word)
{
    const size_t size = strlen(word);
    for (const char *at = list; *at != '\0'; at += strspn(at, " ")) {
        const size_t n = strcspn(at, " ");
        if (n == size && strncmp(at, word, n) == 0) return true;
        at += n;
    }
    return strcmp(list, "*") == 0;
}

static lop_status check_words(const bench *b, int at)
{
    const bench_call *call = b->call;
    if (call->word_count != 1 + benches[at].words)
        return LOP_FAIL(LOP_E_ARGUMENT, "lop bench %s takes %d arguments that are no options; it got %d",
                        benches[at].name, benches[at].words, call->word_count - 1);
    for (int i = 0; i < b->settings.count; i++)
        if (!has_word(benches[at].reads, b->settings.at[i].name))
            return LOP_FAIL(LOP_E_ARGUMENT, "lop bench %s does not read --%s: leave it out", benches[at].name,
                            b->settings.at[i].name);
    return LOP_OK;
}

static lop_status find(const bench_call *call, int *at)
{
    const char *name = call->word_count > 0 ? call->words[0] : "";
    for (*at = 0; *at < BENCHES; (*at)++)
        if (strcmp(name, benches[*at].name) == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    "lop bench measures roof, ops, block, model or io, and diff compares two results; "
                    "\"%s\" is none of them",
                    name);
}

static lop_status open_settings(bench *b)
{
    const char *method = NULL;
    for (int i = 0; i < b->call->setting_count; i++)
        if (strcmp(b->call->settings[i].name, "method") == 0) method = b->call->settings[i].value;
    lop_option_set set = {0};
    lop_prune_option_set(method ? lop_method_find(method) : NULL, &set);
    set.tables[set.table_count] = bench_options(&set.counts[set.table_count]);
    set.table_count++;
    return lop_settings_open(&set, b->call->settings, b->call->setting_count, &b->settings);
}

int bench_reps(const bench *b, int usual)
{
    return lop_settings_given(&b->settings, "reps") ? (int)lop_settings_int(&b->settings, "reps") : usual;
}

lop_status bench_run(const bench_call *call)
{
    int at = 0;
    bench b = {.call = call};
    lop_status status = LOP_OK;
    LOP_TRY(find(call, &at));
    LOP_TRY(open_settings(&b));
    LOP_TRY_DONE(check_words(&b, at));
    if (benches[at].computes) {
        LOP_TRY_DONE(lop_session_device(call->session, &b.device));
        LOP_TRY_DONE(lop_queue_open(b.device, &b.queue));
    }
    status = benches[at].run(&b);
done:
    if (b.queue.device) lop_queue_close(&b.queue);
    lop_settings_close(&b.settings);
    return status;
}
