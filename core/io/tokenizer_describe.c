/* tokenizer_describe.c - the tokenizer.json that GGUF metadata mean: what is run is read from it, and what is written is
 * it. */
#include "core/io/tokenizer_spec.h"

#include <string.h>

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
#define WORDS        "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define MARKS_SPACES " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* What a value of tokenizer.ggml.pre stands for: the tokenizer.json of the models that carry it. */
typedef struct pre_kind {
    const char *names;   /* parted by |, the first is the one that is written */
    const char *pattern; /* NULL: GPT-2's, which ByteLevel brings */
    bool digits;         /* every digit is a piece */
    bool nfc;
    bool ignore_merges;
} pre_kind;

static const pre_kind kinds[] = {
    {"gpt-2||default|gpt2|phi-2|olmo|mpt|jais|roberta-bpe", NULL, false, false, false},
    {"smollm|starcoder|refact|command-r|codeshell", NULL, true, false, false},
    {"llama-bpe|llama3|llama-v3", CONTRACTIONS WORDS "\\p{N}{1,3}|" MARKS_SPACES, false, false, true},
    {"qwen2|deepseek-r1-qwen", CONTRACTIONS WORDS "\\p{N}|" MARKS_SPACES, false, true, false},
};

static bool has_name(const char *names, lop_text name)
{
    for (;;) {
        const char *end = strchr(names, '|');
        if (lop_text_equal((lop_text){names, end ? (size_t)(end - names) : strlen(names)}, name)) return true;
        if (end == NULL) return false;
        names = end + 1;
    }
}

lop_text lop_spec_pre_name(int index)
{
    if (index < 0 || (size_t)index >= sizeof kinds / sizeof *kinds) return (lop_text){"", 0};
    return (lop_text){kinds[index].names, strcspn(kinds[index].names, "|")};
}

static lop_status find_kind(lop_text pre, const pre_kind **out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *out = &kinds[i];
        if (has_name(kinds[i].names, pre)) return LOP_OK;
    }
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the file's pre-tokenizer (tokenizer.ggml.pre) is \"%.*s\"; known are default, gpt-2, smollm, "
        "starcoder, llama-bpe, qwen2 and others that split alike",
        (int)(pre.size < 64 ? pre.size : 64), pre.at);
}

static lop_status no_memory(void)
{
    return LOP_FAIL(LOP_E_MEMORY, "not enough host memory to describe a tokenizer");
}

static lop_status packed(json_t *made, json_t **out)
{
    *out = made;
    return made ? LOP_OK : no_memory();
}

/* Gives `value` to the object; NULL is memory that ran out. */
static lop_status give(json_t *object, const char *key, json_t *value)
{
    if (value != NULL && json_object_set_new(object, key, value) == 0) return LOP_OK;
    return no_memory();
}

static json_t *byte_level(bool prefix_space, bool use_regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix_space,
                     "trim_offsets", 1, "use_regex", use_regex);
}

static json_t *byte_level_splits(const pre_kind *kind)
{
    json_t *first = NULL;
    if (kind->digits) first = json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1);
    if (kind->pattern)
        first = json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", kind->pattern,
                          "behavior", "Isolated", "invert", 0);
    if (first == NULL) return byte_level(false, true);
    return json_pack("{s:s, s:[o, o]}", "type", "Sequence", "pretokenizers", first,
                     byte_level(false, kind->pattern == NULL));
}

static lop_status describe_byte_level(const lop_tokenizer_spec *spec, json_t *out)
{
    const pre_kind *kind;
    LOP_TRY(find_kind(spec->pre, &kind));
    LOP_TRY(give(out, "normalizer", kind->nfc ? json_pack("{s:s}", "type", "NFC") : json_null()));
    LOP_TRY(give(out, "pre_tokenizer", byte_level_splits(kind)));
    LOP_TRY(give(out, "decoder", byte_level(true, true)));
    return give(out, "model",
                json_pack("{s:s, s:n, s:n, s:s, s:s, s:b, s:b, s:b}", "type", "BPE", "dropout", "unk_token",
                          "continuing_subword_prefix", "", "end_of_word_suffix", "", "fuse_unk", 0,
                          "byte_fallback", 0, "ignore_merges", kind->ignore_merges));
}

static json_t *replace(const char *from, const char *to)
{
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", from, "content", to);
}

