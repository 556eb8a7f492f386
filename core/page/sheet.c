/* sheet.c - the style of every page, and what stands around the content. The colours d0 to d7 are those of Okabe and Ito
 * (2008), which people of all kinds of colour sight tell apart; the night's are lighter. */
#include "core/page/sheet.h"

#include <string.h>

static const char shared_style[] =
    ":root{color-scheme:light dark;--paper:#fbfaf7;--ink:#1d2126;--soft:#646b75;--rule:#d9d6cd;--panel:#fff;"
    "--d0:#0072b2;--d1:#c04f00;--d2:#00815c;--d3:#a0447a;--d4:#8a6d00;--d5:#2f8fc4;--d6:#5b5bd0;--d7:#444b55}"
    "\n"
    "@media screen and "
    "(prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e8e6e0;--soft:#9aa3ae;--rule:#343a42;"
    "--panel:#1b1f25;--d0:#56b4e9;--d1:#f08a3c;--d2:#2fc499;--d3:#e08fbd;--d4:#e6c229;--d5:#8fd0f5;"
    "--d6:#a9a9ff;--d7:#c3c9d1}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"
    "main{max-width:1080px;margin:0 auto;padding:40px 24px 80px}h1{font-size:30px;line-height:1.2;margin:0 0 "
    "4px}"
    "h2{font-size:21px;margin:48px 0 4px}h3{font-size:16px;margin:28px 0 6px}p{max-width:72ch;margin:6px 0}"
    ".soft{color:var(--soft)}\n"
    "figure{margin:16px 0;padding:12px;background:var(--panel);border:1px solid "
    "var(--rule);border-radius:6px;"
    "overflow-x:auto}figcaption{font-size:14px;color:var(--soft);padding:0 4px}"
    "svg{display:block;max-width:100%;height:auto;min-width:760px;margin:0 auto}\n"
    ".scroll{overflow-x:auto;margin:10px 0 20px}table{border-collapse:collapse;font-size:13.5px;"
    "font-variant-numeric:tabular-nums}th,td{padding:3px 12px 3px 0;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid var(--rule)}th{font-weight:600;border-bottom:2px solid "
    "var(--ink);vertical-align:bottom}"
    "td:first-child,th:first-child,.left td,.left th{text-align:left}.left "
    "td{white-space:normal;vertical-align:top;"
    "overflow-wrap:anywhere}code{font:12.5px/1.45 ui-monospace,\"DejaVu Sans Mono\",monospace}\n"
    "text{font:12px system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif;fill:var(--ink)}"
    "text.tick,text.axis{fill:var(--soft);font-size:11.5px}"
    "line.grid{stroke:var(--rule)}line.frame{stroke:var(--soft)}\n"
    ".d0{color:var(--d0)}.d1{color:var(--d1)}.d2{color:var(--d2)}.d3{color:var(--d3)}.d4{color:var(--d4)}"
    ".d5{color:var(--d5)}.d6{color:var(--d6)}.d7{color:var(--d7)}\n"
    "@media print{body{background:#fff}figure{break-inside:avoid}}\n";

static void add_style(lop_markup *m, const char *style)
{
    if (m->status == LOP_OK) m->status = lop_string_add(&m->text, style, strlen(style));
}

void lop_sheet_open(lop_markup *m, const char *title, const char *const *style)
{
    lop_markup_add(m, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
                      "<meta name=\"viewport\" content=\"width=device-width\"/>");
    lop_markup_element(m, "title", title);
    lop_markup_add(m, "\n<style>\n");
    add_style(m, shared_style);
    for (; *style != NULL; style++) add_style(m, *style);
    lop_markup_add(m, "</style></head>\n<body><main>\n");
}

void lop_sheet_close(lop_markup *m)
{
    lop_markup_add(m, "</main></body></html>\n");
}
