/* ref_chance.c - Philox 4x32-10 and what is drawn with it, one number at a time. */
#include "tests/ref/ref_ops.h"

/* Word `which` of the counter. Source: Salmon et al., SC 2011, table 2 and section 3.3. */
static uint32_t philox_word(const uint32_t counter[4], uint64_t seed, int which)
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    for (uint32_t round = 0; round < 10; round++) {
        const uint32_t key_low = (uint32_t)seed + round * 0x9E3779B9u,
                       key_high = (uint32_t)(seed >> 32) + round * 0xBB67AE85u;
        const uint64_t left = 0xD2511F53ull * c[0], right = 0xCD9E8D57ull * c[2];
        const uint32_t next[4] = {(uint32_t)(right >> 32) ^ c[1] ^ key_low, (uint32_t)right,
                                  (uint32_t)(left >> 32) ^ c[3] ^ key_high, (uint32_t)left};
        for (int i = 0; i < 4; i++) c[i] = next[i];
    }
    return c[which];
}

void ref_bernoulli(const ref_chance *chance, const ref_mat *p, const ref_mat *step, ref_mat *keep)
{
    for (int32_t s = 0; s < keep->rows; s++)
        for (int32_t u = 0; u < keep->cols; u++) {
            const uint32_t unit = chance->first_unit + (uint32_t)u;
            const uint32_t counter[4] = {unit >> 2, chance->first_sample + (uint32_t)s, (uint32_t)step->at[0],
                                         chance->tag};
            const double word = philox_word(counter, chance->seed, (int)(unit & 3u));
            keep->at[(int64_t)s * keep->cols + u] = word < 4.0 * p->at[u] ? 1.0 : 0.0;
        }
}
