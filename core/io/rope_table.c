/* rope_table.c - tables of rope divisors made from their rule; and which rule made one, found by making each candidate's
 * table and comparing. */
#include "core/io/rope_table.h"

#include "core/base/memory.h"

#include <math.h>

#define TABLE_TOLERANCE                                                                                      \
    1e-4 /* relative: the tables were rounded to f32 from frequencies that were themselves f32 */

/* The divisor of frequency i. Source: transformers, modeling_rope_utils.py, _compute_llama3_parameters; its frequencies
 * divided by the plain ones, inverted. */
static double divisor(const lop_rope_spec *r, int32_t head_dim, int32_t i)
{
    const double pi = 3.14159265358979323846;
    const double wave = 2.0 * pi * pow(r->theta, 2.0 * i / head_dim);
    const double low = r->original_positions / r->low_freq_factor,
                 high = r->original_positions / r->high_freq_factor;
    if (wave < high) return 1.0;
    if (wave > low) return r->factor;
    const double smooth =
        (r->original_positions / wave - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
    return 1.0 / ((1.0 - smooth) / r->factor + smooth);
}

void lop_rope_table_make(const lop_rope_spec *r, int32_t head_dim, float *out)
{
    for (int32_t i = 0; i < head_dim / 2; i++) out[i] = (float)divisor(r, head_dim, i);
}

static bool gives(const lop_rope_spec *r, int32_t head_dim, const float *table)
{
    for (int32_t i = 0; i < head_dim / 2; i++) {
        const double expected = divisor(r, head_dim, i);
        if (!(fabs((double)table[i] - expected) <= TABLE_TOLERANCE * expected)) return false;
    }
    return true;
}

/* The files that have such tables are of the Llama 3.x models: all state the factors 1 and 4 and 8192 positions; the
 * factor is 8 or 32, and is the largest divisor. */
lop_status lop_rope_table_name(const lop_checkpoint *c, lop_config *config)
{
    if (config->rope.kind != LOP_ROPE_TABLE) return LOP_OK;
    const int32_t half = config->head_dim / 2;
    const lop_tensor *t = NULL;
    LOP_TRY(lop_checkpoint_need(c, "rope_freqs.weight", 0, half, &t));
    float *table = NULL;
    LOP_TRY(LOP_NEW(&table, half));
    lop_status status = lop_checkpoint_read(c, t, 0, half, LOP_DTYPE_F32, table);
    lop_rope_spec rope = {.kind = LOP_ROPE_LLAMA3,
                          .theta = config->rope.theta,
                          .factor = 1.0,
                          .low_freq_factor = 1.0,
                          .high_freq_factor = 4.0,
                          .original_positions = 8192};
    for (int32_t i = 0; status == LOP_OK && i < half; i++)
        if ((double)table[i] > rope.factor) rope.factor = round((double)table[i] * 1024.0) / 1024.0;
    if (status == LOP_OK && !gives(&rope, config->head_dim, table))
        status = LOP_FAIL(LOP_E_UNSUPPORTED,
                          "%s: its rope_freqs.weight is not a llama3 table (factors 1 and 4 over 8192 "
                          "positions), so config.json cannot state it",
                          lop_checkpoint_path(c));
    if (status == LOP_OK) config->rope = rope;
    lop_free(table);
    return status;
}
