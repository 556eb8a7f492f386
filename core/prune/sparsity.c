/* sparsity.c - targets from settings, and budgets in whole weights. Selection by these budgets is keep.c. */
#include "core/prune/sparsity.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What lop_keep_n_of_m takes. */
enum { GROUP_MOST = 64 };

/* "2:4" into two whole numbers. */
static bool pattern_split(const char *text, int64_t *keep, int64_t *group)
{
    char left[24];
    const char *colon = strchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof left) return false;
    memcpy(left, text, (size_t)(colon - text));
    left[colon - text] = 0;
    const bool ok = lop_parse_int(left, keep) == LOP_OK && lop_parse_int(colon + 1, group) == LOP_OK;
    if (!ok) lop_error_clear();
    return ok;
}

static lop_status pattern_check(const char *option, const char *text, int64_t keep, int64_t group)
{
    if (group < 1 || group > GROUP_MOST || keep < 1 || keep > group)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "%s %s is no pattern: expected n:m with 1 <= n <= m <= %d, keeping n of every m",
                        option, text, GROUP_MOST);
    return LOP_OK;
}

/* --prunen N --prunem M, as the reference scripts spell it: only where "N kept" and "N pruned" are the same. */
static lop_status pattern_of_prunen(const lop_settings *s, lop_target *out)
{
    const int64_t n = lop_settings_int(s, "prunen"), m = lop_settings_int(s, "prunem");
    if (n == 0 && m == 0) return LOP_OK;
    if (!((n == 2 && m == 4) || (n == 4 && m == 8)))
        return LOP_FAIL(
            LOP_E_ARGUMENT,
            "prunen %lld with prunem %lld reads both ways: give 2 and 4, or 4 and 8, or say what is kept "
            "as --keep n:m",
            (long long)n, (long long)m);
    out->keep = (int32_t)n;
    out->group = (int32_t)m;
    return LOP_OK;
}

static lop_status pattern_agree(const lop_target *have, int64_t keep, int64_t group)
{
    if (have->group == 0 || (have->keep == keep && have->group == group)) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "two patterns are given, %d:%d and %lld:%lld: leave one out", have->keep,
                    have->group, (long long)keep, (long long)group);
}

static lop_status pattern_read(const lop_settings *s, lop_target *out)
{
    LOP_TRY(pattern_of_prunen(s, out));
    static const char *const options[] = {"sparsity-type", "keep"};
    for (int i = 0; i < 2; i++) {
        const char *text = lop_settings_text(s, options[i]);
        int64_t keep = 0, group = 0;
        if (text == NULL || strcmp(text, "unstructured") == 0) continue;
        if (!pattern_split(text, &keep, &group)) keep = group = 0;
        LOP_TRY(pattern_check(options[i], text, keep, group));
        LOP_TRY(pattern_agree(out, keep, group));
        out->keep = (int32_t)keep;
        out->group = (int32_t)group;
    }
    if (out->group != 0 && lop_settings_given(s, "sparsity-type") &&
        strcmp(lop_settings_text(s, "sparsity-type"), "unstructured") == 0)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "sparsity-type is unstructured and a pattern %d:%d is given: leave one out",
                        out->keep, out->group);
    return LOP_OK;
}

static lop_status ratio_check(double ratio)
{
    if (ratio >= 0.0 && ratio < 1.0) return LOP_OK;
    if (ratio > 1.0 && ratio < 100.0)
        return LOP_FAIL(
            LOP_E_ARGUMENT,
            "sparsity-ratio %g is no fraction: expected the part removed, 0 <= R < 1; did you mean %g?",
            ratio, ratio / 100.0);
    return LOP_FAIL(LOP_E_ARGUMENT, "sparsity-ratio is %g: expected the part removed, 0 <= R < 1", ratio);
}

