/* random.c - Philox 4x32-10 and MT19937.
 *
 * Sources: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3 (rounds,
 * multipliers and Weyl constants of Philox); Matsumoto, Nishimura, "Mersenne Twister", TOMACS 1998, and their 2002
 * initialisation by array, which is what Python's random.seed does with an integer. */
#include "core/base/random.h"

#include <assert.h>

void lop_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c0;
        const uint64_t b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* One block of Philox per try. The lowest 2^64 mod `below` words are refused, which leaves each remainder equally many. */
uint64_t lop_random_below(uint64_t seed, uint32_t stream, uint64_t *at, uint64_t below)
{
    assert(below > 0);
    const uint64_t refused = (0 - below) % below;
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (;;) {
        const uint32_t counter[4] = {(uint32_t)*at, (uint32_t)(*at >> 32), stream, 0};
        uint32_t words[4];
        lop_philox(counter, key, words);
        ++*at;
        const uint64_t value = (uint64_t)words[1] << 32 | words[0];
        if (value >= refused) return value % below;
    }
}

#define MT_SIZE  624
#define MT_SHIFT 397

static void mt_start(lop_mt19937 *m, uint32_t seed)
{
    m->state[0] = seed;
    for (uint32_t i = 1; i < MT_SIZE; i++) {
        const uint32_t before = m->state[i - 1];
        m->state[i] = 1812433253u * (before ^ before >> 30) + i;
    }
}

/* Initialisation by an array of the one word `seed`. */
void lop_mt19937_seed(lop_mt19937 *m, uint32_t seed)
{
    mt_start(m, 19650218u);
    uint32_t *s = m->state;
    uint32_t i = 1;
    for (int k = 0; k < MT_SIZE; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + seed;
        if (++i == MT_SIZE) s[0] = s[MT_SIZE - 1], i = 1;
    }
    for (int k = 0; k < MT_SIZE - 1; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - i;
        if (++i == MT_SIZE) s[0] = s[MT_SIZE - 1], i = 1;
    }
    s[0] = 0x80000000u;
    m->at = MT_SIZE;
}

static void mt_turn(lop_mt19937 *m)
{
    uint32_t *s = m->state;
    for (int i = 0; i < MT_SIZE; i++) {
        const uint32_t joined = (s[i] & 0x80000000u) | (s[(i + 1) % MT_SIZE] & 0x7fffffffu);
        s[i] = s[(i + MT_SHIFT) % MT_SIZE] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfu : 0);
    }
    m->at = 0;
}

uint32_t lop_mt19937_next(lop_mt19937 *m)
{
    if (m->at >= MT_SIZE) mt_turn(m);
    uint32_t y = m->state[m->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* Python draws as many bits as the width of the range has, and draws again when they are too large. */
uint32_t lop_mt19937_randint(lop_mt19937 *m, uint32_t low, uint32_t high)
{
    assert(low <= high && high - low < UINT32_MAX);
    const uint32_t width = high - low + 1;
    int bits = 0;
    while (bits < 32 && width >> bits) bits++;
    for (;;) {
        const uint32_t r = lop_mt19937_next(m) >> (32 - bits);
        if (r < width) return low + r;
    }
}
