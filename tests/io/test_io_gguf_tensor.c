/* test_io_gguf_tensor.c - GGUF files whose tensor table is wrong, each in one way: the code and the words that come out. */
#include "core/io/gguf.h"
#include "tests/io/gguf_case.h"
#include "tests/io/io_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static gguf_image f;

static void start(void)
{
    image_start(&f);
    image_key_text(&f, "general.architecture", "llama");
}

static void set_u64(size_t at, uint64_t value)
{
    memcpy(f.at + at, &value, sizeof value);
}

static void end(void)
{
    image_end(&f, 32);
}

/* A file with one tensor t of F32 that is what the arguments say. */
static void one_tensor(const char *name, uint32_t type, uint64_t rows, uint64_t cols, uint64_t offset)
{
    start();
    image_tensor_at(&f, name, type, rows, cols, offset);
    f.data = 4096;
    end();
}

static void has_long_tensor_name(void)
{
    one_tensor("0123456789012345678901234567890123456789012345678901234567890123x", 0, 0, 8, 0);
}

static void has_tensor_name_of_no_utf8(void)
{
    one_tensor("t\xff", 0, 0, 8, 0);
}

static void has_rank(uint32_t rank)
{
    start();
    set_u64(GGUF_AT_TENSORS, 1);
    image_text(&f, "t");
    image_u32(&f, rank);
    for (uint32_t i = 0; i < rank; i++) image_u64(&f, 1);
    image_u32(&f, 0);
    image_u64(&f, 0);
    f.data = 4096;
    end();
}

static void has_rank_0(void)
{
    has_rank(0);
}

static void has_rank_5(void)
{
    has_rank(5);
}

static void has_no_columns(void)
{
    one_tensor("t", 0, 3, 0, 0);
}

static void has_shape_that_overflows(void)
{
    one_tensor("t", 0, (uint64_t)1 << 33, (uint64_t)1 << 33, 0);
}

static void has_more_elements_than_bytes(void)
{
    one_tensor("t", 2, 256, 32, 0); /* 8192 elements are fewer than twice 4224 bytes, and take 4608 */
}

static void has_type_4(void)
{
    one_tensor("t", 4, 0, 8, 0);
}

static void has_type_q2_k(void)
{
    one_tensor("t", 10, 0, 256, 0);
}

static void has_part_of_a_group(void)
{
    one_tensor("t", 12, 8, 32, 0); /* eight rows of 32 make a group of 256, but no row does */
}

static void has_odd_offset(void)
{
    one_tensor("t", 0, 0, 8, 16);
}

static void starts_behind_the_end(void)
{
    one_tensor("t", 0, 0, 8, 1 << 20);
}

static void ends_behind_the_end(void)
{
    one_tensor("t", 0, 0, 8, 4096 - 32 + 32);
}

static void has_offset_that_overflows(void)
{
    one_tensor("t", 0, 0, 16, UINT64_MAX - 31);
}

static void is_cut_short(void)
{
    image_model(&f, "llama", LOP_DTYPE_F16);
    f.size -= 1;
}

static void ends_before_its_data(void)
{
    start();
    image_tensor(&f, "t", LOP_DTYPE_F32, 0, 8);
    while (f.size % 32 == 0) image_key_u32(&f, "k", 1);
}

static void overlaps(void)
{
    start();
    image_tensor_at(&f, "t", 0, 0, 16, 0);
    image_tensor_at(&f, "u", 0, 0, 16, 32);
    f.data = 4096;
    end();
}

static void has_tensor_twice(void)
{
    start();
    image_tensor(&f, "t", LOP_DTYPE_F32, 0, 8);
    image_tensor(&f, "t", LOP_DTYPE_F16, 0, 8);
    end();
}

static void has_tensor_under_both_names(void)
{
    start();
    image_tensor(&f, "token_embd.weight", LOP_DTYPE_F32, 0, 8);
    image_tensor(&f, "model.embed_tokens.weight", LOP_DTYPE_F32, 0, 8);
    end();
}

static void has_q_and_no_heads(void)
{
    one_tensor("blk.0.attn_q.weight", 0, 8, 8, 0);
}

static void has_q_and_text_for_heads(void)
{
    start();
    image_key_text(&f, "llama.attention.head_count", "4");
    image_tensor(&f, "blk.0.attn_q.weight", LOP_DTYPE_F32, 8, 8);
    end();
}

static void has_q_of_odd_heads(void)
{
    start();
    image_key_u32(&f, "llama.attention.head_count", 4);
    image_tensor(&f, "blk.0.attn_q.weight", LOP_DTYPE_F32, 12, 8);
    end();
}

static const gguf_case cases[] = {
    {has_long_tensor_name, GGUF_OPEN, LOP_E_FORMAT, "has 65 bytes; expected 1 to 64"},
    {has_tensor_name_of_no_utf8, GGUF_OPEN, LOP_E_FORMAT, "not all of them printable"},
    {has_rank_0, GGUF_OPEN, LOP_E_FORMAT, "t has 0 dimensions"},
    {has_rank_5, GGUF_OPEN, LOP_E_FORMAT, "t has 5 dimensions"},
    {has_no_columns, GGUF_OPEN, LOP_E_FORMAT, "dimension 0 of tensor t is 0"},
    {has_shape_that_overflows, GGUF_OPEN, LOP_E_FORMAT, "dimension 0 of tensor t is 8589934592"},
    {has_more_elements_than_bytes, GGUF_OPEN, LOP_E_FORMAT, "tensor t has 4608 bytes"},
    {has_type_4, GGUF_OPEN, LOP_E_UNSUPPORTED, "type unknown (number 4)"},
    {has_type_q2_k, GGUF_OPEN, LOP_E_UNSUPPORTED,
     "type Q2_K (number 10), which is not supported; these are: F32 F16 Q4_0"},
    {has_part_of_a_group, GGUF_OPEN, LOP_E_FORMAT,
     "rows of tensor t have 32 elements; Q4_K needs a multiple of 256"},
    {has_odd_offset, GGUF_OPEN, LOP_E_FORMAT, "starts at offset 16"},
    {starts_behind_the_end, GGUF_OPEN, LOP_E_FORMAT, "it is cut short or damaged"},
    {ends_behind_the_end, GGUF_OPEN, LOP_E_FORMAT, "it is cut short or damaged"},
    {has_offset_that_overflows, GGUF_OPEN, LOP_E_FORMAT, "it is cut short or damaged"},
    {is_cut_short, GGUF_OPEN, LOP_E_FORMAT, "it is cut short or damaged"},
    {ends_before_its_data, GGUF_OPEN, LOP_E_FORMAT, "it is cut short or damaged"},
    {overlaps, GGUF_OPEN, LOP_E_FORMAT, "tensors t and u overlap"},
    {has_tensor_twice, GGUF_OPEN, LOP_E_FORMAT, "there are two tensors t"},
    {has_tensor_under_both_names, GGUF_OPEN, LOP_E_FORMAT, "two tensors model.embed_tokens.weight"},
    {has_q_and_no_heads, GGUF_OPEN, LOP_E_FORMAT, "llama.attention.head_count is missing"},
    {has_q_and_text_for_heads, GGUF_OPEN, LOP_E_FORMAT,
     "llama.attention.head_count is missing or no whole number"},
    {has_q_of_odd_heads, GGUF_OPEN, LOP_E_FORMAT, "12 rows, which are not 4 heads of an even size"},
};

static void bad_tensors_are_refused(void **state)
{
    (void)state;
    gguf_cases_check(cases, sizeof cases / sizeof *cases, &f);
}

int test_io_gguf_tensor(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_tensors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
