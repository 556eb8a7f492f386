/* svg.c - elements of a picture. */
#include "core/page/svg.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

void lop_svg_open(lop_markup *m, double width, double height, const char *title, const char *what)
{
    lop_markup_add(m, "<svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\">", width,
                   height, width, height);
    lop_markup_element(m, "title", title);
    lop_markup_element(m, "desc", what);
    lop_markup_add(m, "\n");
}

void lop_svg_close(lop_markup *m)
{
    lop_markup_add(m, "</svg>\n");
}

void lop_svg_line(lop_markup *m, const char *class, double x1, double y1, double x2, double y2)
{
    lop_markup_add(m, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1,
                   x2, y2);
}

void lop_svg_rect(lop_markup *m, const char *class, double x, double y, double width, double height)
{
    lop_markup_add(m, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class, x,
                   y, width < 0.0 ? 0.0 : width, height);
}

void lop_svg_dot(lop_markup *m, const char *class, double x, double y, double radius, const char *hint)
{
    lop_markup_add(m, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", class, x, y, radius);
    if (hint != NULL) lop_markup_element(m, "title", hint);
    lop_markup_add(m, "</circle>\n");
}

void lop_svg_text(lop_markup *m, const char *class, lop_svg_anchor anchor, double x, double y,
                  const char *text)
{
    static const char *const names[] = {"start", "middle", "end"};
    lop_markup_add(m, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, names[anchor], x,
                   y);
    lop_markup_say(m, text);
    lop_markup_add(m, "</text>\n");
}

/* Of a wide typeface at 12 pixels: others take less. */
static double letter_width(unsigned char c)
{
    if ((c & 0xC0) == 0x80) return 0.0; /* a letter's further bytes */
    if (strchr("mwMW%@", c) != NULL) return 12.0;
    if (strchr("ijl.,:;'|! ", c) != NULL) return 4.2;
    return strchr("tfr-()/", c) != NULL ? 5.2 : 7.7;
}

double lop_svg_width(const char *text)
{
    double width = 0.0;
    for (; *text != '\0'; text++) width += letter_width((unsigned char)*text);
    return width;
}

/* The largest 1, 2 or 5 times a power of ten that is not above the value; with `above` the least that is not below. */
static double round_number(double value, bool above)
{
    static const double steps[] = {1.0, 2.0, 5.0, 10.0};
    const double ten = pow(10.0, floor(log10(value) + 1e-9)), rest = value / ten;
    int at = 0;
    while (at < 3 && (above ? steps[at] < rest * (1.0 - 1e-9) : steps[at + 1] <= rest * (1.0 + 1e-9))) at++;
    return ten * steps[at];
}

lop_svg_axis lop_svg_axis_over(double low, double high, double from, double to)
{
    const double first = round_number(low, false), last = round_number(high, true);
    return (lop_svg_axis){first, last > 2.0 * first ? last : 10.0 * first, from, to, false};
}

lop_svg_axis lop_svg_axis_even(double low, double high, double from, double to)
{
    return (lop_svg_axis){low, high, from, to, true};
}

double lop_svg_first(const lop_svg_axis *a)
{
    return pow(10.0, ceil(log10(a->low) - 1e-9));
}

double lop_svg_last(const lop_svg_axis *a)
{
    return a->high * (1.0 + 1e-9);
}

double lop_svg_at(const lop_svg_axis *a, double value)
{
    const double inside = value < a->low ? a->low : value > a->high ? a->high : value;
    const double part =
        a->even ? (inside - a->low) / (a->high - a->low) : log10(inside / a->low) / log10(a->high / a->low);
    return a->from + (a->to - a->from) * part;
}

double lop_svg_round_up(double value)
{
    return round_number(value, true);
}

void lop_svg_path_open(lop_markup *m, const char *class)
{
    lop_markup_add(m, "<polyline class=\"%s\" points=\"", class);
}

void lop_svg_path_to(lop_markup *m, double x, double y)
{
    lop_markup_add(m, "%.1f,%.1f ", x, y);
}

void lop_svg_path_close(lop_markup *m)
{
    lop_markup_add(m, "\"/>\n");
}
