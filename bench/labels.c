/* labels.c - each label tries places around its point, from near to far, and takes the first that is free. Points that
 * stand close together are tried from the top down, so that their labels keep the order of the points. */
#include "bench/labels.h"

#include "core/page/svg.h"

#include <math.h>
#include <stdlib.h>

#define GAP      8.0  /* from a point to the label beside it */
#define POINT    5.5  /* half of what a point takes */
#define STEP_X   22.0 /* between places tried */
#define STEP_Y   7.0
#define LINE_MIN 12.0 /* a label farther than this gets a line */

enum { TRIES_X = 12, TRIES_Y = 30 };

static int by_height(const void *a, const void *b)
{
    const label *x = a, *y = b;
    if (x->y != y->y) return x->y < y->y ? -1 : 1;
    return (x->x > y->x) - (x->x < y->x);
}

static label_box box_of(const label *l)
{
    return (label_box){l->left, l->top, l->left + l->width, l->top + LABEL_HEIGHT};
}

static bool meet(label_box a, label_box b)
{
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

static bool inside(label_box a, label_box room)
{
    return a.left >= room.left && a.right <= room.right && a.top >= room.top && a.bottom <= room.bottom;
}

void labels_end(const label *l, double *x, double *y)
{
    const label_box b = box_of(l);
    *x = l->x < b.left ? b.left - 2.0 : l->x > b.right ? b.right + 2.0 : l->x;
    *y = 0.5 * (b.top + b.bottom);
    if (l->x >= b.left && l->x <= b.right) *y = l->y < b.top ? b.top : b.bottom;
}

/* Whether the line of a placed label runs through a box: looked at in small steps. */
static bool line_meets(const label *l, label_box b)
{
    double x, y;
    enum { STEPS = 24 };
    if (!l->led) return false;
    labels_end(l, &x, &y);
    for (int i = 1; i < STEPS; i++) {
        const double t = (double)i / STEPS, px = l->x + t * (x - l->x), py = l->y + t * (y - l->y);
        if (px > b.left && px < b.right && py > b.top && py < b.bottom) return true;
    }
    return false;
}

/* Whether label `at` stands well where it is, seen by all points and by the labels before it; and, where `lines` count, by
 * their lines. */
static bool stands_well(const label *labels, int count, int at, label_box room, bool lines)
{
    const label *l = &labels[at];
    const label_box b = box_of(l);
    if (!inside(b, room)) return false;
    for (int i = 0; i < count; i++) {
        const label *o = &labels[i];
        const label_box point = {o->x - POINT, o->y - POINT, o->x + POINT, o->y + POINT};
        if (meet(b, point)) return false;
        if (i >= at || o->width == 0.0) continue;
        if (meet(b, box_of(o))) return false;
        if (lines && (line_meets(o, b) || line_meets(l, box_of(o)))) return false;
    }
    return true;
}

/* Try number `n` of TRIES_X * TRIES_Y * 4: to the right, to the left; below, above. */
static void put(label *l, double width, int n)
{
    const int side = n & 1, above = n >> 1 & 1, step = n >> 2;
    const double dx = GAP + STEP_X * (step % TRIES_X), dy = STEP_Y * (step / TRIES_X) * (above ? -1.0 : 1.0);
    l->width = width;
    l->left = side ? l->x - dx - width : l->x + dx;
    l->top = l->y + dy - 0.5 * LABEL_HEIGHT;
    l->led = hypot(dx - GAP, dy) > LINE_MIN;
}

/* The free place that is nearest to the point. */
static void place(label *labels, int count, int at, label_box room, bool lines)
{
    label *l = &labels[at], best = *l;
    const double width = lop_svg_width(l->text);
    double nearest = INFINITY;
    best.width = 0.0;
    for (int n = 0; n < TRIES_X * TRIES_Y * 4; n++) {
        put(l, width, n);
        const double dx = l->left > l->x ? l->left - l->x : l->x - l->left - width;
        const double far = hypot(dx, 1.5 * (l->top + 0.5 * LABEL_HEIGHT - l->y));
        if (far >= nearest || !stands_well(labels, count, at, room, lines)) continue;
        nearest = far;
        best = *l;
    }
    *l = best;
}

void labels_place(label *labels, int count, label_box room)
{
    qsort(labels, (size_t)count, sizeof *labels, by_height);
    for (int i = 0; i < count; i++) labels[i].width = 0.0;
    for (int i = 0; i < count; i++) {
        if (labels[i].text[0] == '\0') continue;
        place(labels, count, i, room, true);
        if (labels[i].width == 0.0) place(labels, count, i, room, false);
    }
}