lop_status lop_target_read(const lop_settings *settings, lop_target *out)
{
    *out = (lop_target){.exact = lop_settings_flag(settings, "exact-budget")};
    const bool given = lop_settings_text(settings, "sparsity-ratio") != NULL;
    if (given) {
        out->ratio = lop_settings_real(settings, "sparsity-ratio");
        LOP_TRY(ratio_check(out->ratio));
    }
    LOP_TRY(pattern_read(settings, out));
    if (out->group == 0 && !given)
        return LOP_FAIL(LOP_E_ARGUMENT,
                        "how much is to go? give --sparsity-ratio R (the part removed, 0 <= R < 1) or a "
                        "pattern by --sparsity-type or --keep");
    if (out->group == 0) return LOP_OK;
    const double implied = 1.0 - (double)out->keep / (double)out->group;
    if (given && fabs(out->ratio - implied) > 1e-6)
        return LOP_FAIL(
            LOP_E_ARGUMENT,
            "sparsity-ratio is %g but keeping %d of %d removes %g: leave the ratio out or give %g",
            out->ratio, out->keep, out->group, implied, implied);
    out->ratio = implied;
    return LOP_OK;
}

lop_status lop_target_fits(const lop_target *target, const char *name, int32_t cols)
{
    if (target->group == 0 || cols % target->group == 0) return LOP_OK;
    return LOP_FAIL(
        LOP_E_ARGUMENT,
        "%s has %d columns, which is no multiple of %d: pattern %d:%d does not fit it (leave it dense with "
        "--skip, or choose another pattern)",
        name, cols, target->group, target->keep, target->group);
}

int64_t lop_budget_all(const lop_target *target, int32_t rows, int32_t cols)
{
    const int64_t all = (int64_t)rows * cols;
    if (target->group != 0) return all / target->group * (target->group - target->keep);
    if (!target->exact) return (int64_t)((double)all * target->ratio);
    return (int64_t)nearbyint((double)all * target->ratio);
}

int32_t lop_budget_row(const lop_target *target, int32_t cols)
{
    const double share = (double)cols * target->ratio;
    return (int32_t)(target->exact ? floor(share + 1e-9) : share);
}

typedef struct ranked_row {
    float score;
    int32_t row;
} ranked_row;

static int by_score_then_row(const void *a, const void *b)
{
    const ranked_row *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

lop_status lop_budget_spread(const lop_target *target, int32_t rows, int32_t cols, const float *next,
                             uint32_t *drop)
{
    const int32_t each = lop_budget_row(target, cols);
    const int64_t over = lop_budget_all(target, rows, cols) - (int64_t)rows * each;
    ranked_row *order = NULL;
    LOP_TRY(LOP_NEW(&order, rows));
    for (int32_t r = 0; r < rows; r++) {
        drop[r] = (uint32_t)each;
        order[r] = (ranked_row){next[r], r};
    }
    qsort(order, (size_t)rows, sizeof *order, by_score_then_row);
    for (int64_t i = 0; i < over && i < rows; i++) drop[order[i].row]++;
    lop_free(order);
    return LOP_OK;
}

/* Bits of a row that are 1; those past its columns are 0. */
static int64_t row_kept(const unsigned char *row, size_t bytes)
{
    int64_t kept = 0;
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t word;
        memcpy(&word, row + i, 8);
        kept += __builtin_popcountll(word);
    }
    for (; i < bytes; i++) kept += __builtin_popcount(row[i]);
    return kept;
}

int64_t lop_keep_count_dropped(const unsigned char *bits, int32_t rows, int32_t cols)
{
    const size_t bytes = (size_t)rows * (((size_t)cols + 7) / 8);
    return (int64_t)rows * cols - row_kept(bits, bytes);
}

int64_t lop_keep_count_rows(const unsigned char *bits, int32_t rows, int32_t cols, int64_t bins[LOP_ROW_BINS])
{
    int64_t all = 0;
    const size_t line = ((size_t)cols + 7) / 8;
    memset(bins, 0, LOP_ROW_BINS * sizeof *bins);
    for (int32_t r = 0; r < rows; r++) {
        const int64_t dropped = cols - row_kept(bits + (size_t)r * line, line);
        bins[dropped == cols ? LOP_ROW_BINS - 1 : dropped * LOP_ROW_BINS / cols]++;
        all += dropped;
    }
    return all;
}
