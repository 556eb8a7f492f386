/* random.h - the two sources of chance: Philox 4x32-10 (the same bits as kernels/random.cl), and MT19937 as Python's
 * `random` draws from it, for the sampler of the reference scripts. */
#ifndef LOP_CORE_BASE_RANDOM_H
#define LOP_CORE_BASE_RANDOM_H

#include <stdint.h>

/* Four random words for a counter and a key. Source: Salmon et al., SC 2011, and Random123's known answers. */
void lop_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A number in [0, below) without bias, drawn from the stream (seed, stream) at position *at, which moves on. */
uint64_t lop_random_below(uint64_t seed, uint32_t stream, uint64_t *at, uint64_t below);

/* Python's random.seed(seed) for 0 <= seed < 2^32 and random.randint. */
typedef struct lop_mt19937 {
    uint32_t state[624];
    int at;
} lop_mt19937;
void lop_mt19937_seed(lop_mt19937 *m, uint32_t seed);
uint32_t lop_mt19937_next(lop_mt19937 *m);
uint32_t lop_mt19937_randint(lop_mt19937 *m, uint32_t low, uint32_t high); /* low <= r <= high */

#endif
