/* tokenizer_folder.c - a model folder's tokenizer: tokenizer.json, or GPT-2's vocab.json and merges.txt, with what
 * tokenizer_config.json says beside them. */
#include "core/io/tokenizer_json.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <string.h>

#define GPT2_END "<|endoftext|>"

/* ---- tokenizer_config.json */

/* The text of a token: a string, or an object with "content". Absent: empty. */
static lop_status token_text(const json_t *config, const char *key, lop_text *out)
{
    *out = (lop_text){"", 0};
    const json_t *value = lop_json_find(config, key);
    return json_is_object(value) ? lop_json_text(value, "content", out) : lop_json_text(config, key, out);
}

static lop_status token_id(const lop_tokenizer *t, const json_t *config, const char *key, int32_t *out)
{
    lop_text text;
    LOP_TRY(token_text(config, key, &text));
    if (text.size > 0) *out = lop_tokenizer_find(t, text);
    return LOP_OK;
}

static lop_status read_ids(lop_tokenizer *t, const json_t *config)
{
    LOP_TRY(token_id(t, config, "bos_token", &t->bos));
    LOP_TRY(token_id(t, config, "eos_token", &t->eos));
    LOP_TRY(token_id(t, config, "unk_token", &t->unknown));
    return token_id(t, config, "pad_token", &t->pad);
}

/* Special tokens of GPT-2's kind are found in the text wherever they stand. */
static lop_status add_special(lop_tokenizer *t, lop_text text)
{
    const int32_t id = lop_vocabulary_find(&t->bpe.vocabulary, text);
    if (id < 0 || lop_added_by_text(&t->added, text) != NULL) return LOP_OK;
    return lop_tokenizer_add_token(t, text, (lop_added_token){.id = id, .special = true});
}

static lop_status add_named_tokens(lop_tokenizer *t, const json_t *config)
{
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        lop_text text;
        LOP_TRY(token_text(config, keys[i], &text));
        LOP_TRY(add_special(t, text));
    }
    return LOP_OK;
}

/* The rule that a config states: add_bos_token and add_eos_token (GPT2Tokenizer's; absent is false). */
static lop_status read_rule(lop_tokenizer *t, const json_t *config)
{
    bool add_bos = false, add_eos = false;
    LOP_TRY(lop_json_flag(config, "add_bos_token", &add_bos));
    LOP_TRY(lop_json_flag(config, "add_eos_token", &add_eos));
    if ((add_bos && t->bos < 0) || (add_eos && t->eos < 0))
        return LOP_FAIL(LOP_E_FORMAT, "\"%s\" is true, but there is no such token in the vocabulary",
                        add_bos && t->bos < 0 ? "add_bos_token" : "add_eos_token");
    if (add_bos) LOP_TRY(lop_ids_add(&t->before, &t->bos, 1));
    return add_eos ? lop_ids_add(&t->after, &t->eos, 1) : LOP_OK;
}

/* NULL when there is no such file. */
static lop_status open_config(const char *folder, json_t **out)
{
    *out = NULL;
    char *path = NULL;
    LOP_TRY(lop_path_join(folder, "tokenizer_config.json", &path));
    const lop_status status =
        lop_path_is_file(path) ? lop_json_read(path, LOP_TOKENIZER_FILE_MAX, out) : LOP_OK;
    lop_free(path);
    return status;
}

/* ---- vocab.json and merges.txt */

static lop_status read_vocabulary(const char *path, lop_vocabulary *out)
{
    json_t *document = NULL;
    LOP_TRY(lop_json_read(path, LOP_TOKENIZER_FILE_MAX, &document));
    lop_status status =
        json_is_object(document)
            ? lop_tokenizer_read_vocabulary(document, out)
            : LOP_FAIL(LOP_E_FORMAT, "the vocabulary is %s, expected an object of tokens and ids",
                       lop_json_kind(document));
    if (status != LOP_OK) lop_note("in %s", path);
    lop_json_close(document);
    return status;
}

/* One merge a line; a first line "#version ..." and empty lines do not count. */
static lop_status read_lines(lop_text text, lop_bpe *out)
{
    int32_t rank = 0;
    for (size_t at = 0; at < text.size;) {
        const char *end = memchr(text.at + at, '\n', text.size - at);
        lop_text line = {text.at + at, end ? (size_t)(end - text.at) - at : text.size - at};
        at += line.size + 1;
        if (line.size > 0 && line.at[line.size - 1] == '\r') line.size--;
        const bool header = line.size >= 8 && memcmp(line.at, "#version", 8) == 0;
        if (line.size == 0 || header) continue;
        LOP_TRY(lop_bpe_merge_add_line(out, line, rank++));
    }
    return LOP_OK;
}

