/* prune_rig.c - prunes, and looks at what they leave. */
#include "tests/prune/prune_rig.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "tests/harness/test_groups.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const char *prune_backend = "cpu";

void prune_ok(lop_status status)
{
    if (status != LOP_OK) fail_msg("%s: %s (%s)", lop_status_name(status), lop_error(), lop_error_place());
}

void prune_fails(lop_status status, lop_status want, const char *words)
{
    if (status != want)
        fail_msg("%s where %s was due: %s", lop_status_name(status), lop_status_name(want), lop_error());
    if (strstr(lop_error(), words) == NULL) fail_msg("\"%s\" does not say \"%s\"", lop_error(), words);
}

void scratch_open(char out[64])
{
    (void)snprintf(out, 64, "/tmp/lop_prune_XXXXXX");
    assert_non_null(mkdtemp(out));
}

void scratch_close(const char *folder)
{
    prune_ok(lop_folder_remove(folder));
}

const char *in_folder(const char *folder, const char *name)
{
    static char paths[8][512];
    static int at;
    at = (at + 1) % 8;
    (void)snprintf(paths[at], sizeof paths[at], "%s/%s", folder, name);
    return paths[at];
}

void ids_write(const char *path, const int32_t *ids, int64_t count)
{
    prune_ok(lop_file_write_atomic(path, ids, (size_t)count * sizeof *ids));
}

static int settings_count(const lop_setting *s, int most)
{
    int count = 0;
    while (count < most && s[count].name != NULL) count++;
    return count;
}

static lop_status prune_on(lop_device *device, const lop_checkpoint *model, const prune_try *t, char **report)
{
    lop_option_set set;
    lop_settings settings;
    lop_prune_option_set(lop_method_find(t->method), &set);
    LOP_TRY(
        lop_settings_open(&set, t->settings, settings_count(t->settings, PRUNE_SETTINGS_MOST), &settings));
    const lop_prune_call call = {.device = device,
                                 .model = model,
                                 .method = t->method,
                                 .settings = &settings,
                                 .command = "[\"lop\",\"prune\"]",
                                 .save = t->save,
                                 .device_bytes_most = t->device_bytes_most,
                                 .host_bytes_most = t->host_bytes_most,
                                 .log = t->log};
    const lop_status status = lop_prune_run(&call, report);
    lop_settings_close(&settings);
    return status;
}

lop_status prune_do(const prune_try *t, char **report)
{
    lop_device device;
    lop_checkpoint *model = NULL;
    *report = NULL;
    LOP_TRY(test_device_open(prune_backend, &device));
    if (t->attach != NULL) t->attach(&device);
    lop_status status = lop_device_threads(&device, t->threads);
    if (status == LOP_OK) status = lop_checkpoint_open(t->model, &model);
    if (status == LOP_OK) status = prune_on(&device, model, t, report);
    lop_checkpoint_close(model);
    lop_device_close(&device);
    return status;
}

uint64_t prune_least_budget(prune_try t)
{
    static const char words[] = "GiB of device memory (";
    char *text = NULL;
    t.device_bytes_most = 1;
    prune_fails(prune_do(&t, &text), LOP_E_DEVICE_MEMORY, words);
    return strtoull(strstr(lop_error(), words) + sizeof words - 1, NULL, 10);
}

/* --prune BACKEND MODEL METHOD SAVE NAME VALUE ... */
enum { SPAWN_FIXED = 6 };

pid_t prune_spawn(const prune_try *t)
{
    char *argv[SPAWN_FIXED + 2 * PRUNE_SETTINGS_MOST + 1] = {
        (char *)(uintptr_t) "prune", (char *)(uintptr_t) "--prune", (char *)(uintptr_t)prune_backend,
        (char *)(uintptr_t)t->model, (char *)(uintptr_t)t->method,  (char *)(uintptr_t)t->save};
    int argc = SPAWN_FIXED;
    for (int i = 0; i < PRUNE_SETTINGS_MOST && t->settings[i].name != NULL; i++) {
        argv[argc++] = (char *)(uintptr_t)t->settings[i].name;
        argv[argc++] = (char *)(uintptr_t)t->settings[i].value;
    }
    pid_t child = -1;
    assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    return child;
}

int prune_spawned(int argc, char **argv)
{
    prune_try t = {.model = argv[3], .method = argv[4], .save = argv[5]};
    char *report = NULL;
    prune_backend = argv[2];
    for (int i = SPAWN_FIXED, n = 0; i + 1 < argc && n < PRUNE_SETTINGS_MOST; i += 2, n++)
        t.settings[n] = (lop_setting){argv[i], argv[i + 1]};
    const lop_status status = prune_do(&t, &report);
    if (status != LOP_OK) fprintf(stderr, "%s\n", lop_error());
    lop_free(report);
    return lop_status_exit(status);
}

json_t *prune_report(const prune_try *t)
{
    char *text = NULL;
    json_t *report = NULL;
    prune_ok(prune_do(t, &text));
    prune_ok(lop_json_parse(text, strlen(text), &report));
    lop_free(text);
    return report;
}

lop_status verify_do(const char *folder, const lop_setting *settings, char **result)
{
    lop_option_set set = {.table_count = 1};
    lop_settings opened;
    set.tables[0] = lop_verify_options(&set.counts[0]);
    *result = NULL;
    LOP_TRY(lop_settings_open(&set, settings, settings_count(settings, PRUNE_SETTINGS_MOST), &opened));
    const lop_status status = lop_verify_run(folder, &opened, NULL, result);
    lop_settings_close(&opened);
    return status;
}

/* A file's bytes, of a report those of its still form. */
static char *bytes_of(const char *folder, const char *name, size_t *size)
{
    char *text = NULL, *still = NULL;
    json_t *report = NULL;
    prune_ok(lop_file_read(in_folder(folder, name), (uint64_t)1 << 30, &text, size));
    if (strcmp(name, LOP_REPORT_NAME) != 0) return text;
    prune_ok(lop_json_parse(text, *size, &report));
    prune_ok(lop_report_still(report));
    prune_ok(lop_report_text(report, &still, size));
    lop_free(text);
    json_decref(report);
    return still;
}

static bool file_equal(const char *a, const char *b, const char *name)
{
    size_t sizes[2] = {0};
    char *left = bytes_of(a, name, &sizes[0]), *right = bytes_of(b, name, &sizes[1]);
    const bool equal = sizes[0] == sizes[1] && memcmp(left, right, sizes[0]) == 0;
    if (!equal) print_error("%s differs between %s and %s\n", name, a, b);
    lop_free(left);
    lop_free(right);
    return equal;
}

bool folders_equal(const char *a, const char *b)
{
    lop_names left, right;
    prune_ok(lop_folder_list(a, &left));
    prune_ok(lop_folder_list(b, &right));
    bool equal = left.count == right.count;
    for (int i = 0; equal && i < left.count; i++)
        equal = strcmp(left.at[i], right.at[i]) == 0 && file_equal(a, b, left.at[i]);
    if (left.count != right.count) print_error("%s has %d files, %s %d\n", a, left.count, b, right.count);
    lop_names_close(&left);
    lop_names_close(&right);
    return equal;
}

double json_at(const json_t *root, const char *path)
{
    char part[64];
    while (*path != 0) {
        const size_t size = strcspn(path, ".");
        assert_true(size < sizeof part);
        memcpy(part, path, size);
        part[size] = 0;
        root = json_object_get(root, part);
        path += size + (path[size] == '.');
    }
    if (!json_is_number(root)) fail_msg("there is no number at the end of the path");
    return json_number_value(root);
}
