/* gguf_case.c - the loop over files that are wrong. */
#include "tests/io/gguf_case.h"

#include "core/io/gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

lop_status gguf_run(const char *path, gguf_stage last)
{
    lop_gguf *g;
    lop_config config;
    lop_tokenizer *tokenizer = NULL;
    lop_status status = lop_gguf_open(path, &g);
    assert_true((status == LOP_OK) == (g != NULL));
    if (status == LOP_OK && last == GGUF_CONFIG) status = lop_gguf_config(g, &config);
    if (status == LOP_OK && last == GGUF_TOKENIZER) status = lop_gguf_tokenizer(g, &tokenizer);
    lop_tokenizer_close(tokenizer);
    lop_gguf_close(g);
    return status;
}

static bool as_expected(const gguf_case *c, const char *path)
{
    const lop_status opened = c->stage == GGUF_OPEN ? LOP_OK : gguf_run(path, GGUF_OPEN);
    const lop_status status = opened == LOP_OK ? gguf_run(path, c->stage) : opened;
    return opened == LOP_OK && status == c->status && strstr(lop_error(), c->words) != NULL;
}

void gguf_cases_check(const gguf_case *cases, size_t count, const gguf_image *image)
{
    gguf_file file;
    int wrong = 0;
    gguf_file_open(&file);
    for (size_t i = 0; i < count; i++) {
        cases[i].build();
        gguf_file_write(&file, image->at, image->size);
        if (as_expected(&cases[i], file.path)) continue;
        print_error("case %zu, \"%s\": %s\n", i, cases[i].words, lop_error());
        wrong++;
    }
    gguf_file_close(&file);
    assert_int_equal(wrong, 0);
}
