/* option.c - settings held against option tables. Every value is checked here, once; reading it later cannot fail. */
#include "core/base/option.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define NAME_MOST 48 /* longer names than this are compared exactly and never guessed at */

/* ---- names */

static bool same_name(lop_text name, lop_text given)
{
    if (name.size != given.size) return false;
    for (size_t i = 0; i < name.size; i++)
        if (name.at[i] != (given.at[i] == '_' ? '-' : given.at[i])) return false;
    return true;
}

/* Takes the next part of a text whose parts stand between '|'; false when there is none. */
static bool next_part(const char **rest, lop_text *part)
{
    if (*rest == NULL || **rest == '\0') return false;
    part->at = *rest;
    part->size = strcspn(*rest, "|");
    *rest += part->size + ((*rest)[part->size] == '|');
    return true;
}

static bool is_called(const lop_option *option, lop_text given)
{
    if (same_name(lop_text_of(option->name), given)) return true;
    lop_text part;
    for (const char *rest = option->alias; next_part(&rest, &part);)
        if (same_name(part, given)) return true;
    return false;
}

static const lop_option *option_at(const lop_option_set *set, int index)
{
    for (int t = 0; t < set->table_count; t++) {
        if (index < set->counts[t]) return &set->tables[t][index];
        index -= set->counts[t];
    }
    return NULL;
}

static const lop_option *option_find(const lop_option_set *set, const char *name)
{
    const lop_option *option;
    for (int i = 0; (option = option_at(set, i)) != NULL; i++)
        if (is_called(option, lop_text_of(name))) return option;
    return NULL;
}

/* Insertions, deletions and replacements that make one name of the other; `most` or more counts as far away. */
static size_t edit_distance(lop_text a, lop_text b, size_t most)
{
    size_t row[NAME_MOST + 1];
    if (a.size > NAME_MOST || b.size > NAME_MOST) return most;
    for (size_t j = 0; j <= b.size; j++) row[j] = j;
    for (size_t i = 0; i < a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.size; j++) {
            const bool equal = a.at[i] == b.at[j] || (a.at[i] == '_' && b.at[j] == '-');
            const size_t replaced = diagonal + !equal;
            const size_t longer = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = replaced < longer ? replaced : longer;
        }
    }
    return row[b.size];
}

/* The distance to the nearest of a name and its aliases. */
static size_t name_distance(const lop_option *option, lop_text given, size_t most)
{
    size_t best = edit_distance(given, lop_text_of(option->name), most);
    lop_text part;
    for (const char *rest = option->alias; next_part(&rest, &part);) {
        const size_t distance = edit_distance(given, part, most);
        if (distance < best) best = distance;
    }
    return best;
}

/* A guess may change a third of the letters, and two even in a short name. */
const lop_option *lop_option_nearest(const lop_option *table, int count, const char *name, int *distance)
{
    const lop_text given = lop_text_of(name);
    size_t best = given.size / 3 > 2 ? given.size / 3 + 1 : 3;
    if (best > given.size) best = given.size;
    const lop_option *nearest = NULL;
    for (int i = 0; i < count; i++) {
        const size_t letters = name_distance(&table[i], given, best);
        if (letters >= best) continue;
        best = letters;
        nearest = &table[i];
    }
    *distance = (int)best;
    return nearest;
}

static lop_status fail_unknown(const lop_option_set *set, const char *name)
{
    const lop_option *nearest = NULL;
    for (int t = 0, best = 0; t < set->table_count; t++) {
        int distance = 0;
        const lop_option *found = lop_option_nearest(set->tables[t], set->counts[t], name, &distance);
        if (found == NULL || (nearest != NULL && distance >= best)) continue;
        nearest = found;
        best = distance;
    }
    if (nearest)
        return LOP_FAIL(LOP_E_ARGUMENT, "unknown option \"%s\"; did you mean %s?", name, nearest->name);
    return LOP_FAIL(LOP_E_ARGUMENT, "unknown option \"%s\"", name);
}

/* ---- values */

static lop_status add_range(lop_string *s, const lop_option *option)
{
    LOP_TRY(lop_string_print(s, option->kind == LOP_OPTION_INT ? "a whole number" : "a number"));
    const bool low = isfinite(option->low), high = isfinite(option->high);
    if (option->low < option->high && low && high)
        LOP_TRY(lop_string_print(s, " from %.15g to %.15g", option->low, option->high));
    else if (option->low < option->high && low)
        LOP_TRY(lop_string_print(s, " of at least %.15g", option->low));
    else if (option->low < option->high && high)
        LOP_TRY(lop_string_print(s, " of at most %.15g", option->high));
    if (option->unit) LOP_TRY(lop_string_print(s, " (%s)", option->unit));
    return LOP_OK;
}

static lop_status add_choices(lop_string *s, const lop_option *option)
{
    lop_text part;
    for (const char *rest = option->choices; next_part(&rest, &part);) {
        const bool first = s->size == 0, last = *rest == '\0';
        if (!first) LOP_TRY(lop_string_print(s, last ? " or " : ", "));
        LOP_TRY(lop_string_add(s, part.at, part.size));
    }
    return LOP_OK;
}

static lop_status add_expected(lop_string *s, const lop_option *option)
{
    switch (option->kind) {
    case LOP_OPTION_FLAG:
        return lop_string_print(s, "on or off");
    case LOP_OPTION_INT:
    case LOP_OPTION_REAL:
        return add_range(s, option);
    case LOP_OPTION_BYTES:
        return lop_string_print(s, "a size like 20G, 512M or 1048576");
    case LOP_OPTION_CHOICE:
        return add_choices(s, option);
    case LOP_OPTION_TEXT:
        return lop_string_print(s, "a text");
    case LOP_OPTION_PATH:
        return lop_string_print(s, "the path of a file or folder");
    }
    return LOP_FAIL(LOP_E_INTERNAL, "option %s has no kind", option->name);
}

