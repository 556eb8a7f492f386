/* units.c - which units a model has, which of them may go, and how much of them. */
#include "core/prune/units.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#include <math.h>
#include <string.h>

const lop_option lop_units_options[LOP_UNITS_OPTIONS] = {
    {.name = "units",
     .kind = LOP_OPTION_TEXT,
     .default_text = "channels,heads",
     .help = "what goes as a whole: channels of feed-forwards, heads (a key and value head with its query "
             "heads), or both"},
    {.name = "export",
     .kind = LOP_OPTION_CHOICE,
     .default_text = "dense",
     .choices = "dense",
     .help = "the form of what is written; dense: every shape as it was, zeros where units are gone"},
    {.name = "scope",
     .kind = LOP_OPTION_CHOICE,
     .choices = "model|block",
     .help = "where units compete: in all blocks, or each block loses the same part; by default model for "
             "flap, block for magnitude-sp and wanda-sp",
     .source = "FLAP's lib/prune.py: --structure AL-* and UL-*"},
    {.name = "budget",
     .kind = LOP_OPTION_CHOICE,
     .choices = "one|kind",
     .help = "one for heads and channels together, or each kind loses its own part; by default one for "
             "flap, kind for magnitude-sp and wanda-sp",
     .source = "FLAP's lib/prune.py: --structure *-AM and *-UM"},
    {.name = "standardize",
     .kind = LOP_OPTION_FLAG,
     .default_text = "on",
     .help = "scores less their mean, over their deviation, within their kind and block",
     .source = "FLAP's lib/prune.py prune_flap: standarlization"},
    {.name = "min-channels",
     .kind = LOP_OPTION_INT,
     .default_text = "1",
     .low = 0,
     .high = 1 << 24,
     .unit = "channels",
     .help = "that every block keeps"},
    {.name = "min-heads",
     .kind = LOP_OPTION_INT,
     .default_text = "0",
     .low = 0,
     .high = 1 << 16,
     .unit = "heads",
     .help = "key and value heads that every block keeps"},
};

/* ---- what belongs to what */

lop_unit_kind lop_unit_kind_of(lop_linear_id id)
{
    return id <= LOP_LINEAR_O ? LOP_UNIT_HEADS : LOP_UNIT_CHANNELS;
}

lop_linear_id lop_unit_last(lop_unit_kind kind)
{
    return kind == LOP_UNIT_HEADS ? LOP_LINEAR_O : LOP_LINEAR_DOWN;
}

bool lop_unit_by_rows(lop_linear_id id)
{
    return id != lop_unit_last(lop_unit_kind_of(id));
}

const char *lop_unit_name(lop_unit_kind kind)
{
    return kind == LOP_UNIT_HEADS ? "heads" : "channels";
}

static lop_unit_shape shape_of(const lop_net *net, lop_unit_kind kind)
{
    const lop_config *c = net->config;
    const bool heads = kind == LOP_UNIT_HEADS;
    const int32_t sharing = heads ? c->heads / c->kv_heads : 1;
    lop_unit_shape shape = {
        .count = heads ? c->kv_heads : c->ffn, .cols = heads ? sharing * c->head_dim : 1, .sharing = sharing};
    for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
        const lop_linear_file *l = &net->blocks[0].linear[i];
        if (l->weight != NULL && lop_unit_kind_of((lop_linear_id)i) == kind)
            shape.weights += (int64_t)l->out * l->in / shape.count;
    }
    return shape;
}

/* ---- options */

static lop_status kinds_read(const char *text, bool kinds[LOP_UNIT_KINDS])
{
    for (const char *at = text; *at != '\0';) {
        const lop_text word = {at, strcspn(at, ",")};
        bool found = false;
        for (int k = 0; k < LOP_UNIT_KINDS; k++) {
            if (!lop_text_is(word, lop_unit_name((lop_unit_kind)k))) continue;
            kinds[k] = found = true;
        }
        if (!found)
            return LOP_FAIL(
                LOP_E_ARGUMENT, "units is %s: expected channels, heads, or both with a comma between them%s",
                text, lop_text_is(word, "layers") ? " (whole layers are not in this version)" : "");
        at += word.size + (at[word.size] == ',');
    }
    if (kinds[LOP_UNIT_HEADS] || kinds[LOP_UNIT_CHANNELS]) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "units names nothing: expected channels, heads, or both");
}

