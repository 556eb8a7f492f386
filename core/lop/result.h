/* result.h - what a public call found: a JSON object with `"event": "result"`. */
#ifndef LOP_CORE_LOP_RESULT_H
#define LOP_CORE_LOP_RESULT_H

#include "core/base/status.h"

#include <jansson.h>

/* Takes `object` (closed on failure too); NULL is LOP_E_MEMORY, which is what jansson's NULL means here. */
LOP_CHECKED lop_status lop_result_take(json_t *object, lop_result **out);

/* The same from the text of an object, which is freed. */
LOP_CHECKED lop_status lop_result_take_text(char *text, lop_result **out);

#endif
