/* option.h - settings read against an option table: names, kinds, ranges, defaults. */
#ifndef LOP_CORE_BASE_OPTION_H
#define LOP_CORE_BASE_OPTION_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Several tables read as one (those of a call, those of its method). */
typedef struct lop_option_set {
    const lop_option *tables[4];
    int counts[4];
    int table_count;
} lop_option_set;

/* A checked copy of what the user set: every name known (or an alias of a known one), every value of its kind and in
 * its range; `name` points into the table, values are owned. */
typedef struct lop_settings {
    lop_option_set set;
    lop_setting *at;
    int count;
} lop_settings;

/* Checks the settings against the tables. LOP_E_ARGUMENT names the setting, what it got and what it expects, and for an
 * unknown name the nearest known one. The last of two equal names wins. */
LOP_CHECKED lop_status lop_settings_open(const lop_option_set *set, const lop_setting *at, int count,
                                         lop_settings *out);
void lop_settings_close(lop_settings *s);

/* The value set, or the default; NULL when there is neither. `name` must be in a table (asserted). */
const char *lop_settings_text(const lop_settings *s, const char *name);
bool lop_settings_given(const lop_settings *s, const char *name); /* set by the user */
bool lop_settings_flag(const lop_settings *s, const char *name);
int64_t lop_settings_int(const lop_settings *s, const char *name);
double lop_settings_real(const lop_settings *s, const char *name);
uint64_t lop_settings_bytes(const lop_settings *s,
                            const char *name); /* 0 when there is neither value nor default */

#endif
