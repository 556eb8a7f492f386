/* tokenizer_match.c - which words of GGUF stand for the way a tokenizer cuts text: each that is known is read, and the one
 * that gives the same steps is it. */
#include "core/io/tokenizer_spec.h"

#include "core/io/tokenizer_json.h"

/* True if the spec's description, run, is this tokenizer's normalizer and pre-tokenizer. */
static lop_status reads_alike(const lop_tokenizer *t, const lop_tokenizer_spec *spec, bool *out)
{
    json_t *description = NULL;
    lop_tokenizer *read = NULL;
    bool ignore_merges = false;
    lop_status status;
    LOP_TRY_DONE(lop_spec_describe(spec, &description));
    LOP_TRY_DONE(lop_tokenizer_new(&read));
    LOP_TRY_DONE(lop_json_parts(description, read));
    LOP_TRY_DONE(lop_json_flag(json_object_get(description, "model"), "ignore_merges", &ignore_merges));
    *out = ignore_merges == t->bpe.ignore_merges && lop_normalizer_equal(&read->normalizer, &t->normalizer) &&
           lop_pretokenizer_equal(&read->pretokenizer, &t->pretokenizer);
done:
    lop_tokenizer_close(read);
    json_decref(description);
    return status;
}

static lop_status match_byte_level(const lop_tokenizer *t, lop_tokenizer_spec *spec)
{
    spec->model = lop_text_of("gpt2");
    for (int i = 0; lop_spec_pre_name(i).size > 0; i++) {
        bool alike = false;
        spec->pre = lop_spec_pre_name(i);
        LOP_TRY(reads_alike(t, spec, &alike));
        if (alike) return LOP_OK;
    }
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the tokenizer splits text in a way that no value of tokenizer.ggml.pre stands for; known "
        "are those of gpt-2, smollm, llama-bpe and qwen2");
}

/* A Metaspace that does not split: blanks become U+2581, and one goes before the text, unless it begins with one. */
static bool is_metaspace(const lop_tokenizer *t)
{
    const lop_pretokenizer *p = &t->pretokenizer;
    static const lop_stage_kind kinds[] = {LOP_STAGE_REPLACE, LOP_STAGE_PREFIX};
    bool is = t->normalizer.count == 0 && p->count == 2;
    for (int i = 0; is && i < 2; i++)
        is = p->stages[i].kind == kinds[i] &&
             lop_text_is((lop_text){p->stages[i].text.at, p->stages[i].text.size}, LOP_METASPACE);
    return is;
}

static lop_status match_sentencepiece(const lop_tokenizer *t, lop_made_spec *out)
{
    lop_tokenizer_spec *spec = &out->spec;
    bool alike = false;
    spec->model = lop_text_of("llama");
    spec->pre = lop_text_of("default");
    LOP_TRY(reads_alike(t, spec, &alike));
    if (alike) return LOP_OK;
    spec->add_space_prefix = true;
    LOP_TRY(reads_alike(t, spec, &alike));
    out->prefix_differs = !alike;
    if (alike || is_metaspace(t)) return LOP_OK;
    return LOP_FAIL(
        LOP_E_UNSUPPORTED,
        "the tokenizer is SentencePiece-like and does more to a text than GGUF can say: blanks that "
        "become U+2581, and one before the text");
}

lop_status lop_spec_match(const lop_tokenizer *t, lop_made_spec *out)
{
    if (t->byte_level) return match_byte_level(t, &out->spec);
    if (t->bpe.byte_fallback) return match_sentencepiece(t, out);
    return LOP_FAIL(LOP_E_UNSUPPORTED, "the tokenizer is neither byte-level nor has it tokens for bytes "
                                       "(byte_fallback): GGUF has no words for it");
}
