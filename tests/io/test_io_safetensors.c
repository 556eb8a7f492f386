/* test_io_safetensors.c - headers, right and wrong in every way the format allows. */
#include "core/io/safetensors.h"
#include "tests/io/io_groups.h"
#include "tests/io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file of `said` header bytes by its prefix, this header and so many bytes of data. */
static const char *make_file(uint64_t said, const char *header, size_t header_size, size_t data)
{
    const char *path = scratch_path(&here, "x.safetensors");
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)(said >> (8 * i));
    char *bytes = calloc(8 + header_size + data, 1);
    assert_non_null(bytes);
    memcpy(bytes, prefix, 8);
    memcpy(bytes + 8, header, header_size);
    write_bytes(path, bytes, 8 + header_size + data);
    free(bytes);
    return path;
}

static lop_status open_header(const char *header, size_t data, lop_safetensors *out)
{
    return lop_safetensors_open(make_file(strlen(header), header, strlen(header), data), out);
}

#define ENTRY(name, dtype, shape, from, to)                                                                  \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

static void tensors_come_by_offset(void **state)
{
    (void)state;
    lop_safetensors s;
    lop_string metadata = {0};
    assert_ok(
        open_header("{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("b", "F16", "[2,3]", 4, 16) "," ENTRY(
                        "a", "F32", "[]", 0, 4) "," ENTRY("none", "I64", "[0,7]", 16, 16) "}   ",
                    16, &s));
    assert_int_equal(s.count, 3);
    assert_string_equal(s.at[0].name, "a");
    assert_int_equal(s.at[0].rank, 0);
    assert_string_equal(s.at[1].name, "b");
    assert_int_equal(s.at[1].shape[1], 3);
    assert_int_equal(s.at[1].at, s.at[0].at + 4);
    assert_int_equal(s.at[2].bytes, 0);
    assert_int_equal(s.at[0].at, 8 + s.header.size);
    assert_ok(lop_safetensors_metadata(s.header, &metadata));
    assert_string_equal(metadata.at, "{\"format\":\"pt\"}");
    lop_string_close(&metadata);
    lop_safetensors_close(&s);
}

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        lop_status status;
        const char *words;
    } cases[] = {
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[2]", 4, 12) "}", 12, LOP_E_FORMAT,
         "overlaps"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[2]", 12, 20) "}", 20, LOP_E_FORMAT,
         "hole"},
        {"{" ENTRY("a", "F32", "[2]", 4, 12) "}", 12, LOP_E_FORMAT, "hole"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "}", 12, LOP_E_FORMAT, "left over"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "}", 7, LOP_E_FORMAT, "truncated"},
        {"{" ENTRY("a", "F32", "[2]", 8, 0) "}", 8, LOP_E_FORMAT, "data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", -8, 0) "}", 8, LOP_E_FORMAT, "data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", 0, 18446744073709551615) "}", 8, LOP_E_FORMAT, "data_offsets"},
        {"{" ENTRY("a", "F32", "[3]", 0, 8) "}", 8, LOP_E_FORMAT, "do not make"},
        {"{" ENTRY("a", "F32", "[4611686018427387904]", 0, 0) "}", 0, LOP_E_FORMAT, "do not make"},
        {"{" ENTRY("a", "F32", "[4611686018427387904,4,2]", 0, 0) "}", 0, LOP_E_FORMAT, "64 bits"},
        {"{" ENTRY("a", "F32", "[-2]", 0, 8) "}", 8, LOP_E_FORMAT, "shape"},
        {"{" ENTRY("a", "F32", "[2.5]", 0, 8) "}", 8, LOP_E_FORMAT, "shape"},
        {"{" ENTRY("a", "F32", "2", 0, 8) "}", 8, LOP_E_FORMAT, "shape"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,2]", 0, 8) "}", 8, LOP_E_UNSUPPORTED, "dimensions"},
        {"{" ENTRY("a", "F8_E4M3", "[8]", 0, 8) "}", 8, LOP_E_UNSUPPORTED, "F8_E4M3"},
        {"{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("a", "F32", "[2]", 0, 8) "}", 8, LOP_E_FORMAT,
         "duplicate"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, LOP_E_FORMAT, "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, LOP_E_FORMAT, "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, LOP_E_FORMAT, "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, LOP_E_FORMAT, "data_offsets"},
        {"{\"a\":7}", 8, LOP_E_FORMAT, "an object"},
        {"{\"__metadata__\":7}", 0, LOP_E_FORMAT, "__metadata__"},
        {"[]", 0, LOP_E_FORMAT, "begin with {"},
        {"", 0, LOP_E_FORMAT, "begin with {"},
        {"{\"a\"", 0, LOP_E_FORMAT, "JSON"},
        {"{\"\xff\":1}", 0, LOP_E_FORMAT, "JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lop_safetensors s;
        assert_failed(open_header(cases[i].header, cases[i].data, &s), cases[i].status, cases[i].words);
    }
}

static void wrong_lengths_are_refused(void **state)
{
    (void)state;
    lop_safetensors s;
    write_text(scratch_path(&here, "x.safetensors"), "short");
    assert_failed(lop_safetensors_open(scratch_path(&here, "x.safetensors"), &s), LOP_E_FORMAT, "truncated");
    assert_failed(lop_safetensors_open(make_file(100, "{}", 2, 0), &s), LOP_E_FORMAT, "truncated");
    assert_failed(lop_safetensors_open(make_file(UINT64_MAX, "{}", 2, 0), &s), LOP_E_FORMAT, "truncated");
    assert_failed(lop_safetensors_open(scratch_path(&here, "none"), &s), LOP_E_FILE, "none");
}

/* Bombs: deep nesting, and millions of empty lists, which cost a parser far more memory than text. */
static void bombs_are_refused(void **state)
{
    (void)state;
    const size_t n = (size_t)9 << 20;
    char *bomb = malloc(n + 1);
    assert_non_null(bomb);
    lop_safetensors s;
    memset(bomb, '[', n);
    memcpy(bomb, "{\"a\":", 5);
    assert_failed(lop_safetensors_open(make_file(100000, bomb, 100000, 0), &s), LOP_E_FORMAT, "nested");
    for (size_t i = 5; i + 3 <= n; i += 3) memcpy(bomb + i, "[],", 3);
    assert_failed(lop_safetensors_open(make_file(n, bomb, n, 0), &s), LOP_E_FORMAT, "lists and objects");
    free(bomb);
}

int test_io_safetensors(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_by_offset),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(wrong_lengths_are_refused),
        cmocka_unit_test(bombs_are_refused),
    };
    return cmocka_run_group_tests_name("safetensors", tests, here_open, here_close);
}
