/* report_run.c - how the run was asked for: its options and its command, and what was left dense and why. */
#include "core/prune/report_parts.h"

#include <stdlib.h>
#include <string.h>

/* Anything that stands in JSON, as people read it. */
static void say_value(lop_markup *m, const json_t *value)
{
    if (json_is_string(value))
        lop_markup_say(m, json_string_value(value));
    else if (json_is_boolean(value))
        lop_markup_add(m, json_is_true(value) ? "on" : "off");
    else if (json_is_integer(value))
        lop_markup_add(m, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        lop_markup_add(m, "%.9g", json_real_value(value));
    else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text == NULL && m->status == LOP_OK)
            m->status = LOP_FAIL(LOP_E_MEMORY, "there is no memory for the page");
        lop_markup_say(m, text != NULL ? text : "");
        free(text);
    }
}

static void options(lop_markup *m, const json_t *all)
{
    const char *name;
    json_t *value;
    if (json_object_size(all) == 0) return;
    lop_markup_add(m, "<h3>Options</h3>\n<dl class=\"options\">\n");
    json_object_foreach((json_t *)(uintptr_t)all, name, value)
    {
        lop_markup_add(m, "<div>");
        lop_markup_element(m, "dt", name);
        lop_markup_add(m, json_is_null(value) ? "<dd class=\"unset\">" : "<dd>");
        if (json_is_null(value))
            lop_markup_add(m, "not set");
        else
            say_value(m, value);
        lop_markup_add(m, "</dd></div>\n");
    }
    lop_markup_add(m, "</dl>\n");
}

/* True if a shell would take the word for anything but itself. */
static bool needs_quotes(const char *word)
{
    for (const char *at = word; *at != '\0'; at++) {
        const bool letter =
            (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!letter && strchr("-_./:=,+@%", *at) == NULL && (unsigned char)*at < 0x80) return true;
    }
    return *word == '\0';
}

/* As a shell takes it again. */
static lop_status quote(const char *word, lop_string *out)
{
    LOP_TRY(lop_string_add(out, "'", 1));
    for (size_t size; *word != '\0'; word += size) {
        size = *word == '\'' ? 1 : strcspn(word, "'");
        LOP_TRY(*word == '\'' ? lop_string_add(out, "'\\''", 4) : lop_string_add(out, word, size));
    }
    return lop_string_add(out, "'", 1);
}

static void say_word(lop_markup *m, const char *word)
{
    lop_string quoted = {0};
    if (needs_quotes(word) && m->status == LOP_OK) m->status = quote(word, &quoted);
    lop_markup_say(m, quoted.at != NULL ? quoted.at : word);
    lop_string_close(&quoted);
}

static void command(lop_markup *m, const json_t *words)
{
    if (json_array_size(words) == 0) return;
    lop_markup_add(m, "<h3>Command</h3>\n<pre><code>");
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i);
        if (i > 0) lop_markup_add(m, " ");
        if (json_is_string(word))
            say_word(m, json_string_value(word));
        else
            say_value(m, word);
    }
    lop_markup_add(m, "</code></pre>\n");
}

static void left_dense(lop_markup *m, const json_t *skipped)
{
    if (json_array_size(skipped) == 0) return;
    lop_markup_add(m, "<h3>Left dense</h3>\n<div class=\"scroll\"><table class=\"left\" id=\"dense\">\n"
                      "<tr><th>linear</th><th>reason</th></tr>\n");
    for (size_t i = 0; i < json_array_size(skipped); i++) {
        const json_t *line = json_array_get(skipped, i);
        const char *reason = json_string_value(json_object_get(line, "reason"));
        lop_markup_add(m, "<tr>");
        lop_markup_element(m, "td", json_string_value(json_object_get(line, "name")));
        lop_markup_element(m, "td", reason != NULL ? reason : "no reason is given");
        lop_markup_add(m, "</tr>\n");
    }
    lop_markup_add(m, "</table></div>\n");
}

void lop_report_run(lop_markup *m, const lop_account *a)
{
    lop_markup_add(m, "<h2>How it was asked for</h2>\n");
    command(m, json_object_get(a->report, "command"));
    options(m, json_object_get(a->report, "options"));
    left_dense(m, json_object_get(a->report, "skipped"));
}
