/* test_random.c - the two generators against known answers, and bounded draws against their promises. */
#include "core/base/random.h"
#include "tests/base/base_groups.h"

#include <string.h>

/* Random123's known answers (tests/kat_vectors, philox4x32 10). */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        lop_philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void draws_stay_below_and_repeat(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1,         2, 3, 1000, 356317, (uint64_t)1 << 32, UINT64_MAX / 2 + 2,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        uint64_t at = 0, again = 0;
        for (int k = 0; k < 500; k++) {
            const uint64_t value = lop_random_below(42, 7, &at, bounds[i]);
            assert_true(value < bounds[i]);
            assert_true(value == lop_random_below(42, 7, &again, bounds[i]));
        }
        assert_true(at == again && at >= 500);
    }
}

/* Half of all words are refused at 2^63 + 1, so that about two words go into a draw: within five standard deviations
 * (sqrt(2) each) of 2000 for 1000 draws. */
static void refusals_move_the_position(void **state)
{
    (void)state;
    uint64_t at = 0;
    for (int k = 0; k < 1000; k++) (void)lop_random_below(1, 0, &at, ((uint64_t)1 << 63) + 1);
    assert_true(at > 2000 - 224 && at < 2000 + 224);
}

/* Seeds (both halves), streams and positions (both halves) all matter. */
static void streams_differ(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t stream;
        uint64_t at;
    } places[] = {{0, 0, 0}, {1, 0, 0}, {(uint64_t)1 << 32, 0, 0},
                  {0, 1, 0}, {0, 0, 1}, {0, 0, (uint64_t)1 << 32}};
    uint64_t drawn[6];
    for (int i = 0; i < 6; i++) {
        uint64_t at = places[i].at;
        drawn[i] = lop_random_below(places[i].seed, places[i].stream, &at, UINT64_MAX);
        for (int k = 0; k < i; k++) assert_true(drawn[k] != drawn[i]);
    }
}

/* Pearson's statistic of 70,000 draws into 7 bins, 6 degrees of freedom: above 35.9 once in 350,000. */
static void draws_are_even(void **state)
{
    (void)state;
    uint64_t at = 0;
    double bins[7] = {0}, statistic = 0;
    for (int i = 0; i < 70000; i++) bins[lop_random_below(3, 1, &at, 7)] += 1;
    for (int i = 0; i < 7; i++) statistic += (bins[i] - 10000) * (bins[i] - 10000) / 10000;
    assert_true(statistic < 35.9);
}

/* Python: random.seed(seed), then getrandbits(32); the last of 700 words lies behind the second turn of the state. */
static void python_words(void **state)
{
    (void)state;
    static const uint32_t words[] = {3626764237u, 1654615998u, 3255389356u, 3823568514u};
    lop_mt19937 m;
    lop_mt19937_seed(&m, 0);
    for (int i = 0; i < 4; i++) assert_int_equal(lop_mt19937_next(&m), words[i]);
    lop_mt19937_seed(&m, 12345);
    assert_int_equal(lop_mt19937_next(&m), 1789368711u);
    lop_mt19937_seed(&m, UINT32_MAX);
    for (int i = 0; i < 699; i++) (void)lop_mt19937_next(&m);
    assert_int_equal(lop_mt19937_next(&m), 1534215042u);
}

static void python_randint(void **state)
{
    (void)state;
    static const uint32_t rows[] = {201979, 220500, 21225, 135746, 268055, 254766};
    static const uint32_t round[] = {50494, 99346, 55125, 5306};
    lop_mt19937 m;
    lop_mt19937_seed(&m, 0);
    for (int i = 0; i < 6; i++) assert_int_equal(lop_mt19937_randint(&m, 0, 356316), rows[i]);
    lop_mt19937_seed(&m, 0);
    for (int i = 0; i < 4; i++) assert_int_equal(lop_mt19937_randint(&m, 0, 100000), round[i]);
}

static void randint_bounds(void **state)
{
    (void)state;
    lop_mt19937 m;
    lop_mt19937_seed(&m, 12345);
    assert_int_equal(lop_mt19937_randint(&m, 9, 9), 9);
    for (int i = 0; i < 2000; i++) {
        const uint32_t r = lop_mt19937_randint(&m, 5, 7);
        assert_true(r >= 5 && r <= 7);
        assert_true(lop_mt19937_randint(&m, 1, UINT32_MAX) >= 1);
    }
}

int test_random(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(draws_stay_below_and_repeat),
        cmocka_unit_test(refusals_move_the_position),
        cmocka_unit_test(streams_differ),
        cmocka_unit_test(draws_are_even),
        cmocka_unit_test(python_words),
        cmocka_unit_test(python_randint),
        cmocka_unit_test(randint_bounds),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
