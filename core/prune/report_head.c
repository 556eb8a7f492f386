/* report_head.c - the title, what came out in a few figures, and what was run. */
#include "core/prune/report_parts.h"

#include "core/prune/method.h"

#include <stdlib.h>

/* ---- what came out */

static void tile(lop_markup *m, const char *name, const char *value, const char *note)
{
    lop_markup_add(m, "<div>");
    lop_markup_element(m, "dt", name);
    lop_markup_element(m, "dd", value);
    if (note[0] != '\0') lop_markup_element(m, "dd", note);
    lop_markup_add(m, "</div>\n");
}

static void sparsity_tiles(lop_markup *m, const lop_account *a)
{
    char value[LOP_FIGURES_SIZE], note[96] = "", count[LOP_FIGURES_SIZE];
    lop_text_print(value, sizeof value, "%.2f %%", 100.0 * a->prunable);
    if (a->target >= 0.0) lop_text_print(note, sizeof note, "asked for: %.4g %%", 100.0 * a->target);
    if (a->target >= 0.0 && a->pattern != NULL)
        lop_text_print(note, sizeof note, "asked for: %.20s, %.4g %%", a->pattern, 100.0 * a->target);
    tile(m, "zeros in the linears", value, note);
    if (a->all_parameters < 0.0) return;
    lop_text_print(value, sizeof value, "%.2f %%", 100.0 * a->all_parameters);
    note[0] = '\0';
    lop_figures_count(a->parameters, count, sizeof count);
    if (a->parameters >= 0) lop_text_print(note, sizeof note, "of %s parameters", count);
    tile(m, "zeros in the model", value, note);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle block's loss in parts of what magnitude's ranks leave. */
static void loss_tile(lop_markup *m, const lop_account *a)
{
    double ratios[LOP_ACCOUNT_BLOCKS];
    char value[LOP_FIGURES_SIZE], note[96];
    size_t count = 0;
    for (int32_t b = 0; b < a->block_count; b++)
        if (a->blocks[b].loss_before > 0.0 && a->blocks[b].loss_after >= 0.0)
            ratios[count++] = a->blocks[b].loss_after / a->blocks[b].loss_before;
    if (count == 0) return;
    qsort(ratios, count, sizeof *ratios, by_value);
    const double middle = 0.5 * (ratios[count / 2] + ratios[(count - 1) / 2]);
    char figures[LOP_FIGURES_SIZE];
    lop_figures_far(middle, figures, sizeof figures);
    lop_text_print(value, sizeof value, "%s \xC3\x97", figures);
    lop_text_print(note, sizeof note, "magnitude\xE2\x80\x99s, in the median of %zu blocks", count);
    tile(m, "loss", value, note);
}

static void cost_tiles(lop_markup *m, const lop_account *a)
{
    char value[LOP_FIGURES_SIZE], note[160] = "", bytes[LOP_FIGURES_SIZE];
    if (a->seconds.total >= 0.0) {
        lop_figures_seconds(a->seconds.total, value, sizeof value);
        if (a->backend != NULL) lop_text_print(note, sizeof note, "on %.60s", a->backend);
        tile(m, "time", value, note);
    }
    const double most = a->device_bytes >= 0.0 ? a->device_bytes : a->host_bytes;
    if (most < 0.0) return;
    lop_figures_bytes(most, value, sizeof value);
    lop_figures_bytes(a->host_bytes, bytes, sizeof bytes);
    lop_text_print(note, sizeof note, a->device_bytes < 0.0 ? "of the host" : "of the device");
    if (a->device_bytes >= 0.0 && a->host_bytes >= 0.0)
        lop_text_print(note, sizeof note, "of the device; %s of the host", bytes);
    tile(m, "memory at the peak", value, note);
}

static void lead(lop_markup *m, const lop_account *a)
{
    char zeros[LOP_FIGURES_SIZE], weights[LOP_FIGURES_SIZE];
    lop_figures_count(a->zeros, zeros, sizeof zeros);
    lop_figures_count(a->prunable_weights, weights, sizeof weights);
    if (a->zeros < 0 || a->prunable_weights < 0) return;
    lop_markup_add(m, "<p class=\"lead\">%s of %s weights in the linears of %d blocks are zero now", zeros,
                   weights, (int)a->block_count);
    if (a->zeros_before > 0) {
        lop_figures_count(a->zeros_before, zeros, sizeof zeros);
        lop_markup_add(m, "; %s were before", zeros);
    }
    lop_markup_add(m, ".</p>\n");
}

static void seal(lop_markup *m, const lop_account *a)
{
    if (a->seal == LOP_SEAL_BROKEN)
        lop_markup_add(m,
                       "<p class=\"warn\"><strong>This report was changed after it was written.</strong> It "
                       "does not agree with its own digest; what follows is what it says now. "
                       "<code>lop verify</code> holds it against the files.</p>\n");
    if (a->seal == LOP_SEAL_NONE)
        lop_markup_add(m, "<p class=\"warn\"><strong>This report has no digest of itself.</strong> Nothing "
                          "shows that it is as it was written. <code>lop verify</code> holds it against the "
                          "files.</p>\n");
}

/* ---- what was run */

static void fact_open(lop_markup *m, const char *name)
{
    lop_markup_element(m, "dt", name);
    lop_markup_add(m, "<dd>");
}

static void digest(lop_markup *m, const char *sha256)
{
    if (sha256 == NULL) return;
    lop_markup_add(m, "<small>sha256 ");
    lop_markup_say(m, sha256);
    lop_markup_add(m, "</small>");
}

static void calibration(lop_markup *m, const lop_account *a)
{
    if (a->calib_file == NULL && a->tokens < 0) {
        lop_markup_add(m, "none: this run saw no data");
        return;
    }
    char tokens[LOP_FIGURES_SIZE];
    lop_figures_count(a->tokens, tokens, sizeof tokens);
    if (a->calib_file != NULL) lop_markup_say(m, a->calib_file);
    if (a->nsamples >= 0 && a->seqlen >= 0 && a->tokens >= 0)
        lop_markup_add(m, " \xC2\xB7 %lld windows of %lld tokens, %s in all", (long long)a->nsamples,
                       (long long)a->seqlen, tokens);
    digest(m, a->calib_sha256);
}

static void stages(lop_markup *m, const lop_account *a)
{
    const struct {
        const char *name;
        double seconds;
    } stage[] = {{"load", a->seconds.load},
                 {"calibrate", a->seconds.calibrate},
                 {"learn", a->seconds.learn},
                 {"write", a->seconds.write}};
    char text[LOP_FIGURES_SIZE];
    lop_figures_seconds(a->seconds.total, text, sizeof text);
    lop_markup_add(m, "%s", text);
    const char *before = ", of which ";
    for (size_t i = 0; i < sizeof stage / sizeof stage[0]; i++) {
        if (stage[i].seconds < 0.0) continue;
        lop_figures_seconds(stage[i].seconds, text, sizeof text);
        lop_markup_add(m, "%s%s %s", before, stage[i].name, text);
        before = ", ";
    }
}

static void facts(lop_markup *m, const lop_account *a)
{
    lop_markup_add(m, "<dl class=\"facts\">\n");
    if (a->model != NULL) {
        fact_open(m, "Model");
        lop_markup_say(m, a->model);
        digest(m, a->model_sha256);
        lop_markup_add(m, "</dd>\n");
    }
    fact_open(m, "Method");
    lop_markup_say(m, a->method);
    const lop_method *method = lop_method_find(a->method);
    if (method != NULL) lop_markup_add(m, ": ");
    lop_markup_say(m, method != NULL ? method->summary : "");
    lop_markup_add(m, "</dd>\n");
    fact_open(m, "Calibration");
    calibration(m, a);
    lop_markup_add(m, "</dd>\n");
    if (a->backend != NULL) {
        fact_open(m, "Ran on");
        lop_markup_say(m, a->backend);
        lop_markup_add(m, a->device != NULL ? ": " : "");
        lop_markup_say(m, a->device != NULL ? a->device : "");
        lop_markup_add(m, "</dd>\n");
    }
    if (a->seconds.total >= 0.0) {
        fact_open(m, "Seconds");
        stages(m, a);
        lop_markup_add(m, "</dd>\n");
    }
    fact_open(m, "Written by");
    lop_markup_add(m, "lop ");
    lop_markup_say(m, a->version != NULL ? a->version : "of a version that it does not say");
    if (a->seed >= 0) lop_markup_add(m, ", seed %lld", (long long)a->seed);
    lop_markup_add(m, "</dd>\n</dl>\n");
}

void lop_report_head(lop_markup *m, const lop_account *a)
{
    char model[256];
    lop_report_model(a, model, sizeof model);
    lop_markup_add(m, "<p class=\"over\">lop \xC2\xB7 pruning report</p>\n<h1>");
    lop_markup_say(m, model);
    lop_markup_add(m, ", pruned by ");
    lop_markup_say(m, a->method);
    lop_markup_add(m, "</h1>\n");
    lead(m, a);
    seal(m, a);
    lop_markup_add(m, "<dl class=\"tiles\">\n");
    sparsity_tiles(m, a);
    loss_tile(m, a);
    cost_tiles(m, a);
    lop_markup_add(m, "</dl>\n");
    facts(m, a);
}