static bool in_range(const lop_option *option, double value)
{
    return option->low == option->high || (value >= option->low && value <= option->high);
}

/* Who writes 50 where a fraction is wanted means 50 percent. */
static lop_status add_percent_guess(lop_string *s, const lop_option *option, const char *value)
{
    double number = 0;
    if (option->kind != LOP_OPTION_REAL || lop_parse_real(value, &number) != LOP_OK) return LOP_OK;
    const bool fraction = option->low >= 0 && option->high <= 1 && option->low < option->high;
    if (!fraction || number <= 1 || !in_range(option, number / 100)) return LOP_OK;
    return lop_string_print(s, "; did you mean %.15g?", number / 100);
}

static lop_status fail_value(const lop_option *option, const char *value)
{
    lop_string expected = {0};
    lop_status status = add_expected(&expected, option);
    if (status == LOP_OK) status = add_percent_guess(&expected, option, value);
    if (status == LOP_OK)
        status = LOP_FAIL(LOP_E_ARGUMENT, "%s is %s; expected %s", option->name, *value ? value : "empty",
                          expected.at ? expected.at : "nothing");
    lop_string_close(&expected);
    return status;
}

static bool is_choice(const lop_option *option, const char *value)
{
    lop_text part;
    for (const char *rest = option->choices; next_part(&rest, &part);)
        if (lop_text_is(part, value)) return true;
    return false;
}

static bool value_fits(const lop_option *option, const char *value)
{
    int64_t whole = 0;
    uint64_t bytes = 0;
    double real = 0;
    switch (option->kind) {
    case LOP_OPTION_FLAG:
        return strcmp(value, "on") == 0 || strcmp(value, "off") == 0;
    case LOP_OPTION_INT:
        return lop_parse_int(value, &whole) == LOP_OK && in_range(option, (double)whole);
    case LOP_OPTION_REAL:
        return lop_parse_real(value, &real) == LOP_OK && in_range(option, real);
    case LOP_OPTION_BYTES:
        return lop_parse_bytes(value, &bytes) == LOP_OK;
    case LOP_OPTION_CHOICE:
        return is_choice(option, value);
    case LOP_OPTION_TEXT:
        return true;
    case LOP_OPTION_PATH:
        return value[0] != '\0';
    }
    return false;
}

/* ---- settings */

/* The index of the setting of this option, or where it would be added. */
static int setting_index(const lop_settings *s, const lop_option *option)
{
    int i = 0;
    while (i < s->count && strcmp(s->at[i].name, option->name) != 0) i++;
    return i;
}

static lop_status settings_add(lop_settings *s, const lop_setting *given)
{
    if (given->name == NULL) return LOP_FAIL(LOP_E_ARGUMENT, "an option has no name");
    const lop_option *option = option_find(&s->set, given->name);
    if (option == NULL) return fail_unknown(&s->set, given->name);
    if (given->value == NULL) return LOP_FAIL(LOP_E_ARGUMENT, "%s has no value", option->name);
    if (!value_fits(option, given->value)) return fail_value(option, given->value);
    char *value = NULL;
    LOP_TRY(lop_strdup(given->value, &value));
    const int i = setting_index(s, option);
    if (i < s->count) lop_free((char *)s->at[i].value);
    s->at[i] = (lop_setting){option->name, value};
    if (i == s->count) s->count++;
    return LOP_OK;
}

lop_status lop_settings_open(const lop_option_set *set, const lop_setting *at, int count, lop_settings *out)
{
    *out = (lop_settings){.set = *set};
    if (count < 0 || (count > 0 && at == NULL))
        return LOP_FAIL(LOP_E_ARGUMENT, "%d settings are announced and none is there", count);
    lop_status status = LOP_NEW(&out->at, count);
    for (int i = 0; status == LOP_OK && i < count; i++) status = settings_add(out, &at[i]);
    if (status != LOP_OK) lop_settings_close(out);
    return status;
}

void lop_settings_close(lop_settings *s)
{
    if (s == NULL) return;
    for (int i = 0; i < s->count; i++) lop_free((char *)s->at[i].value);
    lop_free(s->at);
    s->at = NULL;
    s->count = 0;
}

bool lop_settings_given(const lop_settings *s, const char *name)
{
    const lop_option *option = option_find(&s->set, name);
    assert(option != NULL);
    return option != NULL && setting_index(s, option) < s->count;
}

const char *lop_settings_text(const lop_settings *s, const char *name)
{
    const lop_option *option = option_find(&s->set, name);
    assert(option != NULL);
    if (option == NULL) return NULL;
    const int i = setting_index(s, option);
    return i < s->count ? s->at[i].value : option->default_text;
}

bool lop_settings_flag(const lop_settings *s, const char *name)
{
    const char *text = lop_settings_text(s, name);
    return text != NULL && strcmp(text, "on") == 0;
}

int64_t lop_settings_int(const lop_settings *s, const char *name)
{
    const char *text = lop_settings_text(s, name);
    int64_t value = 0;
    return text != NULL && lop_parse_int(text, &value) == LOP_OK ? value : 0;
}

double lop_settings_real(const lop_settings *s, const char *name)
{
    const char *text = lop_settings_text(s, name);
    double value = 0;
    return text != NULL && lop_parse_real(text, &value) == LOP_OK ? value : 0;
}

uint64_t lop_settings_bytes(const lop_settings *s, const char *name)
{
    const char *text = lop_settings_text(s, name);
    uint64_t value = 0;
    return text != NULL && lop_parse_bytes(text, &value) == LOP_OK ? value : 0;
}
