/* test_matrix.c - views, and whether two share memory: held against the elements themselves. */
#include "tests/device/device_groups.h"

#include <stdlib.h>
#include <string.h>

static void slices_keep_their_place(void **state)
{
    (void)state;
    lop_buf buf = {.bytes = 4096};
    const lop_mat m = lop_mat_of(&buf, 10, 8, 16, LOP_F16);
    assert_int_equal(m.ld, 16);
    const lop_mat part = lop_mat_cols(lop_mat_rows(m, 2, 3), 5, 7);
    assert_int_equal(part.at, 10 + 2 * 16 + 5);
    assert_int_equal(part.rows, 3);
    assert_int_equal(part.cols, 7);
    assert_int_equal(part.ld, 16);
    const lop_mat flat = lop_mat_reshape(m, 1, 128);
    assert_int_equal(flat.ld, 128);
    assert_int_equal(lop_mat_elements(flat), 128);
    assert_false(lop_mat_present(LOP_NONE));
    assert_true(lop_mat_present(m));
}

/* Marks the bytes of a matrix; true if one was marked. */
static bool touch(unsigned char *bytes, lop_mat m)
{
    const size_t size = lop_type_bytes(m.type);
    bool seen = false;
    for (int32_t r = 0; r < m.rows; r++) {
        unsigned char *row = bytes + (size_t)(m.at + (int64_t)r * m.ld) * size;
        for (size_t i = 0; i < (size_t)m.cols * size; i++) {
            seen = seen || row[i];
            row[i] = 1;
        }
    }
    return seen;
}

static void overlap_is_what_the_bytes_say(void **state)
{
    (void)state;
    enum { BYTES = 2048, TRIES = 200000 };
    static unsigned char bytes[BYTES];
    lop_buf buf = {.bytes = BYTES};
    uint32_t seed = 7;
    int shared = 0, apart = 0;
    for (int i = 0; i < TRIES; i++) {
        lop_mat m[2];
        const bool grid = i % 4 != 0; /* rectangles of one grid are told exactly, others by their range */
        const int32_t ld = 1 + (int32_t)((seed = seed * 1664525u + 1013904223u) >> 28);
        for (int k = 0; k < 2; k++) {
            uint32_t draw[4];
            for (int d = 0; d < 4; d++) draw[d] = (seed = seed * 1664525u + 1013904223u) >> 16;
            const lop_type type = grid || draw[3] % 2 ? LOP_F32 : LOP_F16;
            m[k] = (lop_mat){
                &buf, draw[0] % 64, (int32_t)(draw[1] % 6), 1 + (int32_t)(draw[2] % (uint32_t)ld), ld, type};
            if (!grid) m[k].ld += (int32_t)(draw[3] % 3);
        }
        memset(bytes, 0, sizeof bytes);
        (void)touch(bytes, m[0]);
        const bool truth = touch(bytes, m[1]), told = lop_mat_overlap(m[0], m[1]);
        assert_int_equal(told, lop_mat_overlap(m[1], m[0]));
        if (grid) assert_int_equal(told, truth);
        if (truth) assert_true(told);
        shared += truth;
        apart += !told;
    }
    assert_true(shared > TRIES / 100 && apart > TRIES / 100);
}

static void types_have_names_and_sizes(void **state)
{
    (void)state;
    assert_string_equal(lop_type_name(LOP_BF16), "bf16");
    assert_string_equal(lop_type_name((lop_type)99), "no type");
    assert_int_equal(lop_type_bytes(LOP_I64), 8);
    assert_int_equal(lop_type_bytes(LOP_U16), 2);
}

int test_matrix(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_keep_their_place),
        cmocka_unit_test(overlap_is_what_the_bytes_say),
        cmocka_unit_test(types_have_names_and_sizes),
    };
    return cmocka_run_group_tests_name("matrix", tests, NULL, NULL);
}
