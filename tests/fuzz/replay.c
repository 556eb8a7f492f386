/* replay.c - a fuzz target without a fuzzer: runs it over the files of a folder, each as it is, cut at every length, and
 * with every byte changed in three ways. Usage: replay_NAME FOLDER */
#include "core/base/file.h"
#include "core/base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FILE_MOST 65536 /* the work grows with the square of a file's size */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each run gets its own copy, so that a sanitizer sees a read behind the end. */
static lop_status run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    LOP_TRY(lop_alloc(size, 1, &copy));
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    lop_free(copy);
    return LOP_OK;
}

static lop_status replay(uint8_t *data, size_t size)
{
    static const uint8_t flips[] = {0x01, 0x20, 0xff};
    for (size_t cut = 0; cut <= size; cut++) LOP_TRY(run_copy(data, cut));
    for (size_t i = 0; i < size; i++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            data[i] ^= flips[k];
            const lop_status status = run_copy(data, size);
            data[i] ^= flips[k];
            LOP_TRY(status);
        }
    }
    return LOP_OK;
}

static lop_status replay_file(const char *folder, const char *name)
{
    char *path = NULL, *data = NULL;
    size_t size = 0;
    lop_status status;
    LOP_TRY_DONE(lop_path_join(folder, name, &path));
    LOP_TRY_DONE(lop_file_read(path, FILE_MOST, &data, &size));
    printf("%s: %zu bytes\n", path, size);
    (void)fflush(stdout); /* a crash must not take the name with it */
    status = replay((uint8_t *)data, size);
done:
    lop_free(data);
    lop_free(path);
    return status;
}

int main(int argc, char **argv)
{
    lop_names names = {0};
    const char *folder = argc > 1 ? argv[1] : ".";
    lop_status status = lop_folder_list(folder, &names);
    if (status == LOP_OK && names.count == 0) status = LOP_FAIL(LOP_E_FILE, "%s is empty", folder);
    for (int i = 0; i < names.count && status == LOP_OK; i++) status = replay_file(folder, names.at[i]);
    lop_names_close(&names);
    if (status != LOP_OK) (void)fprintf(stderr, "%s\n", lop_error());
    return status != LOP_OK;
}
