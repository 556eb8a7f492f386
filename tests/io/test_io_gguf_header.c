/* test_io_gguf_header.c - GGUF files whose start or metadata are wrong, each in one way: the code and the words that come
 * out. Then a flip of every byte of a header and a cut at every length, which must end in a status. */
#include "core/io/gguf.h"
#include "tests/io/gguf_case.h"
#include "tests/io/io_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static gguf_image f;

enum { U8 = 0, U32 = 4, I32 = 5, F32 = 6, TEXT = 8, ARRAY = 9, U64 = 10 };

static void start(void)
{
    image_start(&f);
    image_key_text(&f, "general.architecture", "llama");
}

static void set_u64(size_t at, uint64_t value)
{
    memcpy(f.at + at, &value, sizeof value);
}

/* A file with one tensor and nothing wrong yet. */
static void one_tensor(void)
{
    start();
    image_tensor(&f, "t", LOP_DTYPE_F32, 0, 8);
    image_end(&f, 32);
}

static void is_empty(void)
{
    f.size = 0;
}

static void is_23_bytes(void)
{
    image_start(&f);
    f.size = 23;
}

static void has_other_magic(void)
{
    start();
    memcpy(f.at, "GGML", 4);
}

static void is_version_1(void)
{
    start();
    f.at[GGUF_AT_VERSION] = 1;
}

static void is_version_4(void)
{
    start();
    f.at[GGUF_AT_VERSION] = 4;
}

static void is_big_endian(void)
{
    start();
    memcpy(f.at + GGUF_AT_VERSION, "\0\0\0\3", 4);
}

static void announces_many_tensors(void)
{
    start();
    set_u64(GGUF_AT_TENSORS, UINT64_MAX);
}

static void announces_many_entries(void)
{
    start();
    set_u64(GGUF_AT_ENTRIES, (uint64_t)1 << 60);
}

static void has_one_tensor_less(void)
{
    one_tensor();
    set_u64(GGUF_AT_TENSORS, 2);
}

static void has_one_entry_less(void)
{
    start();
    set_u64(GGUF_AT_ENTRIES, 2);
}

static void has_endless_key(void)
{
    start();
    image_u64(&f, UINT64_MAX - 8);
    image_put(&f, "key4567890123456", 16);
    set_u64(GGUF_AT_ENTRIES, 2);
}

static void has_empty_key(void)
{
    start();
    image_key_u32(&f, "", 1);
}

static void has_key_with_newline(void)
{
    start();
    image_key_u32(&f, "a\nb", 1);
}

static void has_value_type_13(void)
{
    start();
    image_key(&f, "k", 13);
    image_u64(&f, 0);
}

static void has_endless_text(void)
{
    start();
    image_key(&f, "k", TEXT);
    image_u64(&f, (uint64_t)1 << 40);
}

static void has_array_that_overflows(void)
{
    start();
    image_key_array(&f, "k", U64, ((uint64_t)1 << 61) + 1); /* times 8 is 8 */
    image_u64(&f, 0);
}

static void has_array_of_many_texts(void)
{
    start();
    image_key_array(&f, "k", TEXT, 1000000000);
    image_u64(&f, 0);
}

static void has_array_of_many_arrays(void)
{
    start();
    image_key_array(&f, "k", ARRAY, 3);
    image_u32(&f, U8);
    image_u64(&f, 1u << 30);
    image_put(&f, (char[64]){0}, 64);
}

static void has_array_of_type_99(void)
{
    start();
    image_key_array(&f, "k", 99, 1);
    image_u64(&f, 0);
}

static void nests_five_deep(void)
{
    start();
    image_key_array(&f, "k", ARRAY, 1);
    for (int i = 0; i < 4; i++) {
        image_u32(&f, ARRAY);
        image_u64(&f, 1);
    }
    image_u32(&f, U8);
    image_u64(&f, 0);
}

static void has_bool_of_2(void)
{
    start();
    image_key_bool(&f, "k", 2);
}

static void has_key_twice(void)
{
    start();
    image_key_u32(&f, "k", 1);
    image_key_bool(&f, "k", 1);
}

static void has_no_architecture(void)
{
    image_start(&f);
    image_key_u32(&f, "k", 1);
}

static void has_architecture_7(void)
{
    image_start(&f);
    image_key_u32(&f, "general.architecture", 7);
}

static void has_architecture_with_escape(void)
{
    image_start(&f);
    image_key_text(&f, "general.architecture", "\033[31mllama");
}

static void has_long_architecture(void)
{
    image_start(&f);
    image_key_text(&f, "general.architecture", "llamallamallamallamallamallamallama");
}

static void is_split(void)
{
    start();
    image_key_u32(&f, "split.count", 3);
}

static void has_alignment(uint32_t value)
{
    start();
    image_key_u32(&f, "general.alignment", value);
    image_tensor(&f, "t", LOP_DTYPE_F32, 0, 8);
    image_end(&f, 32);
}

static void has_alignment_0(void)
{
    has_alignment(0);
}

static void has_alignment_12(void)
{
    has_alignment(12);
}

static void has_alignment_in_text(void)
{
    start();
    image_key_text(&f, "general.alignment", "32");
    image_tensor(&f, "t", LOP_DTYPE_F32, 0, 8);
    image_end(&f, 32);
}

