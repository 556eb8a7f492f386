/* config_edit.h - a config.json that exists, changed in one place. Internal to core/io. */
#ifndef LOP_CORE_IO_CONFIG_EDIT_H
#define LOP_CORE_IO_CONFIG_EDIT_H

#include "core/base/text.h"
#include "core/io/dtype.h"

/* Appends the text of a config.json (a JSON object, already parsed once) with the dtype it states changed, in both
 * spellings where both stand; every other byte stays. One that states none gets "torch_dtype". */
LOP_CHECKED lop_status lop_config_set_dtype(lop_text json, lop_dtype dtype, lop_string *out);

/* What each layer has left of a model that was narrowed, a list with one number a layer. */
#define LOP_EACH_FFN_KEY "pg_layer_intermediate_size"
#define LOP_EACH_KV_KEY  "pg_layer_num_key_value_heads"

/* "float16", "bfloat16", "float32": what config.json calls the three. */
const char *lop_config_dtype_word(lop_dtype dtype);

#endif
