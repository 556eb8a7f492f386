/* shape.c - the model without a file that a bench works on: a named shape with random weights. */
#include "bench/shape.h"

#include "core/io/synth.h"

#include <string.h>

enum { SEED = 0 };

lop_status bench_shape_open(const bench *b, lop_checkpoint **out)
{
    const lop_synth_shape *shape = NULL;
    *out = NULL;
    LOP_TRY(lop_synth_find(lop_settings_text(&b->settings, "shape"), &shape));
    lop_dtype dtype = shape->config.dtype;
    if (lop_settings_given(&b->settings, "word")) {
        const char *word = lop_settings_text(&b->settings, "word");
        if (strcmp(word, "f32") != 0 && strcmp(word, "f16") != 0 && strcmp(word, "bf16") != 0)
            return LOP_FAIL(LOP_E_ARGUMENT, "--word is \"%s\": expected f32, f16 or bf16", word);
        dtype = lop_dtype_chosen(word);
    }
    return lop_synth_open(&shape->config, dtype, SEED, out);
}