static const gguf_case cases[] = {
    {is_empty, GGUF_OPEN, LOP_E_FORMAT, "has 0 bytes"},
    {is_23_bytes, GGUF_OPEN, LOP_E_FORMAT, "has 23 bytes"},
    {has_other_magic, GGUF_OPEN, LOP_E_FORMAT, "is no GGUF file: it starts with 47 47 4d 4c"},
    {is_version_1, GGUF_OPEN, LOP_E_UNSUPPORTED, "version 1; supported are versions 2 and 3"},
    {is_version_4, GGUF_OPEN, LOP_E_UNSUPPORTED, "version 4; supported"},
    {is_big_endian, GGUF_OPEN, LOP_E_UNSUPPORTED, "big-endian"},
    {announces_many_tensors, GGUF_OPEN, LOP_E_FORMAT, "18446744073709551615 tensors"},
    {announces_many_entries, GGUF_OPEN, LOP_E_FORMAT, "1152921504606846976 metadata entries"},
    {has_one_tensor_less, GGUF_OPEN, LOP_E_FORMAT, "a tensor's name"},
    {has_one_entry_less, GGUF_OPEN, LOP_E_FORMAT, "a metadata key at byte 69"},
    {has_endless_key, GGUF_OPEN, LOP_E_FORMAT, "a metadata key at byte"},
    {has_empty_key, GGUF_OPEN, LOP_E_FORMAT, "a metadata key at byte"},
    {has_key_with_newline, GGUF_OPEN, LOP_E_FORMAT, "not all of them printable"},
    {has_value_type_13, GGUF_OPEN, LOP_E_FORMAT, "k has value type 13"},
    {has_endless_text, GGUF_OPEN, LOP_E_FORMAT, "takes 1099511627776 bytes"},
    {has_array_that_overflows, GGUF_OPEN, LOP_E_FORMAT, "k is an array of 2305843009213693953 u64"},
    {has_array_of_many_texts, GGUF_OPEN, LOP_E_FORMAT, "k is an array of 1000000000 text"},
    {has_array_of_many_arrays, GGUF_OPEN, LOP_E_FORMAT, "k is an array of 1073741824 u8"},
    {has_array_of_type_99, GGUF_OPEN, LOP_E_FORMAT, "k has value type 99"},
    {nests_five_deep, GGUF_OPEN, LOP_E_FORMAT, "nests arrays more than 4 deep"},
    {has_bool_of_2, GGUF_OPEN, LOP_E_FORMAT, "a bool of value 2"},
    {has_key_twice, GGUF_OPEN, LOP_E_FORMAT, "metadata k is there twice"},
    {has_no_architecture, GGUF_OPEN, LOP_E_FORMAT, "general.architecture is missing"},
    {has_architecture_7, GGUF_OPEN, LOP_E_FORMAT, "general.architecture is missing or no text"},
    {has_architecture_with_escape, GGUF_OPEN, LOP_E_FORMAT, "general.architecture is no name"},
    {has_long_architecture, GGUF_OPEN, LOP_E_FORMAT, "general.architecture is no name"},
    {is_split, GGUF_OPEN, LOP_E_UNSUPPORTED, "one of the 3 files"},
    {has_alignment_0, GGUF_OPEN, LOP_E_FORMAT, "general.alignment"},
    {has_alignment_12, GGUF_OPEN, LOP_E_FORMAT, "general.alignment"},
    {has_alignment_in_text, GGUF_OPEN, LOP_E_FORMAT, "general.alignment"},
};

static void bad_headers_are_refused(void **state)
{
    (void)state;
    gguf_cases_check(cases, sizeof cases / sizeof *cases, &f);
}

/* Every byte of the header, changed in four ways; whatever opens is read to its end. */
static void flipped_bytes_end_in_a_status(void **state)
{
    (void)state;
    static const unsigned char flips[] = {0x01, 0x04, 0x80, 0xff};
    gguf_file file;
    gguf_file_open(&file);
    image_model(&f, "llama", LOP_DTYPE_Q4_0);
    gguf_file_write(&file, f.at, f.size);
    const size_t header = f.size - f.data;
    int opened = 0;
    for (size_t at = 0; at < header; at++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            const unsigned char byte = f.at[at] ^ flips[k];
            assert_int_equal(pwrite(file.handle, &byte, 1, (off_t)at), 1);
            opened += gguf_run(file.path, GGUF_CONFIG) == LOP_OK;
            opened += gguf_run(file.path, GGUF_TOKENIZER) == LOP_OK;
        }
        assert_int_equal(pwrite(file.handle, f.at + at, 1, (off_t)at), 1);
    }
    assert_int_equal(gguf_run(file.path, GGUF_CONFIG), LOP_OK);
    assert_true(opened > 0);
    gguf_file_close(&file);
}

static void cut_files_are_refused(void **state)
{
    (void)state;
    gguf_file file;
    gguf_file_open(&file);
    image_model(&f, "llama", LOP_DTYPE_Q4_0);
    gguf_file_write(&file, f.at, f.size);
    for (size_t size = f.size - f.data + 100; size-- > 0;) {
        assert_int_equal(ftruncate(file.handle, (off_t)size), 0);
        assert_int_equal(gguf_run(file.path, GGUF_OPEN), LOP_E_FORMAT);
    }
    gguf_file_close(&file);
}

int test_io_gguf_header(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(flipped_bytes_end_in_a_status),
        cmocka_unit_test(cut_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
