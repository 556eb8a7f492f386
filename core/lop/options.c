/* options.c - the options of every call in one place: what the command line, the manual and the tests read. Those of
 * prune, verify and mask stand with the rooms that obey them. */
#include "core/lop/session.h"
#include "core/prune/masks.h"
#include "core/prune/run.h"
#include "core/prune/verify.h"

#include <string.h>

#define TABLE(name) name, (int)(sizeof name / sizeof name[0])

static const lop_option session_options[] = {
    {"backend", NULL, LOP_OPTION_TEXT, "auto", 0, 0, NULL, NULL,
     "the processor: auto (the best there is), or a backend that `lop devices` lists", NULL},
    {"device", NULL, LOP_OPTION_INT, "0", 0, 1023, NULL, NULL, "which device of the backend", NULL},
    {"threads", NULL, LOP_OPTION_INT, "0", 0, 4096, NULL, NULL, "host threads that compute; 0: all cores",
     NULL},
    {"math", NULL, LOP_OPTION_CHOICE, "native", 0, 0, "f32|tf32|native", NULL,
     "products in full f32, in f32 operands that the device may round to TF32, or in the model's own type",
     NULL},
    {"fast", NULL, LOP_OPTION_FLAG, "on", 0, 0, NULL, NULL,
     "take the backend's quicker ways; off: the plain path everywhere", NULL},
    {"forward-batch", NULL, LOP_OPTION_INT, "4", 1, 4096, NULL, "sequences", "sequences of one forward call",
     NULL},
    {"max-device-mem", NULL, LOP_OPTION_BYTES, NULL, 0, 0, NULL, "bytes",
     "budget of device memory; not in this version", NULL},
    {"max-host-mem", NULL, LOP_OPTION_BYTES, NULL, 0, 0, NULL, "bytes",
     "budget of host memory; not in this version", NULL},
};

#define TEXT_OPTIONS                                                                                         \
    {                                                                                                        \
        "text", NULL, LOP_OPTION_PATH, NULL, 0, 0, NULL, NULL, "UTF-8 text, tokenised as one string", NULL   \
    }

static const lop_option info_options[] = {
    {"zeros", NULL, LOP_OPTION_FLAG, "on", 0, 0, NULL, NULL,
     "count the zeros of the prunable weights, which reads the whole file; off: headers only", NULL},
};

static const lop_option eval_options[] = {
    TEXT_OPTIONS,
    {"tokens", NULL, LOP_OPTION_PATH, NULL, 0, 0, NULL, NULL, "token ids, little-endian int32 (FILE.i32)",
     NULL},
    {"choices", NULL, LOP_OPTION_PATH, NULL, 0, 0, NULL, NULL,
     "zero-shot requests, one JSON object a line (FILE.jsonl, FILE.jsonl.gz)", NULL},
    {"seqlen", NULL, LOP_OPTION_INT, NULL, 2, 1 << 24, NULL, "tokens",
     "length of a window; left out: min(2048, the model's maximum), with --choices the model's maximum",
     NULL},
    {"windows", "nwindows", LOP_OPTION_INT, NULL, 1, 1 << 30, NULL, "windows",
     "the first so many; left out: all", NULL},
};

static const lop_option generate_options[] = {
    {"prompt", NULL, LOP_OPTION_TEXT, NULL, 0, 0, NULL, NULL, "text to continue", NULL},
    {"tokens", NULL, LOP_OPTION_INT, "48", 1, 1 << 20, NULL, "tokens", "how many to add at most", NULL},
};

static const lop_option tokenize_options[] = {
    TEXT_OPTIONS,
    {"save", NULL, LOP_OPTION_PATH, NULL, 0, 0, NULL, NULL, "where the ids go, little-endian int32 (IDS.i32)",
     NULL},
};

static const lop_option convert_options[] = {
    {"outtype", "dtype", LOP_OPTION_CHOICE, NULL, 0, 0, "f32|f16|bf16", NULL,
     "type of the weights (in GGUF of matrices: vectors are f32); left out: the source's own, f16 where it "
     "is "
     "quantised",
     NULL},
    {"force", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL,
     "write into a folder that is not empty, or over a file", NULL},
    {"resume", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL,
     "take up the folder that a killed run began; a GGUF file is begun anew", NULL},
};

static const lop_option synth_options[] = {
    {"dtype", NULL, LOP_OPTION_CHOICE, "bf16", 0, 0, "f32|f16|bf16", NULL, "type of the weights", NULL},
    {"seed", NULL, LOP_OPTION_INT, "0", 0, 4294967295.0, NULL, NULL, "of the random weights", NULL},
    {"force", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL, "write into a folder that is not empty", NULL},
    {"resume", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL, "take up what a killed run began", NULL},
};

const lop_option *lop_options(const char *call, int *count)
{
    const struct {
        const char *call;
        const lop_option *table;
        int count;
    } calls[] = {
        {"session", TABLE(session_options)},   {"info", TABLE(info_options)},
        {"eval", TABLE(eval_options)},         {"generate", TABLE(generate_options)},
        {"tokenize", TABLE(tokenize_options)}, {"convert", TABLE(convert_options)},
        {"synth", TABLE(synth_options)},
    };
    *count = 0;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(call, calls[i].call) == 0) {
            *count = calls[i].count;
            return calls[i].table;
        }
    if (strcmp(call, "prune") == 0 || strcmp(call, "plan") == 0) return lop_prune_options(count);
    if (strcmp(call, "verify") == 0) return lop_verify_options(count);
    if (strcmp(call, "mask") == 0) return lop_mask_options(count);
    return NULL;
}

const lop_option *lop_method_options(const char *method, int *count)
{
    const lop_method *row = lop_method_find(method);
    *count = row ? row->option_count : 0;
    return row ? row->options : NULL;
}

int lop_method_count(void)
{
    return lop_method_rows();
}

lop_method_info lop_method_at(int index)
{
    const lop_method *row = lop_method_row(index);
    return (lop_method_info){row->name, row->alias, row->summary, row->source, row->block != NULL};
}

lop_status lop_call_settings(const char *call, const lop_setting *at, int count, lop_settings *out)
{
    lop_option_set set = {.table_count = 1};
    set.tables[0] = lop_options(call, &set.counts[0]);
    if (set.tables[0] == NULL) return LOP_FAIL(LOP_E_INTERNAL, "no call is named %s", call);
    return lop_settings_open(&set, at, count, out);
}
