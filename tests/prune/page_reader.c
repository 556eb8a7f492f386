/* page_reader.c - as much of HTML as pages of ours have. */
#include "tests/prune/page_reader.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OPEN_MOST = 32, NAME_MOST = 16 };

static const struct {
    const char *entity, *text;
} entities[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}};

/* How long the entity at `at` is, and its text; fails for any other &. */
static size_t entity_at(const char *at, const char **text)
{
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++) {
        const size_t size = strlen(entities[i].entity);
        if (strncmp(at, entities[i].entity, size) != 0) continue;
        *text = entities[i].text;
        return size;
    }
    fail_msg("a bare & in the page: %.40s", at);
    return 0;
}

static void cell_read(const char *from, const char *end, page_cell *out)
{
    size_t size = 0;
    *out = (page_cell){.exact = NAN};
    while (from < end) {
        if (*from == '<') {
            if (strncmp(from, "<data value=\"", 13) == 0) out->exact = strtod(from + 13, NULL);
            from = strchr(from, '>') + 1;
            continue;
        }
        const char one[] = {*from, '\0'}, *text = one;
        from += *from == '&' ? entity_at(from, &text) : 1;
        if (size + 1 < sizeof out->text) out->text[size++] = *text;
    }
}

static void row_read(const char *from, const char *end, page_row *out)
{
    out->count = 0;
    for (;;) {
        const char *open = strstr(from, "<td");
        if (open == NULL || open >= end) return;
        const char *begins = strchr(open, '>') + 1, *closes = strstr(begins, "</td>");
        assert_non_null(closes);
        assert_true(out->count < PAGE_CELLS_MOST);
        cell_read(begins, closes, &out->at[out->count++]);
        from = closes;
    }
}

size_t page_table(const char *page, const char *id, page_row **rows)
{
    char mark[64];
    size_t count = 0;
    *rows = NULL;
    (void)snprintf(mark, sizeof mark, "id=\"%s\"", id);
    const char *at = strstr(page, mark);
    if (at == NULL) return 0;
    const char *end = strstr(at, "</table>");
    at = strstr(at, "<tbody>");
    assert_true(at != NULL && end != NULL && at < end);
    while ((at = strstr(at, "<tr>")) != NULL && at < end) {
        const char *closes = strstr(at, "</tr>");
        assert_non_null(closes);
        *rows = realloc(*rows, (count + 1) * sizeof **rows);
        assert_non_null(*rows);
        row_read(at, closes, &(*rows)[count++]);
        at = closes;
    }
    return count;
}

size_t page_count(const char *page, const char *words)
{
    size_t count = 0;
    for (const char *at = page; (at = strstr(at, words)) != NULL; at += strlen(words)) count++;
    return count;
}

/* ---- well formed */

typedef struct nest {
    char open[OPEN_MOST][NAME_MOST];
    int depth;
} nest;

/* A tag from behind its <; returns behind its >. */
static const char *tag_read(nest *n, const char *at)
{
    const bool closes = *at == '/';
    const char *end = strchr(at, '>');
    assert_non_null(end);
    at += closes;
    const size_t size = strcspn(at, " />");
    assert_true(size > 0 && size < NAME_MOST);
    if (closes) {
        if (n->depth == 0 || strncmp(n->open[n->depth - 1], at, size) != 0 ||
            n->open[n->depth - 1][size] != '\0')
            fail_msg("</%.*s> where <%s> is open", (int)size, at,
                     n->depth ? n->open[n->depth - 1] : "nothing");
        n->depth--;
    } else if (end[-1] != '/') {
        assert_true(n->depth < OPEN_MOST);
        memcpy(n->open[n->depth], at, size);
        n->open[n->depth++][size] = '\0';
    }
    assert_true(memchr(at, '<', (size_t)(end - at)) == NULL);
    for (const char *c = at; c < end; c++)
        assert_true(strncmp(c, " src=", 5) != 0 && strncmp(c, " href=", 6) != 0);
    return end + 1;
}

void page_check(const char *page)
{
    static const char *const never[] = {"<script", "@import", "url(", "<link", "<img", " onload", "<iframe"};
    static const char doctype[] = "<!DOCTYPE html>\n";
    nest n = {.depth = 0};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (strstr(page, never[i]) != NULL) fail_msg("%s in the page", never[i]);
    assert_true(strncmp(page, doctype, sizeof doctype - 1) == 0);
    const char *at = page + sizeof doctype - 1, *text;
    while (*at != '\0') {
        assert_true((unsigned char)*at >= ' ' || *at == '\n');
        if (*at == '<')
            at = tag_read(&n, at + 1);
        else
            at += *at == '&' ? entity_at(at, &text) : 1;
    }
    assert_int_equal(n.depth, 0);
}
