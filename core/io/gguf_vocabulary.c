/* gguf_vocabulary.c - a model's tokenizer as GGUF metadata: another GGUF file's as it stands, any other made into a spec. */
#include "core/base/memory.h"
#include "core/io/checkpoint_parts.h"
#include "core/io/gguf_header.h"
#include "core/io/gguf_parts.h"
#include "core/io/tokenizer_spec.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "tokenizer."

static lop_status copy_entries(const lop_gguf *g, gguf_metadata *m)
{
    for (int32_t i = 0; i < g->entry_count; i++) {
        const gguf_entry *e = &g->entries[i];
        if (e->key.size > sizeof PREFIX - 1 && memcmp(e->key.at, PREFIX, sizeof PREFIX - 1) == 0)
            LOP_TRY(lop_gguf_put_entry(m, e));
    }
    return LOP_OK;
}

static lop_status put_ids(const lop_tokenizer_spec *s, gguf_metadata *m)
{
    const struct {
        const char *key;
        int32_t id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", s->bos},
               {"tokenizer.ggml.eos_token_id", s->eos},
               {"tokenizer.ggml.unknown_token_id", s->unknown},
               {"tokenizer.ggml.padding_token_id", s->pad}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (ids[i].id >= 0) LOP_TRY(lop_gguf_put_u32(m, ids[i].key, (uint32_t)ids[i].id));
    LOP_TRY(lop_gguf_put_flag(m, "tokenizer.ggml.add_bos_token", s->add_bos));
    LOP_TRY(lop_gguf_put_flag(m, "tokenizer.ggml.add_eos_token", s->add_eos));
    return s->scores ? lop_gguf_put_flag(m, "tokenizer.ggml.add_space_prefix", s->add_space_prefix) : LOP_OK;
}

static lop_status put_spec(const lop_tokenizer_spec *s, gguf_metadata *m)
{
    LOP_TRY(lop_gguf_put_text(m, "tokenizer.ggml.model", s->model));
    LOP_TRY(lop_gguf_put_text(m, "tokenizer.ggml.pre", s->pre));
    LOP_TRY(lop_gguf_put_texts(m, "tokenizer.ggml.tokens", s->tokens, s->count));
    LOP_TRY(lop_gguf_put_words(m, "tokenizer.ggml.token_type", GGUF_I32, s->types, s->count));
    if (s->scores) LOP_TRY(lop_gguf_put_words(m, "tokenizer.ggml.scores", GGUF_F32, s->scores, s->count));
    if (s->merges) LOP_TRY(lop_gguf_put_texts(m, "tokenizer.ggml.merges", s->merges, s->merge_count));
    return put_ids(s, m);
}

static void warn(const lop_made_spec *made, lop_log *log)
{
    if (made->odd_tokens > 0)
        lop_log_say(
            log, LOP_EVENT_WARNING,
            "%d added tokens are looked for in a way that GGUF cannot say (lstrip, rstrip, single_word, "
            "normalized): a text that spells them out may get other ids from the file",
            made->odd_tokens);
    if (made->prefix_differs)
        lop_log_say(log, LOP_EVENT_WARNING,
                    "the tokenizer puts a blank before a text unless it begins with one; read from GGUF, it "
                    "always does, and behind special tokens too: such texts get other ids from the file");
}

static lop_status put_made(const lop_checkpoint *source, const lop_tokenizer *t, lop_log *log,
                           gguf_metadata *m)
{
    const lop_config *k = lop_checkpoint_config(source);
    lop_made_spec made = {0};
    lop_string chat = {0};
    lop_status status;
    LOP_TRY_DONE(lop_made_spec_open(t, k->vocab, k->bos, k->eos, &made));
    LOP_TRY_DONE(put_spec(&made.spec, m));
    if (!source->made) LOP_TRY_DONE(lop_tokenizer_chat_template(lop_checkpoint_path(source), &chat));
    if (chat.size > 0)
        LOP_TRY_DONE(lop_gguf_put_text(m, "tokenizer.chat_template", (lop_text){chat.at, chat.size}));
    warn(&made, log);
done:
    lop_string_close(&chat);
    lop_made_spec_close(&made);
    return status;
}

lop_status lop_gguf_put_tokenizer(const lop_checkpoint *source, lop_log *log, gguf_metadata *m)
{
    lop_tokenizer *t = NULL;
    if (source->gguf) return copy_entries(source->gguf, m);
    LOP_TRY(lop_checkpoint_tokenizer(source, &t));
    const lop_status status = put_made(source, t, log, m);
    lop_tokenizer_close(t);
    return status;
}