static lop_status describe_sentencepiece(const lop_tokenizer_spec *spec, json_t *out)
{
    const bool prefix = spec->add_space_prefix;
    json_t *normalizers, *decoders;
    LOP_TRY(packed(json_pack("[o]", replace(" ", LOP_METASPACE)), &normalizers));
    LOP_TRY(give(out, "normalizer", json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", normalizers)));
    LOP_TRY(packed(
        json_pack("[o, {s:s}, {s:s}]", replace(LOP_METASPACE, " "), "type", "ByteFallback", "type", "Fuse"),
        &decoders));
    LOP_TRY(give(out, "decoder", json_pack("{s:s, s:o}", "type", "Sequence", "decoders", decoders)));
    LOP_TRY(give(out, "pre_tokenizer", json_null()));
    if (prefix) {
        json_t *prepend, *strip;
        LOP_TRY(packed(json_pack("{s:s, s:s}", "type", "Prepend", "prepend", LOP_METASPACE), &prepend));
        if (json_array_insert_new(normalizers, 0, prepend) != 0) return no_memory();
        LOP_TRY(
            packed(json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0),
                   &strip));
        if (json_array_append_new(decoders, strip) != 0) return no_memory();
    }
    json_t *unknown = json_null();
    if (spec->unknown >= 0)
        unknown = json_stringn(spec->tokens[spec->unknown].at, spec->tokens[spec->unknown].size);
    return give(out, "model",
                json_pack("{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b}", "type", "BPE", "dropout", "unk_token",
                          unknown, "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 1,
                          "byte_fallback", 1, "ignore_merges", 0));
}

/* One more special token in a template's list and in its table. */
static lop_status add_special(const lop_tokenizer_spec *spec, int32_t id, int type_id, json_t *list,
                              json_t *table)
{
    json_t *entry;
    const lop_text text = spec->tokens[id];
    LOP_TRY(packed(json_pack("{s:s%, s:[i], s:[s%]}", "id", text.at, text.size, "ids", (int)id, "tokens",
                             text.at, text.size),
                   &entry));
    if (json_object_setn_new(table, text.at, text.size, entry) != 0) return no_memory();
    LOP_TRY(packed(json_pack("{s:{s:s%, s:i}}", "SpecialToken", "id", text.at, text.size, "type_id", type_id),
                   &entry));
    return json_array_append_new(list, entry) == 0 ? LOP_OK : no_memory();
}

/* BOS, the text, EOS. */
static lop_status add_sequence(const lop_tokenizer_spec *spec, const char *name, int type_id, json_t *list,
                               json_t *table)
{
    json_t *entry;
    if (spec->add_bos && spec->bos >= 0) LOP_TRY(add_special(spec, spec->bos, type_id, list, table));
    LOP_TRY(packed(json_pack("{s:{s:s, s:i}}", "Sequence", "id", name, "type_id", type_id), &entry));
    if (json_array_append_new(list, entry) != 0) return no_memory();
    return spec->add_eos && spec->eos >= 0 ? add_special(spec, spec->eos, type_id, list, table) : LOP_OK;
}

static lop_status describe_template(const lop_tokenizer_spec *spec, json_t *out)
{
    const bool adds = (spec->add_bos && spec->bos >= 0) || (spec->add_eos && spec->eos >= 0);
    if (!adds) return give(out, "post_processor", json_null());
    LOP_TRY(give(out, "post_processor",
                 json_pack("{s:s, s:[], s:[], s:{}}", "type", "TemplateProcessing", "single", "pair",
                           "special_tokens")));
    json_t *made = json_object_get(out, "post_processor");
    json_t *table = json_object_get(made, "special_tokens");
    LOP_TRY(add_sequence(spec, "A", 0, json_object_get(made, "single"), table));
    LOP_TRY(add_sequence(spec, "A", 0, json_object_get(made, "pair"), table));
    return add_sequence(spec, "B", 1, json_object_get(made, "pair"), table);
}

static lop_status describe_config(const lop_tokenizer_spec *spec, json_t *out)
{
    const struct {
        const char *key;
        int32_t id;
    } specials[] = {{"bos_token", spec->bos},
                    {"eos_token", spec->eos},
                    {"unk_token", spec->unknown},
                    {"pad_token", spec->pad}};
    LOP_TRY(give(out, "config",
                 json_pack("{s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                           "clean_up_tokenization_spaces", 0)));
    json_t *config = json_object_get(out, "config");
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (specials[i].id < 0) continue;
        const lop_text text = spec->tokens[specials[i].id];
        LOP_TRY(give(config, specials[i].key, json_stringn(text.at, text.size)));
    }
    if (spec->chat_template.size == 0) return LOP_OK;
    return give(config, "chat_template", json_stringn(spec->chat_template.at, spec->chat_template.size));
}

lop_status lop_spec_describe(const lop_tokenizer_spec *spec, json_t **out)
{
    LOP_TRY(packed(json_object(), out));
    lop_status status = LOP_OK;
    if (lop_text_is(spec->model, "gpt2"))
        status = describe_byte_level(spec, *out);
    else if (lop_text_is(spec->model, "llama"))
        status = describe_sentencepiece(spec, *out);
    else
        status = LOP_FAIL(
            LOP_E_UNSUPPORTED,
            "the file's tokenizer (tokenizer.ggml.model) is \"%.*s\"; known are gpt2 (byte-level BPE) and "
            "llama (SentencePiece-like BPE)",
            (int)(spec->model.size < 64 ? spec->model.size : 64), spec->model.at);
    if (status == LOP_OK) status = describe_template(spec, *out);
    if (status == LOP_OK) status = describe_config(spec, *out);
    if (status == LOP_OK) return LOP_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}
