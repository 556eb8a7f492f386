/* small_model.c - small synthetic models. */
#include "tests/io/small_model.h"

#include "core/base/memory.h"
#include "core/io/convert.h"
#include "core/io/synth.h"
#include "tests/io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

lop_config small_config(bool tied)
{
    lop_config k = lop_synth_at(0)->config;
    k.blocks = 2;
    k.hidden = 32;
    k.ffn = 48;
    k.heads = 4;
    k.kv_heads = 2;
    k.head_dim = 8;
    k.vocab = 300;
    k.positions = 64;
    k.tied = tied;
    return k;
}

void small_folder(const char *folder, bool tied, lop_dtype dtype, uint64_t shard_bytes)
{
    const lop_config k = small_config(tied);
    lop_checkpoint *made = NULL;
    lop_convert_result result;
    assert_ok(lop_synth_open(&k, dtype, 7, &made));
    const lop_convert_plan plan = {.source = made, .save = folder, .shard_bytes = shard_bytes};
    assert_ok(lop_convert_model(&plan, &result));
    lop_checkpoint_close(made);
}

lop_checkpoint *must_open(const char *path)
{
    lop_checkpoint *c = NULL;
    assert_ok(lop_checkpoint_open(path, &c));
    return c;
}

int64_t elements_of(const lop_tensor *t)
{
    int64_t n = 1;
    for (int32_t d = 0; d < t->rank; d++) n *= t->shape[d];
    return n;
}

float *must_read(const lop_checkpoint *c, const char *name)
{
    const lop_tensor *t = lop_checkpoint_find(c, name);
    float *values = NULL;
    assert_non_null(t);
    assert_ok(lop_alloc((size_t)elements_of(t), sizeof *values, &values));
    assert_ok(lop_checkpoint_read(c, t, 0, t->shape[0], LOP_DTYPE_F32, values));
    return values;
}

int small_models_open(void **state)
{
    (void)here_open(state);
    small_folder(scratch_path(&here, "one"), true, LOP_DTYPE_BF16, 0);
    small_folder(scratch_path(&here, "many"), false, LOP_DTYPE_F16, 16000);
    return 0;
}
