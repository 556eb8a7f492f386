/* svg.c - elements of a picture. */
#include "bench/svg.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

void svg_open(markup *m, double width, double height, const char *title, const char *what)
{
    markup_add(m, "<svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\">", width,
               height, width, height);
    markup_element(m, "title", title);
    markup_element(m, "desc", what);
    markup_add(m, "\n");
}

void svg_close(markup *m)
{
    markup_add(m, "</svg>\n");
}

void svg_line(markup *m, const char *class, double x1, double y1, double x2, double y2)
{
    markup_add(m, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1, y1, x2,
               y2);
}

void svg_rect(markup *m, const char *class, double x, double y, double width, double height)
{
    markup_add(m, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class, x, y,
               width < 0.0 ? 0.0 : width, height);
}

void svg_dot(markup *m, const char *class, double x, double y, double radius, const char *hint)
{
    markup_add(m, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", class, x, y, radius);
    if (hint != NULL) markup_element(m, "title", hint);
    markup_add(m, "</circle>\n");
}

void svg_text(markup *m, const char *class, svg_anchor anchor, double x, double y, const char *text)
{
    static const char *const names[] = {"start", "middle", "end"};
    markup_add(m, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, names[anchor], x, y);
    markup_say(m, text);
    markup_add(m, "</text>\n");
}

/* Of a wide typeface at 12 pixels: others take less. */
static double letter_width(unsigned char c)
{
    if ((c & 0xC0) == 0x80) return 0.0; /* a letter's further bytes */
    if (strchr("mwMW%@", c) != NULL) return 12.0;
    if (strchr("ijl.,:;'|! ", c) != NULL) return 4.2;
    return strchr("tfr-()/", c) != NULL ? 5.2 : 7.7;
}

double svg_width(const char *text)
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

svg_axis svg_axis_over(double low, double high, double from, double to)
{
    const double first = round_number(low, false), last = round_number(high, true);
    return (svg_axis){first, last > 2.0 * first ? last : 10.0 * first, from, to};
}

double svg_first(const svg_axis *a)
{
    return pow(10.0, ceil(log10(a->low) - 1e-9));
}

double svg_last(const svg_axis *a)
{
    return a->high * (1.0 + 1e-9);
}

double svg_at(const svg_axis *a, double value)
{
    const double inside = value < a->low ? a->low : value > a->high ? a->high : value;
    return a->from + (a->to - a->from) * log10(inside / a->low) / log10(a->high / a->low);
}
