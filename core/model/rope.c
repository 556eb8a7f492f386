/* rope.c - frequencies as transformers computes them (f32 step by step, so that a model meets the angles that it was
 * trained with), angles and their cosines in double. */
#include "core/model/rope.h"

#include "core/base/memory.h"

#include <math.h>

#define TWO_PI 6.283185307179586

/* Llama 3's rule: long waves are slowed by `factor`, short ones kept, what lies between is blended.
 * Source: transformers, modeling_rope_utils.py, _compute_llama3_parameters, operation for operation in f32. */
static float scale_llama3(const lop_rope_spec *r, float frequency)
{
    const float old = (float)r->original_positions, low = (float)r->low_freq_factor,
                high = (float)r->high_freq_factor;
    const float wave = (float)TWO_PI / frequency, factor = (float)r->factor;
    if (wave > old / low) return frequency / factor;
    if (wave < old / high) return frequency;
    const float smooth = (old / wave - low) / (high - low);
    return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

/* GGUF stores Llama 3's rule as divisors, one per frequency. */
static lop_status divide_by_table(const lop_net *net, float *frequency)
{
    const int32_t half = net->config->head_dim / 2;
    const lop_tensor *table = NULL;
    float *divisor = NULL;
    LOP_TRY(lop_checkpoint_need(net->file, "rope_freqs.weight", 0, half, &table));
    LOP_TRY(lop_alloc((size_t)half, sizeof *divisor, &divisor));
    lop_status status = lop_checkpoint_read(net->file, table, 0, half, LOP_DTYPE_F32, divisor);
    for (int32_t j = 0; status == LOP_OK && j < half; j++) {
        if (!(divisor[j] > 0.0f) || isinf(divisor[j]))
            status =
                LOP_FAIL(LOP_E_FORMAT, "rope_freqs.weight divides frequency %d by %g; it must be positive", j,
                         (double)divisor[j]);
        else
            frequency[j] /= divisor[j];
    }
    lop_free(divisor);
    return status;
}

lop_status lop_rope_frequencies(const lop_net *net, float *frequency)
{
    const lop_config *c = net->config;
    const int32_t half = c->head_dim / 2;
    for (int32_t j = 0; j < half; j++) {
        const float exponent = (float)(2 * j) / (float)c->head_dim;
        frequency[j] = 1.0f / (float)pow((double)(float)c->rope.theta, (double)exponent);
        if (c->rope.kind == LOP_ROPE_LINEAR) frequency[j] /= (float)c->rope.factor;
        if (c->rope.kind == LOP_ROPE_LLAMA3) frequency[j] = scale_llama3(&c->rope, frequency[j]);
    }
    return c->rope.kind == LOP_ROPE_TABLE ? divide_by_table(net, frequency) : LOP_OK;
}

void lop_rope_fill(const float *frequency, int32_t head_dim, int32_t positions, float *table)
{
    const int32_t half = head_dim / 2;
    for (int32_t p = 0; p < positions; p++) {
        float *row = table + (int64_t)p * head_dim;
        for (int32_t j = 0; j < half; j++) {
            const double angle = (double)p * (double)frequency[j];
            row[j] = (float)cos(angle);
            row[half + j] = (float)sin(angle);
        }
    }
}
