/* json.h - JSON documents from files that are not trusted: jansson behind a size limit, a nesting limit that is checked
 * before parsing, duplicate keys refused, and getters that say what they got and what they expect.
 *
 * Getters leave *out as it is when the key is absent or null, so a caller sets the default first; lop_json_need makes
 * absence an error. A wrong kind or range is LOP_E_FORMAT. What they give belongs to the document. The sentences name
 * the key, not the file: whoever knows the file adds it with lop_note. */
#ifndef LOP_CORE_IO_JSON_H
#define LOP_CORE_IO_JSON_H

#include "core/base/status.h"
#include "core/base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define LOP_JSON_NESTING_MAX 64

/* jansson takes no \u0000 in keys; the escape is read as this noncharacter, in keys and values alike. */
#define LOP_JSON_NUL "\xEF\xB7\x90"

/* Parses a whole document whose top is an object or an array. Whole numbers beyond 64 bits make every number of the
 * document a real; lop_json_int takes reals without a fraction. LOP_E_FORMAT says line and column. The caller closes. */
LOP_CHECKED lop_status lop_json_parse(const char *text, size_t size, json_t **out);

/* Reads and parses a file of at most `most` bytes; its path is in the sentence of a failure. */
LOP_CHECKED lop_status lop_json_read(const char *path, uint64_t most, json_t **out);
void lop_json_close(json_t *document); /* NULL is allowed */

/* The member, or NULL when it is absent or null, or `object` is no object. */
json_t *lop_json_find(const json_t *object, const char *key);

/* LOP_E_FORMAT when the key is absent or null. */
LOP_CHECKED lop_status lop_json_need(const json_t *object, const char *key);

LOP_CHECKED lop_status lop_json_object(const json_t *object, const char *key, json_t **out);
LOP_CHECKED lop_status lop_json_array(const json_t *object, const char *key, json_t **out);
LOP_CHECKED lop_status lop_json_text(const json_t *object, const char *key, lop_text *out);
LOP_CHECKED lop_status lop_json_flag(const json_t *object, const char *key, bool *out);
LOP_CHECKED lop_status lop_json_int(const json_t *object, const char *key, int64_t low, int64_t high,
                                    int64_t *out);
LOP_CHECKED lop_status lop_json_real(const json_t *object, const char *key,
                                     double *out); /* whole numbers too */

/* The same for a value that stands in an array or under an unnamed key; `what` names it in the sentence. */
LOP_CHECKED lop_status lop_json_value_text(const json_t *value, const char *what, lop_text *out);
LOP_CHECKED lop_status lop_json_value_int(const json_t *value, const char *what, int64_t low, int64_t high,
                                          int64_t *out);

/* "an object", "a string", ...: for sentences. */
const char *lop_json_kind(const json_t *value);

#endif
