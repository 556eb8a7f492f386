/* besa_options.c - what the user chose, read, and what that means for a target. */
#include "core/prune/besa_parts.h"

#include "core/base/text.h"

#include <math.h>
#include <string.h>

/* The mean rate that softmax of sigmoid can reach has its bounds near 0.376 and 0.624 for 101 candidates, and its logits
 * saturate well before: outside of these it is tilted, and beyond the last one, where a tilted row's bounds are within a few
 * hundredths of the target, the plain softmax is taken. */
static const double sigmoid_least = 0.42, sigmoid_most = 0.58, tilted_most = 0.75;

static bool is(const lop_settings *s, const char *name, const char *value)
{
    return strcmp(lop_settings_text(s, name), value) == 0;
}

/* row, layer, rows:N */
static lop_status granularity_read(const lop_settings *s, int32_t *each)
{
    const char *text = lop_settings_text(s, "granularity");
    int64_t rows = 0;
    *each = 1;
    if (strcmp(text, "row") == 0) return LOP_OK;
    *each = 0;
    if (strcmp(text, "layer") == 0) return LOP_OK;
    const bool number = strncmp(text, "rows:", 5) == 0 && lop_parse_int(text + 5, &rows) == LOP_OK;
    lop_error_clear();
    if (!number || rows < 1 || rows > INT32_MAX)
        return LOP_FAIL(LOP_E_ARGUMENT, "granularity is \"%s\": expected row, layer, or rows:N with N >= 1",
                        text);
    *each = (int32_t)rows;
    return LOP_OK;
}

/* The mean of q / B under weights e^(slope (q / B)). */
static double mean_rate(int32_t buckets, double slope)
{
    double all = 0.0, mean = 0.0;
    for (int32_t q = 0; q <= buckets; q++) {
        const double rate = (double)q / buckets, weight = exp(slope * (rate - (slope > 0.0 ? 1.0 : 0.0)));
        all += weight;
        mean += weight * rate;
    }
    return mean / all;
}

/* The slope at which the mean rate is the target; beyond `most` in size it is that. */
static double slope_of(const lop_besa_options *o, double most)
{
    double low = -most, high = most;
    if (o->target == 0.5) return 0.0;
    for (int i = 0; i < 200; i++) {
        const double middle = (low + high) / 2.0;
        if (mean_rate(o->buckets, middle) < o->target)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2.0;
}

/* What the softmax sees rises linearly with the rate. Under the sigmoid that is a line through 1/2 within (0, 1): only
 * slopes below 1 in size are. */
static const double sigmoid_slope = 0.999, free_slope = 1e4;

void lop_besa_first_logits(const lop_besa_options *o, float *logit)
{
    const bool sigmoid = o->form == LOP_BESA_SIGMOID;
    const double slope = slope_of(o, sigmoid ? sigmoid_slope : free_slope);
    /* A sigmoid's digits are added to the tilted line: it is 0 where candidates weigh most. */
    const double zero = o->form == LOP_BESA_TILTED && slope > 0.0 ? 1.0 : 0.0;
    for (int32_t q = 0; q <= o->buckets; q++) {
        const double rate = (double)q / o->buckets, seen = 0.5 + slope * (rate - 0.5);
        logit[q] = (float)(sigmoid ? log(seen / (1.0 - seen)) : slope * (rate - zero));
    }
}

static lop_besa_form form_of(double target)
{
    if (target > tilted_most) return LOP_BESA_SOFTMAX;
    return target >= sigmoid_least && target <= sigmoid_most ? LOP_BESA_SIGMOID : LOP_BESA_TILTED;
}

static lop_status form_read(const lop_settings *s, lop_besa_options *o)
{
    const double most = mean_rate(o->buckets, sigmoid_slope);
    o->form = is(s, "simplex", "softmax")   ? LOP_BESA_SOFTMAX
              : is(s, "simplex", "sigmoid") ? LOP_BESA_SIGMOID
              : is(s, "simplex", "tilted")  ? LOP_BESA_TILTED
                                            : form_of(o->target);
    if (o->form != LOP_BESA_SIGMOID || (o->target <= most && o->target >= 1.0 - most)) return LOP_OK;
    return LOP_FAIL(
        LOP_E_ARGUMENT,
        "sparsity %g is out of the reach of --simplex sigmoid, which begins between %.3f and %.3f: "
        "give --simplex tilted",
        o->target, 1.0 - most, most);
}

static lop_status clip_read(const lop_settings *s, lop_besa_options *o)
{
    const bool quantized = lop_settings_int(s, "quantize-bits") != 0;
    const char *clip = lop_settings_text(s, "quantize-clip");
    o->clip = quantized && (clip == NULL || strcmp(clip, "learned") == 0);
    o->clip_rate = (float)lop_settings_real(s, "quantize-rate");
    if (!o->clip && lop_settings_given(s, "quantize-rate"))
        return LOP_FAIL(LOP_E_ARGUMENT, "quantize-rate without learned grids: %s, or leave it out",
                        quantized ? "give --quantize-clip learned" : "give --quantize-bits too");
    if (quantized || clip == NULL || strcmp(clip, "none") == 0) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "quantize-clip learned without quantize-bits: give --quantize-bits too");
}