static lop_status read_merges(const char *path, lop_bpe *out)
{
    char *text = NULL;
    size_t size = 0;
    LOP_TRY(lop_file_read(path, LOP_TOKENIZER_FILE_MAX, &text, &size));
    const lop_status status = read_lines((lop_text){text, size}, out);
    if (status != LOP_OK) lop_note("in %s", path);
    lop_free(text);
    return status;
}

/* GPT-2's, with or without a config. */
static lop_status fill_gpt2(lop_tokenizer *t, const json_t *config)
{
    bool prefix_space = false;
    LOP_TRY(lop_json_flag(config, "add_prefix_space", &prefix_space));
    LOP_TRY(lop_pretokenizer_add_byte_level(&t->pretokenizer, prefix_space, true));
    if (config == NULL) {
        LOP_TRY(add_special(t, lop_text_of(GPT2_END)));
        t->bos = t->eos = lop_tokenizer_find(t, lop_text_of(GPT2_END));
    } else {
        LOP_TRY(add_named_tokens(t, config));
        LOP_TRY(read_ids(t, config));
        LOP_TRY(read_rule(t, config));
    }
    return lop_tokenizer_seal(t);
}

static lop_status open_merges(const char *vocab_path, const char *merges_path, const json_t *config,
                              lop_tokenizer **out)
{
    lop_tokenizer *t = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_tokenizer_new(&t));
    LOP_TRY_DONE(read_vocabulary(vocab_path, &t->bpe.vocabulary));
    lop_bpe_seal(&t->bpe);
    LOP_TRY_DONE(read_merges(merges_path, &t->bpe));
    LOP_TRY_DONE(fill_gpt2(t, config));
    *out = t;
    t = NULL;
done:
    lop_tokenizer_close(t);
    return status;
}

lop_status lop_tokenizer_open_merges(const char *vocab_path, const char *merges_path, lop_tokenizer **out)
{
    *out = NULL;
    return open_merges(vocab_path, merges_path, NULL, out);
}

/* ---- folders */

static lop_status open_with_json(const char *path, const json_t *config, lop_tokenizer **out)
{
    LOP_TRY(lop_tokenizer_open_json(path, out));
    const lop_status status = config ? read_ids(*out, config) : LOP_OK;
    if (status == LOP_OK) return LOP_OK;
    lop_tokenizer_close(*out);
    *out = NULL;
    return status;
}

lop_status lop_tokenizer_open_folder(const char *folder, lop_tokenizer **out)
{
    *out = NULL;
    char *json = NULL, *vocab = NULL, *merges = NULL;
    json_t *config = NULL;
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_path_join(folder, "tokenizer.json", &json));
    LOP_TRY_DONE(lop_path_join(folder, "vocab.json", &vocab));
    LOP_TRY_DONE(lop_path_join(folder, "merges.txt", &merges));
    LOP_TRY_DONE(open_config(folder, &config));
    if (lop_path_is_file(json))
        status = open_with_json(json, config, out);
    else if (lop_path_is_file(vocab) && lop_path_is_file(merges))
        status = open_merges(vocab, merges, config, out);
    else
        status = LOP_FAIL(
            LOP_E_FILE, "%s has no tokenizer: expected tokenizer.json, or vocab.json and merges.txt", folder);
done:
    lop_json_close(config);
    lop_free(merges);
    lop_free(vocab);
    lop_free(json);
    return status;
}

/* ---- templates of chats */

/* A text, or a list of {"name": ..., "template": ...}. */
static lop_status read_chat(const json_t *config, lop_string *out)
{
    const json_t *value = lop_json_find(config, "chat_template");
    lop_text text = {"", 0};
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        lop_text name = {"", 0};
        const json_t *one = json_array_get(value, i);
        LOP_TRY(lop_json_text(one, "name", &name));
        if (lop_text_is(name, "default")) LOP_TRY(lop_json_text(one, "template", &text));
    }
    if (value != NULL && !json_is_array(value)) LOP_TRY(lop_json_text(config, "chat_template", &text));
    return lop_string_add(out, text.at, text.size);
}

lop_status lop_tokenizer_chat_template(const char *folder, lop_string *out)
{
    json_t *config = NULL;
    char *path = NULL, *text = NULL;
    size_t size = 0;
    lop_status status;
    LOP_TRY_DONE(open_config(folder, &config));
    if (config != NULL) LOP_TRY_DONE(read_chat(config, out));
    LOP_TRY_DONE(lop_path_join(folder, "chat_template.jinja", &path));
    if (out->size == 0 && lop_path_is_file(path)) {
        LOP_TRY_DONE(lop_file_read(path, LOP_TOKENIZER_FILE_MAX, &text, &size));
        LOP_TRY_DONE(lop_string_add(out, text, size));
    }
done:
    lop_free(text);
    lop_free(path);
    lop_json_close(config);
    return status;
}
