/* tokenizer_write.c - the files of a tokenizer that came from GGUF, as the Hugging Face packages read them. */
#include "core/io/tokenizer_state.h"

#include "core/base/file.h"
#include "core/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- pieces of JSON */

static lop_status add_text(lop_string *s, lop_text text)
{
    return lop_string_add_json(s, text.at, text.size);
}

static lop_status add_value(lop_string *s, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) return LOP_FAIL(LOP_E_MEMORY, "not enough host memory to write a tokenizer");
    const lop_status status = lop_string_add(s, text, strlen(text));
    free(text); /* jansson's own */
    return status;
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

/* ---- tokenizer.json */

static lop_status add_added_tokens(const lop_tokenizer *t, lop_string *s)
{
    LOP_TRY(lop_string_print(s, "\"added_tokens\":["));
    for (int32_t i = 0; i < t->added.count; i++) {
        const lop_added_token *token = &t->added.at[t->added.by_id[i]];
        LOP_TRY(lop_string_print(s, "%s\n{\"id\":%d,\"content\":", i ? "," : "", token->id));
        LOP_TRY(add_text(s, (lop_text){token->content, token->size}));
        LOP_TRY(lop_string_print(
            s, ",\"single_word\":%s,\"lstrip\":%s,\"rstrip\":%s,\"normalized\":%s,\"special\":%s}",
            truth(token->single_word), truth(token->lstrip), truth(token->rstrip), truth(token->normalized),
            truth(token->special)));
    }
    return lop_string_print(s, "]");
}

static lop_status add_vocabulary(const lop_vocabulary *v, lop_string *s)
{
    bool first = true;
    LOP_TRY(lop_string_print(s, "\"vocab\":{"));
    for (int32_t id = 0; id < v->size; id++) {
        lop_text text;
        if (!lop_vocabulary_text(v, id, &text)) continue;
        LOP_TRY(lop_string_print(s, first ? "\n" : ",\n"));
        LOP_TRY(add_text(s, text));
        LOP_TRY(lop_string_print(s, ":%d", id));
        first = false;
    }
    return lop_string_print(s, "}");
}

static lop_status add_sorted_merges(const lop_bpe *b, const lop_merge *merges, lop_string *s)
{
    for (uint32_t i = 0; i < b->merge_count; i++) {
        lop_text left = {"", 0}, right = {"", 0};
        (void)lop_vocabulary_text(&b->vocabulary, merges[i].left, &left);
        (void)lop_vocabulary_text(&b->vocabulary, merges[i].right, &right);
        LOP_TRY(lop_string_print(s, i ? ",\n[" : "\n["));
        LOP_TRY(add_text(s, left));
        LOP_TRY(lop_string_print(s, ","));
        LOP_TRY(add_text(s, right));
        LOP_TRY(lop_string_print(s, "]"));
    }
    return LOP_OK;
}

static lop_status add_merges(const lop_bpe *b, lop_string *s)
{
    lop_merge *merges = NULL;
    LOP_TRY(lop_bpe_list(b, &merges));
    lop_status status = lop_string_print(s, "\"merges\":[");
    if (status == LOP_OK) status = add_sorted_merges(b, merges, s);
    if (status == LOP_OK) status = lop_string_print(s, "]");
    lop_free(merges);
    return status;
}

/* The description's model with vocabulary and merges put into its closing brace. */
static lop_status add_model(const lop_tokenizer *t, lop_string *s)
{
    LOP_TRY(lop_string_print(s, "\"model\":"));
    LOP_TRY(add_value(s, json_object_get(t->description, "model")));
    s->size--;
    LOP_TRY(lop_string_print(s, ","));
    LOP_TRY(add_vocabulary(&t->bpe.vocabulary, s));
    LOP_TRY(lop_string_print(s, ","));
    LOP_TRY(add_merges(&t->bpe, s));
    return lop_string_print(s, "}");
}

static lop_status describe(const lop_tokenizer *t, lop_string *s)
{
    static const char *const parts[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder"};
    LOP_TRY(lop_string_print(s, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"));
    LOP_TRY(add_added_tokens(t, s));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        LOP_TRY(lop_string_print(s, ",\n\"%s\":", parts[i]));
        LOP_TRY(add_value(s, json_object_get(t->description, parts[i])));
    }
    LOP_TRY(lop_string_print(s, ",\n"));
    LOP_TRY(add_model(t, s));
    return lop_string_print(s, "}\n");
}

/* ---- the three files */

static lop_status write_file(const char *folder, const char *name, const lop_string *content)
{
    char *path = NULL;
    LOP_TRY(lop_path_join(folder, name, &path));
    const lop_status status = lop_file_write_atomic(path, content->at, content->size);
    lop_free(path);
    return status;
}

static lop_status write_value(const char *folder, const char *name, const json_t *value)
{
    lop_string s = {0};
    lop_status status = add_value(&s, value);
    if (status == LOP_OK) status = write_file(folder, name, &s);
    lop_string_close(&s);
    return status;
}

static lop_status write_specials(const lop_tokenizer *t, const char *folder)
{
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    json_t *map = json_object();
    lop_status status = LOP_OK;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && map != NULL; i++) {
        json_t *token = json_object_get(json_object_get(t->description, "config"), keys[i]);
        if (token != NULL && json_object_set(map, keys[i], token) != 0)
            status = LOP_FAIL(LOP_E_MEMORY, "not enough host memory to write a tokenizer");
    }
    if (status == LOP_OK) status = write_value(folder, "special_tokens_map.json", map);
    json_decref(map);
    return status;
}

lop_status lop_tokenizer_write(const lop_tokenizer *t, const char *folder)
{
    if (t->description == NULL)
        return LOP_FAIL(LOP_E_UNSUPPORTED,
                        "a tokenizer that came from files is not written anew; copy its files");
    lop_string s = {0};
    lop_status status = describe(t, &s);
    if (status == LOP_OK) status = write_file(folder, "tokenizer.json", &s);
    lop_string_close(&s);
    LOP_TRY(status);
    LOP_TRY(write_value(folder, "tokenizer_config.json", json_object_get(t->description, "config")));
    return write_specials(t, folder);
}
