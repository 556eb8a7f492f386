/* figures.c - a few digits and a unit. */
#include "core/page/figures.h"

#include "core/base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void lop_figures(double value, char *out, size_t size)
{
    const int digits = value > 0.0 ? 2 - (int)floor(log10(value) + 1e-9) : 2;
    lop_text_print(out, size, "%.*f", digits < 0 ? 0 : digits > 8 ? 8 : digits, value);
}

void lop_figures_far(double value, char *out, size_t size)
{
    if (value == 0.0)
        lop_text_print(out, size, "0");
    else if (fabs(value) >= 1e-4 && fabs(value) < 1e6)
        lop_figures(value, out, size);
    else
        lop_text_print(out, size, "%.2e", value);
}

void lop_figures_count(int64_t value, char *out, size_t size)
{
    static const char blank[] = "\xE2\x80\xAF";
    char digits[24];
    size_t at = 0;
    lop_text_print(digits, sizeof digits, "%" PRId64, value);
    const size_t count = strlen(digits);
    for (size_t i = 0; i < count && at + sizeof blank < size; i++) {
        out[at++] = digits[i];
        const size_t left = count - 1 - i;
        if (left == 0 || left % 3 != 0 || digits[i] == '-') continue;
        memcpy(out + at, blank, sizeof blank - 1);
        at += sizeof blank - 1;
    }
    out[at] = '\0';
}

void lop_figures_bytes(double bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char figures[LOP_FIGURES_SIZE];
    int unit = 0;
    for (; unit < 4 && bytes >= 1024.0; unit++) bytes /= 1024.0;
    if (unit == 0)
        lop_text_print(figures, sizeof figures, "%.0f", bytes);
    else
        lop_figures(bytes, figures, sizeof figures);
    lop_text_print(out, size, "%s %s", figures, units[unit]);
}

void lop_figures_seconds(double seconds, char *out, size_t size)
{
    const double whole = floor(seconds + 0.5), minutes = floor(whole / 60.0 + 1e-9);
    char figures[LOP_FIGURES_SIZE];
    lop_figures(seconds < 0.1 ? 1e3 * seconds : seconds, figures, sizeof figures);
    if (whole < 120.0)
        lop_text_print(out, size, "%s %s", figures, seconds < 0.1 ? "ms" : "s");
    else if (minutes < 60.0)
        lop_text_print(out, size, "%.0f min %.0f s", minutes, whole - 60.0 * minutes);
    else
        lop_text_print(out, size, "%.0f h %.0f min", floor(minutes / 60.0), fmod(minutes, 60.0));
}
