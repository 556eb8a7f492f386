/* page_style.c - what the bench's own classes mean, behind the style of every page. */
#include "bench/page_parts.h"

#include <stddef.h>

const char *const page_style[] = {
    "ul.devices{list-style:none;padding:0;margin:14px 0}ul.devices li{margin:2px 0}"
    ".swatch{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:8px;"
    "background:currentColor;vertical-align:-1px}\n"
    "text.name{paint-order:stroke;stroke:var(--panel);stroke-width:3px;stroke-linejoin:round}"
    "text.group{font-weight:600;font-size:13px}\n"
    "line.roof{stroke:var(--ink);stroke-width:1.6}line.other{stroke:var(--soft);stroke-width:1.2;"
    "stroke-dasharray:5 4}line.lead{stroke:var(--soft);stroke-width:.8}"
    "line.floor{stroke:var(--ink);stroke-width:2.2}line.span{stroke:currentColor;stroke-width:1;opacity:.45}"
    "\n"
    "circle{fill:currentColor;stroke:var(--panel);stroke-width:1.2}circle.small{opacity:.5;stroke:none}"
    "rect{fill:currentColor}rect.light{opacity:.28}\n",
    NULL};
