/* test_hash.c - SHA-256 against the examples of FIPS 180-4's companion document and against itself, cut in pieces. */
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/memory.h"
#include "tests/base/base_groups.h"
#include "tests/harness/ladder.h"

#include <string.h>

static void known_digests(void **state)
{
    (void)state;
    static const char *const known[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
    for (size_t i = 0; i < 3; i++) {
        char text[LOP_SHA256_TEXT];
        assert_int_equal(lop_sha256_memory(known[i][0], strlen(known[i][0]), text), LOP_OK);
        assert_string_equal(text, known[i][1]);
    }
}

static void a_million_letters_in_pieces(void **state)
{
    (void)state;
    char letters[1000], text[LOP_SHA256_TEXT];
    memset(letters, 'a', sizeof letters);
    lop_sha256 h;
    assert_int_equal(lop_sha256_open(&h), LOP_OK);
    for (int i = 0; i < 1000; i++) assert_int_equal(lop_sha256_add(&h, letters, sizeof letters), LOP_OK);
    assert_int_equal(lop_sha256_text(&h, text), LOP_OK);
    lop_sha256_close(&h);
    lop_sha256_close(&h);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Several files are one stream of bytes; a file longer than a piece is read in several. */
static void files_are_one_stream(void **state)
{
    const size_t size = ((size_t)1 << 20) * 2 + 5, cut = ((size_t)1 << 20) + 3;
    char *bytes = NULL;
    assert_int_equal(lop_alloc(size, 1, &bytes), LOP_OK);
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(i * 7 + i / 4096);
    const char *const paths[] = {path_in(*state, "a"), path_in(*state, "empty"), path_in(*state, "b")};
    assert_int_equal(lop_file_write_atomic(paths[0], bytes, cut), LOP_OK);
    assert_int_equal(lop_file_write_atomic(paths[1], "", 0), LOP_OK);
    assert_int_equal(lop_file_write_atomic(paths[2], bytes + cut, size - cut), LOP_OK);
    char whole[LOP_SHA256_TEXT], parts[LOP_SHA256_TEXT];
    assert_int_equal(lop_sha256_memory(bytes, size, whole), LOP_OK);
    assert_int_equal(lop_sha256_files(paths, 3, NULL, parts), LOP_OK);
    assert_string_equal(whole, parts);
    const char *const missing[] = {paths[0], path_in(*state, "none")};
    assert_failed(lop_sha256_files(missing, 2, NULL, parts), LOP_E_FILE, "none");
    const atomic_bool stop = true;
    assert_failed(lop_sha256_files(paths, 3, &stop, parts), LOP_E_STOPPED, "stopped");
    lop_free(bytes);
}

static lop_status hash_file(void *folder)
{
    const char *const paths[] = {path_in(folder, "a")};
    char text[LOP_SHA256_TEXT];
    return lop_sha256_files(paths, 1, NULL, text);
}

static void digests_survive_the_ladder(void **state)
{
    assert_int_equal(lop_file_write_atomic(path_in(*state, "a"), "abc", 3), LOP_OK);
    assert_int_equal(ladder_climb(hash_file, *state), 2);
}

int test_hash(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests),
        cmocka_unit_test(a_million_letters_in_pieces),
        cmocka_unit_test_setup_teardown(files_are_one_stream, folder_open, folder_close),
        cmocka_unit_test_setup_teardown(digests_survive_the_ladder, folder_open, folder_close),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