static lop_status pull_read(const lop_settings *s, lop_besa_options *o)
{
    const bool priced = is(s, "sparsity-pull", "price");
    o->width = priced ? (float)lop_settings_real(s, "price-width") : 0.0f;
    if (!lop_settings_given(s, priced ? "sparsity-beta" : "price-width")) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT,
                    priced ? "sparsity-beta weighs the penalty: give --sparsity-pull penalty too"
                           : "price-width is of the price: leave it or --sparsity-pull penalty out");
}

/* What only one choice among others reads. */
static lop_status unread_refuse(const lop_settings *s, const lop_besa_options *o)
{
    if (o->metric != LOP_BESA_BY_INVERSE && lop_settings_given(s, "damping"))
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "damping is of a Hessian: give --rank-by sparsegpt too, or leave it out");
    if (o->adam && lop_settings_given(s, "d-coef"))
        return LOP_FAIL(LOP_E_ARGUMENT, "d-coef is of Prodigy: leave it or --optimizer adamw out");
    return LOP_OK;
}

lop_status lop_besa_options_read(const lop_settings *s, const lop_target *target, lop_besa_options *o)
{
    *o = (lop_besa_options){
        .target = target->ratio,
        .buckets = (int32_t)lop_settings_int(s, "candidates"),
        .epochs = (int32_t)lop_settings_int(s, "epochs"),
        .windows = (int32_t)lop_settings_int(s, "step-windows"),
        .rule = is(s, "mask-rule", "count") ? LOP_BESA_BY_COUNT : LOP_BESA_BY_THRESHOLD,
        .norm = is(s, "loss", "channel")     ? LOP_BESA_PER_STEP
                : is(s, "loss", "frobenius") ? LOP_BESA_FROBENIUS
                                             : LOP_BESA_OVER_ALL,
        .penalty = (float)lop_settings_real(s, "sparsity-beta"),
        .loss = (float)lop_settings_real(s, "l2-alpha"),
        .metric = is(s, "rank-by", "wanda")       ? LOP_BESA_BY_WANDA
                  : is(s, "rank-by", "magnitude") ? LOP_BESA_BY_MAGNITUDE
                                                  : LOP_BESA_BY_INVERSE,
        .damping = lop_settings_real(s, "damping"),
        .adam = is(s, "optimizer", "adamw"),
        .cosine = is(s, "schedule", "cosine"),
        .halves = is(s, "unit", "halves"),
        .span = is(s, "unit", "two-blocks") ? 2 : 1,
        .dense_stream = is(s, "target", "dense-stream"),
    };
    LOP_TRY(granularity_read(s, &o->each));
    const bool layer = o->each == 0;
    o->rate = o->adam ? 0.01 : 1.0;
    o->d_coef = layer ? 0.05 : 5.0;
    if (lop_settings_given(s, "learning-rate")) o->rate = lop_settings_real(s, "learning-rate");
    if (lop_settings_given(s, "d-coef")) o->d_coef = lop_settings_real(s, "d-coef");
    if (target->group != 0)
        return LOP_FAIL(
            LOP_E_ARGUMENT,
            "method besa learns how much each row loses, which pattern %d:%d fixes: leave the pattern "
            "out, or take another method",
            target->keep, target->group);
    LOP_TRY(clip_read(s, o));
    LOP_TRY(pull_read(s, o));
    LOP_TRY(unread_refuse(s, o));
    if (o->target == 0.0 && !o->clip) o->epochs = 0; /* nothing goes: there is nothing to learn */
    return form_read(s, o);
}