/* True if the setting is `word`; without a setting what is usual. */
static bool is_or_usual(const lop_settings *s, const char *name, const char *word, bool usual)
{
    const char *text = lop_settings_text(s, name);
    return text == NULL ? usual : strcmp(text, word) == 0;
}

lop_status lop_units_read(const lop_settings *settings, const lop_units_method *method, lop_units_rule *out)
{
    *out = (lop_units_rule){
        .by_block = is_or_usual(settings, "scope", "block", method->by_block),
        .by_kind = is_or_usual(settings, "budget", "kind", method->by_kind),
        .standardize = lop_settings_flag(settings, "standardize"),
        .least = {[LOP_UNIT_HEADS] = (int32_t)lop_settings_int(settings, "min-heads"),
                  [LOP_UNIT_CHANNELS] = (int32_t)lop_settings_int(settings, "min-channels")}};
    return kinds_read(lop_settings_text(settings, "units"), out->kinds);
}

/* ---- what may go */

static const char *skipped_of(const lop_units *u, int32_t block, lop_unit_kind kind)
{
    for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
        const lop_tensor *t = u->net->blocks[block].linear[i].weight;
        if (t != NULL && lop_unit_kind_of((lop_linear_id)i) == kind && u->choice->why[block][i] != NULL)
            return t->name;
    }
    return NULL;
}

/* Leaves out of the choice what is still in it of a half whose units stay. */
static lop_status half_leave(const lop_units *u, lop_choice *choice, int32_t block, lop_unit_kind kind,
                             const char *skipped)
{
    char reason[320];
    if (!u->rule.kinds[kind])
        lop_text_print(reason, sizeof reason, "--units leaves %s", lop_unit_name(kind));
    else
        lop_text_print(reason, sizeof reason, "its %s have weights in %.200s too, which stays dense",
                       lop_unit_name(kind), skipped);
    for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
        const lop_linear_id id = (lop_linear_id)i;
        if (lop_unit_kind_of(id) == kind && lop_choice_takes(choice, u->net, block, id))
            LOP_TRY(lop_choice_leave(choice, block, id, reason));
    }
    return LOP_OK;
}

static lop_status halves_find(lop_units *u, lop_choice *choice)
{
    bool any = false;
    for (int32_t b = 0; b < u->blocks; b++) {
        for (int i = 0; i < LOP_LINEAR_COUNT; i++) {
            const lop_linear_file *l = &u->net->blocks[b].linear[i];
            if (lop_choice_takes(choice, u->net, b, (lop_linear_id)i))
                u->chosen[b] += (int64_t)l->out * l->in;
        }
        for (int k = 0; k < LOP_UNIT_KINDS; k++) {
            const lop_unit_kind kind = (lop_unit_kind)k;
            const char *skipped = skipped_of(u, b, kind);
            u->there[b][k] = u->rule.kinds[k] && skipped == NULL;
            any = any || u->there[b][k];
            if (!u->there[b][k]) LOP_TRY(half_leave(u, choice, b, kind, skipped));
        }
    }
    if (any) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "layers, skip, only and units leave no unit of which all may go");
}

/* ---- how much */

int64_t lop_units_budget(const lop_units *u, int32_t first, int32_t end)
{
    int64_t all = 0;
    for (int32_t b = first; b < end; b++) all += u->chosen[b];
    /* 0.3 is a little less than 3/10: what is whole but for that counts as whole. */
    return (int64_t)floor(u->target.ratio * (double)all * (1.0 + 1e-12) + 1e-9);
}

int64_t lop_units_most(const lop_units *u, int32_t first, int32_t end)
{
    int64_t most = 0;
    for (int32_t b = first; b < end; b++)
        for (int k = 0; k < LOP_UNIT_KINDS; k++) {
            const int32_t free = u->shape[k].count - u->rule.least[k];
            if (u->there[b][k] && free > 0) most += free * u->shape[k].weights;
        }
    return most;
}

