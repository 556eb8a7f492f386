/* bench.c - the table of benches, and the way from a call to one of them, and from its lines to a table or a page. */
#include "bench/bench.h"

#include "bench/line.h"
#include "bench/page.h"
#include "bench/parts.h"
#include "bench/table.h"
#include "core/lop/session.h"
#include "core/prune/run.h"

#include <string.h>

static const lop_option options[] = {
    {.name = "method", .alias = "prune-method", .kind = LOP_OPTION_TEXT, .help = "of block and model"},
    {.name = "shape",
     .kind = LOP_OPTION_TEXT,
     .default_text = "llama-7b",
     .help = "of block and eval: smollm2-135m, llama-1b, llama-7b, ..."},
    {.name = "model", .kind = LOP_OPTION_PATH, .help = "of model and io: a folder or a .gguf file"},
    {.name = "save",
     .kind = LOP_OPTION_PATH,
     .help = "of model: where the output goes and stays; of report: the page"},
    {.name = "text", .kind = LOP_OPTION_PATH, .help = "of io: a text to tokenise"},
    {.name = "stages",
     .kind = LOP_OPTION_FLAG,
     .default_text = "off",
     .help = "of block: also time the parts of a forward one by one"},
    {.name = "ffn-streams",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "device",
     .choices = "device|hidden-on-host|host",
     .help = "of block, with a method that takes the feed-forward half apart: where what it keeps of all "
             "windows lies, as a "
             "budget would have it"},
    {.name = "reps",
     .kind = LOP_OPTION_INT,
     .low = 1,
     .high = 10000,
     .help = "repetitions that count; by default as many as make a second or two"},
    {.name = "cols",
     .kind = LOP_OPTION_TEXT,
     .default_text = "2048,4096,11008",
     .help = "of ops: lengths of rows, multiples of 64"},
    {.name = "rows",
     .kind = LOP_OPTION_INT,
     .low = 2048,
     .high = 1 << 20,
     .help = "of ops: how many rows, a multiple of 2048; by default 2048 on a host and 16384 elsewhere"},
    {.name = "word",
     .kind = LOP_OPTION_TEXT,
     .default_text = "f32",
     .help = "of ops: storage words, such as f32,bf16; of block and eval: one, by default the shape's own"},
    {.name = "table",
     .kind = LOP_OPTION_FLAG,
     .default_text = "off",
     .help = "of ops: a table in Markdown instead of lines"},
    {.name = "compare",
     .kind = LOP_OPTION_TEXT,
     .help = "the same on several devices, such as cpu,opencl:0,cuda:0, and one table"},
    {.name = "report", .kind = LOP_OPTION_PATH, .help = "also draw the lines: one page of HTML"},
};

const lop_option *bench_options(int *count)
{
    *count = (int)(sizeof options / sizeof options[0]);
    return options;
}

enum { FILES_MOST = 15 };

static const bench_kind benches[] = {
    {"roof", "reps compare report", 0, 0, true, true, bench_roof},
    {"ops", "reps cols rows word table compare report", 0, 0, true, true, bench_ops},
    {"block", "*", 0, 0, true, true, bench_block},
    {"model", "*", 0, 0, false, true, bench_model},
    {"eval", "shape word seqlen reps compare report", 0, 0, true, true, bench_eval},
    {"io", "model text reps", 0, 0, false, false, bench_io},
    {"diff", "", 2, 2, false, false, bench_diff},
    {"report", "save", 1, FILES_MOST, false, false, bench_report},
    {"table", "", 1, FILES_MOST, false, false, bench_table},
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

static lop_status check_words(const bench *b, const bench_kind *kind)
{
    const int words = b->call->word_count - 1;
    if (words < kind->words_least || words > kind->words_most)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "lop bench %s takes %d to %d arguments that are no options; it got %d", kind->name,
                        kind->words_least, kind->words_most, words);
    for (int i = 0; i < b->settings.count; i++)
        if (!has_word(kind->reads, b->settings.at[i].name))
            return LOP_FAIL(LOP_E_ARGUMENT, "lop bench %s does not read --%s: leave it out", kind->name,
                            b->settings.at[i].name);
    return LOP_OK;
}

static lop_status find(const bench_call *call, const bench_kind **out)
{
    const char *name = call->word_count > 0 ? call->words[0] : "";
    for (int i = 0; i < BENCHES; i++) {
        *out = &benches[i];
        if (strcmp(name, benches[i].name) == 0) return LOP_OK;
    }
    return LOP_FAIL(
        LOP_E_ARGUMENT,
        "lop bench measures roof, ops, block, model, eval or io; diff compares two results, report "
        "draws them and table prints them; \"%s\" is none of these",
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

lop_status bench_run_here(bench *b, const bench_kind *kind)
{
    lop_status status = LOP_OK;
    if (kind->computes) {
        LOP_TRY(lop_session_device(b->call->session, &b->device));
        LOP_TRY(lop_queue_open(b->device, &b->queue));
    }
    status = kind->run(b);
    if (b->queue.device) lop_queue_close(&b->queue);
    b->device = NULL;
    return status;
}

static lop_status run(bench *b, const bench_kind *kind)
{
    const char *page = lop_settings_text(&b->settings, "report");
    const bool many = lop_settings_given(&b->settings, "compare");
    b->tabled = kind->compares && !b->call->json && (many || lop_settings_flag(&b->settings, "table"));
    b->lines = json_array();
    if (b->lines == NULL) return LOP_FAIL(LOP_E_MEMORY, "not enough host memory for the lines of a bench");
    LOP_TRY(many ? bench_compare(b, kind) : bench_run_here(b, kind));
    if (b->tabled) LOP_TRY(bench_table_print(b->call->out, b->lines));
    return page ? bench_page_write(page, b->lines) : LOP_OK;
}

lop_status bench_run(const bench_call *call)
{
    const bench_kind *kind = NULL;
    bench b = {.call = call};
    lop_status status = LOP_OK;
    LOP_TRY(find(call, &kind));
    LOP_TRY(open_settings(&b));
    LOP_TRY_DONE(check_words(&b, kind));
    status = run(&b, kind);
done:
    json_decref(b.lines);
    lop_settings_close(&b.settings);
    return status;
}
