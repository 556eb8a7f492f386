/* bench_io.c - lop bench io: how long a model takes to open and list, its tokenizer to open, a text to become ids. These
 * are the host's: no device takes part, and the page cache is as it is. */
#include "bench/line.h"
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/model/family.h"

enum { REPS = 5 };
#define TEXT_MOST ((uint64_t)1 << 32)

/* Opens a folder, resolves every tensor that a forward needs, and looks at each of the others. */
static lop_status open_and_list(const char *path, bench_line *line)
{
    lop_checkpoint *file = NULL;
    lop_net net = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_checkpoint_open(path, &file));
    LOP_TRY_DONE(lop_net_open(file, &net));
    line->bytes = 0.0;
    for (int32_t i = 0; i < lop_checkpoint_count(file); i++)
        line->bytes += (double)lop_checkpoint_at(file, i)->bytes;
    line->shape[0] = lop_checkpoint_count(file);
    line->shape[1] = lop_checkpoint_files(file);
done:
    lop_net_close(&net);
    lop_checkpoint_close(file);
    return status;
}

static lop_status time_open(const bench *b, const char *path, double *ns, int reps)
{
    bench_line line = {.name = "open_and_list", .shape_rank = 2};
    for (int i = 0; i < reps; i++) {
        const double from = bench_clock();
        LOP_TRY(open_and_list(path, &line));
        ns[i] = bench_clock() - from;
    }
    line.stats = bench_stats_of(ns, reps);
    line.bytes = 0.0; /* they are listed, not read */
    return bench_line_print(b, &line);
}

static lop_status time_tokenizer(const bench *b, const char *path, double *ns, int reps)
{
    lop_checkpoint *file = NULL;
    bench_line line = {.name = "tokenizer_open", .shape_rank = 1};
    LOP_TRY(lop_checkpoint_open(path, &file));
    lop_status status = LOP_OK;
    for (int i = 0; status == LOP_OK && i < reps; i++) {
        lop_tokenizer *t = NULL;
        const double from = bench_clock();
        status = lop_checkpoint_tokenizer(file, &t);
        ns[i] = bench_clock() - from;
        if (t) line.shape[0] = lop_tokenizer_size(t);
        lop_tokenizer_close(t);
    }
    lop_checkpoint_close(file);
    LOP_TRY(status);
    line.stats = bench_stats_of(ns, reps);
    return bench_line_print(b, &line);
}

/* A tokenizer may remember words: each repetition has its own, so that each is a first one. */
static lop_status encode_once(const lop_checkpoint *file, lop_text text, double *ns, int64_t *count)
{
    lop_tokenizer *t = NULL;
    lop_ids ids = {0};
    LOP_TRY(lop_checkpoint_tokenizer(file, &t));
    const double from = bench_clock();
    const lop_status status = lop_tokenizer_encode(t, text, true, &ids);
    *ns = bench_clock() - from;
    *count = ids.count;
    lop_ids_close(&ids);
    lop_tokenizer_close(t);
    return status;
}

static lop_status time_encode(const bench *b, const char *path, const char *text_path, double *ns, int reps)
{
    lop_checkpoint *file = NULL;
    char *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    bench_line line = {.name = "tokenise", .shape_rank = 2};
    LOP_TRY_DONE(lop_checkpoint_open(path, &file));
    LOP_TRY_DONE(lop_file_read(text_path, TEXT_MOST, &text, &size));
    for (int i = 0; i < reps; i++)
        LOP_TRY_DONE(encode_once(file, (lop_text){text, size}, &ns[i], &line.shape[1]));
    line.shape[0] = (int64_t)size;
    line.bytes = (double)size;
    line.stats = bench_stats_of(ns, reps);
    status = bench_line_print(b, &line);
done:
    lop_free(text);
    lop_checkpoint_close(file);
    return status;
}

lop_status bench_io(bench *b)
{
    const char *model = lop_settings_text(&b->settings, "model"),
               *text = lop_settings_text(&b->settings, "text");
    const int reps = bench_reps(b, REPS);
    double *ns = NULL;
    lop_status status = LOP_OK;
    if (model == NULL)
        return LOP_FAIL(LOP_E_ARGUMENT, "lop bench io needs --model, a folder or a .gguf file");
    LOP_TRY(LOP_NEW(&ns, reps));
    LOP_TRY_DONE(time_open(b, model, ns, reps));
    LOP_TRY_DONE(time_tokenizer(b, model, ns, reps));
    if (text != NULL) LOP_TRY_DONE(time_encode(b, model, text, ns, reps));
    status = bench_lines_end(b, "io", text ? 3 : 2);
done:
    lop_free(ns);
    return status;
}
