/* choose.c - ranges of blocks and patterns of names, each answer with its reason. */
#include "core/prune/choose.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

/* Steps that matching one name may take: a pattern that backtracks without end is an error, not a hang. */
enum { MATCH_LIMIT = 1000000, REASON_BYTES = 320 };

typedef struct pattern {
    const char *text; /* after "re:"; NULL: not given */
    bool found;       /* anywhere so far */
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
} pattern;

static void pattern_close(pattern *p)
{
    pcre2_match_context_free(p->context);
    pcre2_match_data_free(p->data);
    pcre2_code_free(p->code);
    *p = (pattern){0};
}

static lop_status pattern_open(const lop_settings *s, const char *option, pattern *out)
{
    *out = (pattern){0};
    const char *text = lop_settings_text(s, option);
    if (text == NULL) return LOP_OK;
    if (strncmp(text, "re:", 3) != 0)
        return LOP_FAIL(LOP_E_ARGUMENT, "%s is %s: expected re:PATTERN, a regular expression", option, text);
    int code = 0;
    PCRE2_SIZE at = 0;
    out->text = text + 3;
    out->code = pcre2_compile((PCRE2_SPTR)out->text, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    if (out->code == NULL) {
        PCRE2_UCHAR words[160] = {0};
        (void)pcre2_get_error_message(code, words, sizeof words);
        return LOP_FAIL(LOP_E_ARGUMENT, "%s re:%s is no regular expression: %s at offset %zu", option,
                        out->text, (const char *)words, (size_t)at);
    }
    out->data = pcre2_match_data_create_from_pattern(out->code, NULL);
    out->context = pcre2_match_context_create(NULL);
    if (out->data != NULL && out->context != NULL) {
        (void)pcre2_set_match_limit(out->context, MATCH_LIMIT);
        return LOP_OK;
    }
    pattern_close(out);
    return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the pattern %s", text);
}

static lop_status pattern_finds(const pattern *p, const char *name, size_t size, bool *out)
{
    const int found = pcre2_match(p->code, (PCRE2_SPTR)name, size, 0, 0, p->data, p->context);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "re:%s cannot be matched against %s (PCRE2 error %d): write a simpler pattern",
                        p->text, name, found);
    *out = found >= 0;
    return LOP_OK;
}

/* Anchors are read against the module's name as well, so that "down_proj$" is what it says. */
static lop_status pattern_chooses(const pattern *p, const char *name, bool *out)
{
    static const char suffix[] = ".weight";
    const size_t size = strlen(name), cut = sizeof suffix - 1;
    LOP_TRY(pattern_finds(p, name, size, out));
    if (*out || size <= cut || strcmp(name + size - cut, suffix) != 0) return LOP_OK;
    return pattern_finds(p, name, size - cut, out);
}

/* "a:b" with either side left out, or first-half, of a single block that one. */
static lop_status range_read(const lop_settings *s, int32_t blocks, int64_t *first, int64_t *end)
{
    *first = 0;
    *end = blocks;
    const char *text = lop_settings_text(s, "layers");
    if (text == NULL) return LOP_OK;
    if (strcmp(text, "first-half") == 0) {
        *end = blocks > 1 ? blocks / 2 : 1;
        return LOP_OK;
    }
    char left[24] = "";
    const char *colon = strchr(text, ':');
    bool ok = colon != NULL && (size_t)(colon - text) < sizeof left;
    if (ok) memcpy(left, text, (size_t)(colon - text));
    if (ok && left[0] != 0) ok = lop_parse_int(left, first) == LOP_OK;
    if (ok && colon[1] != 0) ok = lop_parse_int(colon + 1, end) == LOP_OK;
    if (!ok || *first < 0 || *first >= *end || *end > blocks)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "layers is %s: expected a:b, blocks a up to but not including b, within 0:%d, or "
                        "first-half",
                        text, blocks);
    return LOP_OK;
}

typedef struct chooser {
    int64_t first, end;
    pattern skip, only;
} chooser;

/* Why the linear `name` of a block stays dense; "" if it does not. */
static lop_status reason_of(chooser *c, int32_t block, const char *name, char reason[REASON_BYTES])
{
    bool found = false;
    reason[0] = 0;
    if (block < c->first || block >= c->end) {
        (void)snprintf(reason, REASON_BYTES, "outside --layers %lld:%lld", (long long)c->first,
                       (long long)c->end);
        return LOP_OK;
    }
    if (c->skip.code != NULL) LOP_TRY(pattern_chooses(&c->skip, name, &found));
    if (found) {
        c->skip.found = true;
        (void)snprintf(reason, REASON_BYTES, "matches --skip re:%.256s", c->skip.text);
        return LOP_OK;
    }
    if (c->only.code == NULL) return LOP_OK;
    LOP_TRY(pattern_chooses(&c->only, name, &found));
    if (!found) (void)snprintf(reason, REASON_BYTES, "does not match --only re:%.256s", c->only.text);
    return LOP_OK;
}

static lop_status choose_all(const lop_net *net, chooser *c, lop_choice *out)
{
    int64_t taken = 0;
    for (int32_t b = 0; b < out->blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            char reason[REASON_BYTES];
            const lop_tensor *t = net->blocks[b].linear[i].weight;
            if (t == NULL) continue;
            LOP_TRY(reason_of(c, b, t->name, reason));
            if (reason[0] != 0) LOP_TRY(lop_strdup(reason, &out->why[b][i]));
            taken += reason[0] == 0;
        }
    if (taken == 0) return LOP_FAIL(LOP_E_ARGUMENT, "layers, skip and only leave no linear to prune");
    return LOP_OK;
}

lop_status lop_choice_open(const lop_net *net, const lop_settings *settings, lop_log *log, lop_choice *out)
{
    lop_status status = LOP_OK;
    chooser c = {0};
    *out = (lop_choice){.blocks = net->config->blocks};
    LOP_TRY_DONE(LOP_NEW(&out->why, out->blocks));
    LOP_TRY_DONE(range_read(settings, out->blocks, &c.first, &c.end));
    LOP_TRY_DONE(pattern_open(settings, "skip", &c.skip));
    LOP_TRY_DONE(pattern_open(settings, "only", &c.only));
    LOP_TRY_DONE(choose_all(net, &c, out));
    if (c.first > 0 || c.end < out->blocks)
        lop_log_say(log, LOP_EVENT_NOTE, "blocks %lld:%lld of %d are pruned, the others stay dense",
                    (long long)c.first, (long long)c.end, out->blocks);
    if (c.skip.code != NULL && !c.skip.found)
        lop_log_say(log, LOP_EVENT_WARNING, "--skip re:%s matches no linear", c.skip.text);
done:
    pattern_close(&c.only);
    pattern_close(&c.skip);
    if (status != LOP_OK) lop_choice_close(out);
    return status;
}

void lop_choice_close(lop_choice *c)
{
    if (c == NULL) return;
    for (int32_t b = 0; c->why != NULL && b < c->blocks; b++)
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) lop_free(c->why[b][i]);
    lop_free(c->why);
    *c = (lop_choice){0};
}

lop_status lop_choice_leave(lop_choice *c, int32_t block, lop_linear_id id, const char *reason)
{
    return lop_strdup(reason, &c->why[block][id]);
}

bool lop_choice_takes(const lop_choice *c, const lop_net *net, int32_t block, lop_linear_id id)
{
    return net->blocks[block].linear[id].weight != NULL && c->why[block][id] == NULL;
}
