/* bench_model.c - lop bench model: one whole prune as anybody would run it, from files to files, through the public
 * header. The files of the model are pushed out of the page cache first where the system does that. */
#include "bench/line.h"
#include "bench/page_cache.h"
#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/io/json.h"
#include "core/prune/run.h"

#include <stdlib.h>
#include <string.h>

#define MOSTLY_GONE 0.01 /* of the pages: what headers and read-ahead bring back */

typedef struct model_bench {
    bench *b;
    const char *method, *path;
    char *save; /* where the output goes */
    bool keep;  /* the user named it */
    lop_setting *settings;
    int count;
    char *command;
    lop_model *model;
    lop_result *result;
    double resident, seconds, bytes;
} model_bench;

/* The settings of the prune: all that are no options of the bench alone. */
static lop_status take_settings(model_bench *k)
{
    int ours = 0;
    const lop_option *options = bench_options(&ours);
    const lop_settings *s = &k->b->settings;
    LOP_TRY(lop_alloc((size_t)s->count + 1, sizeof *k->settings, &k->settings));
    for (int i = 0; i < s->count; i++) {
        bool own = false;
        for (int j = 0; j < ours; j++) own |= strcmp(s->at[i].name, options[j].name) == 0;
        if (!own) k->settings[k->count++] = s->at[i];
    }
    k->settings[k->count++] = (lop_setting){"command", k->command};
    return LOP_OK;
}

static lop_status take_command(model_bench *k)
{
    json_t *array = json_array();
    for (int i = 0; i < k->b->call->argc; i++)
        (void)json_array_append_new(array, json_string(k->b->call->argv[i]));
    k->command = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return k->command ? LOP_OK : LOP_FAIL(LOP_E_ARGUMENT, "an argument is not UTF-8");
}

static lop_status choose_save(model_bench *k)
{
    const char *save = lop_settings_text(&k->b->settings, "save"), *folder = getenv("TMPDIR");
    k->keep = save != NULL;
    if (save != NULL) return lop_strdup(save, &k->save);
    LOP_TRY(lop_path_join(folder ? folder : "/tmp", "lop-bench-XXXXXX", &k->save));
    if (mkdtemp(k->save) != NULL) return LOP_OK;
    return LOP_FAIL(LOP_E_OUTPUT, "no folder can be made at %s: give --save", k->save);
}

static lop_status drop_cache(model_bench *k)
{
    lop_checkpoint *file = NULL;
    LOP_TRY(lop_checkpoint_open(k->path, &file));
    const lop_status status = page_cache_drop(file, &k->resident);
    for (int32_t i = 0; i < lop_checkpoint_count(file); i++)
        k->bytes += (double)lop_checkpoint_at(file, i)->bytes;
    lop_checkpoint_close(file);
    return status;
}

static lop_status prune(model_bench *k)
{
    LOP_TRY(drop_cache(k));
    const double from = bench_clock();
    LOP_TRY(lop_model_open(k->b->call->session, k->path, &k->model));
    LOP_TRY(lop_prune(k->model, k->method, k->settings, k->count, k->save, &k->result));
    k->seconds = (bench_clock() - from) * 1e-9;
    return LOP_OK;
}

/* What the run's own report says of a key. */
static json_t *report_part(const json_t *report, const char *key)
{
    json_t *part = json_object_get(report, key);
    return part ? json_incref(part) : json_null();
}

static lop_status print(const model_bench *k)
{
    json_t *report = NULL;
    lop_host_peak host;
    const char *text = lop_result_json(k->result);
    LOP_TRY(lop_json_parse(text, strlen(text), &report));
    lop_host_peak_read(&host);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:f, s:o, s:f, s:s, s:f, s:o, s:{s:I, s:I}, s:o, s:o}", "bench", "model",
        "model", k->path, "method", k->method, "backend", report_part(report, "backend"), "device",
        report_part(report, "device"), "seconds_whole", k->seconds, "seconds", report_part(report, "seconds"),
        "model_bytes", k->bytes, "page_cache", k->resident < MOSTLY_GONE ? "dropped" : "not dropped",
        "page_cache_resident", k->resident, "peak_bytes", report_part(report, "peak_bytes"),
        "host_peak_bytes", "anonymous", (json_int_t)host.anonymous, "mapped", (json_int_t)host.mapped,
        "sparsity", report_part(report, "sparsity"), "calibration", report_part(report, "calibration"));
    lop_json_close(report);
    return bench_object_print(k->b, o, true);
}

static lop_status check(model_bench *k)
{
    k->method = lop_settings_text(&k->b->settings, "method");
    k->path = lop_settings_text(&k->b->settings, "model");
    if (k->method == NULL || k->path == NULL)
        return LOP_FAIL(LOP_E_ARGUMENT, "lop bench model needs --model and --method, and what a prune needs");
    return LOP_OK;
}

/* The folder is ours and goes, whatever came of the run; a failure of the run is the one to tell. */
static lop_status remove_save(const model_bench *k, lop_status status)
{
    lop_error_record record;
    lop_error_save(&record);
    const lop_status removed = lop_folder_remove(k->save);
    if (status != LOP_OK) lop_error_restore(&record);
    return status != LOP_OK ? status : removed;
}

lop_status bench_model(bench *b)
{
    model_bench k = {.b = b};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(check(&k));
    LOP_TRY_DONE(take_command(&k));
    LOP_TRY_DONE(take_settings(&k));
    LOP_TRY_DONE(choose_save(&k));
    LOP_TRY_DONE(prune(&k));
    status = print(&k);
done:
    lop_result_close(k.result);
    lop_model_close(k.model);
    if (k.save && !k.keep) status = remove_save(&k, status);
    lop_free(k.save);
    lop_free(k.settings);
    free(k.command); /* jansson's */
    return status;
}