/* The largest ratio is told so that it is allowed as it stands. */
static lop_status range_check(const lop_units *u, int32_t first, int32_t end)
{
    int64_t all = 0;
    const int64_t most = lop_units_most(u, first, end);
    for (int32_t b = first; b < end; b++) all += u->chosen[b];
    if (lop_units_budget(u, first, end) <= most) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    "sparsity-ratio is %g and units can give %.6f at most (--units, --min-channels, "
                    "--min-heads): give that or less",
                    u->target.ratio, floor(1e6 * (double)most / (double)all) / 1e6);
}

static lop_status ratio_check(const lop_units *u)
{
    if (u->target.group != 0)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "units go as wholes, and a pattern %d:%d does not: give --sparsity-ratio alone",
                        u->target.keep, u->target.group);
    if (!u->rule.by_block) return range_check(u, 0, u->blocks);
    for (int32_t b = 0; b < u->blocks; b++) LOP_TRY(range_check(u, b, b + 1));
    return LOP_OK;
}

/* ---- open and close */

static lop_status tables_open(lop_units *u)
{
    const int64_t blocks = u->blocks, units = blocks * u->each;
    int64_t cols = 0;
    for (int k = 0; k < LOP_UNIT_KINDS; k++) cols += (int64_t)u->shape[k].count * u->shape[k].cols;
    LOP_TRY(LOP_NEW(&u->there, blocks));
    LOP_TRY(LOP_NEW(&u->chosen, blocks));
    LOP_TRY(LOP_NEW(&u->settled, blocks));
    LOP_TRY(LOP_NEW(&u->score, units));
    LOP_TRY(LOP_NEW(&u->keep, units));
    memset(u->keep, 1, (size_t)units);
    return u->method->makes_up ? LOP_NEW(&u->mean, blocks * cols) : LOP_OK;
}

lop_status lop_units_open(const lop_units_plan *plan, lop_units *out)
{
    lop_status status = LOP_OK;
    *out = (lop_units){.net = plan->net,
                       .choice = plan->choice,
                       .method = plan->method,
                       .rule = *plan->rule,
                       .target = *plan->target,
                       .blocks = plan->net->config->blocks};
    for (int k = 0; k < LOP_UNIT_KINDS; k++) {
        out->shape[k] = shape_of(plan->net, (lop_unit_kind)k);
        out->each += out->shape[k].count;
    }
    LOP_TRY_DONE(tables_open(out));
    LOP_TRY_DONE(halves_find(out, plan->choice));
    LOP_TRY_DONE(ratio_check(out));
done:
    if (status != LOP_OK) lop_units_close(out);
    return status;
}

void lop_units_close(lop_units *u)
{
    if (u == NULL) return;
    lop_free(u->mean);
    lop_free(u->keep);
    lop_free(u->score);
    lop_free(u->settled);
    lop_free(u->chosen);
    lop_free(u->there);
    *u = (lop_units){0};
}

int64_t lop_units_at(const lop_units *u, int32_t block, lop_unit_kind kind)
{
    return (int64_t)block * u->each + (kind == LOP_UNIT_HEADS ? 0 : u->shape[LOP_UNIT_HEADS].count);
}

bool lop_units_makes_up(const lop_units *u, int32_t block, lop_linear_id id)
{
    return u->method->makes_up && !lop_unit_by_rows(id) && lop_units_takes_bias(u, block, id);
}

bool lop_units_takes_bias(const lop_units *u, int32_t block, lop_linear_id id)
{
    return u->there[block][lop_unit_kind_of(id)] && u->net->blocks[block].linear[id].bias != NULL &&
           (lop_unit_by_rows(id) || u->method->makes_up);
}

lop_status lop_units_tell(const lop_units *u, int32_t block, json_t **out)
{
    *out = json_object();
    const unsigned char *keep = u->keep + (int64_t)block * u->each;
    for (int k = 0; k < LOP_UNIT_KINDS; k++) {
        int kept = 0;
        for (int32_t i = 0; i < u->shape[k].count; i++) kept += keep[i];
        keep += u->shape[k].count;
        json_t *line = json_pack("{s:i, s:i}", "kept", kept, "of", (int)u->shape[k].count);
        if (line != NULL && json_object_set_new(*out, lop_unit_name((lop_unit_kind)k), line) == 0) continue;
        json_decref(*out);
        *out = NULL;
        return LOP_FAIL(LOP_E_MEMORY, "there is no memory for the report");
    }
    return LOP_OK;
}
