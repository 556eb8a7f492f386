/* report_page.c - the page as a whole, and where it goes. */
#include "core/prune/report_page.h"

#include "core/base/file.h"
#include "core/base/memory.h"
#include "core/page/sheet.h"
#include "core/prune/report_parts.h"

#include <string.h>

void lop_report_percent(double fraction, char *out, size_t size)
{
    lop_text_print(out, size, "%.1f", 100.0 * fraction);
}

void lop_report_place(const lop_account *a, const lop_account_block *block, const lop_account_linear *linear,
                      char *out, size_t size)
{
    lop_text_print(out, size, "block %lld, %s", (long long)block->index, a->columns[linear->column].label);
}

void lop_report_model(const lop_account *a, char *out, size_t size)
{
    const char *path = a->model != NULL ? a->model : "";
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') end--;
    size_t from = end;
    while (from > 0 && path[from - 1] != '/') from--;
    lop_text_print(out, size, "%.*s", end > from ? (int)(end - from) : 7,
                   end > from ? path + from : "a model");
}

static lop_status draw(const lop_account *a, lop_markup *m)
{
    char model[256], title[384];
    lop_report_model(a, model, sizeof model);
    lop_text_print(title, sizeof title, "%s, %s", model, a->method);
    lop_sheet_open(m, title, lop_report_style);
    lop_report_head(m, a);
    lop_report_heat(m, a);
    lop_report_losses(m, a);
    lop_report_curves(m, a);
    lop_report_rows(m, a);
    lop_report_run(m, a);
    lop_report_numbers(m, a);
    lop_sheet_close(m);
    return m->status;
}

/* A page may be drawn again over the last one; a model or a report is not lost to a slip of the hand. */
static lop_status place_check(const char *save)
{
    static const char begins[] = "<!DOCTYPE html>";
    char first[sizeof begins - 1];
    lop_file file;
    if (lop_path_is_folder(save))
        return LOP_FAIL(LOP_E_ARGUMENT, "%s is a folder: --save names the page, a file", save);
    if (!lop_path_is_file(save)) return LOP_OK;
    LOP_TRY(lop_file_open(save, &file));
    lop_status status = file.size < sizeof first ? LOP_OK : lop_file_read_at(&file, 0, first, sizeof first);
    const bool page =
        file.size == 0 || (file.size >= sizeof first && memcmp(first, begins, sizeof first) == 0);
    lop_file_close(&file);
    LOP_TRY(status);
    if (page) return LOP_OK;
    return LOP_FAIL(LOP_E_ARGUMENT, "%s is there already and is no page: choose another name", save);
}

static lop_status result_make(const char *save, size_t bytes, lop_seal seal, char **out)
{
    lop_string json = {0};
    lop_status status = LOP_OK;
    LOP_TRY_DONE(lop_string_print(&json, "{\"page\":"));
    LOP_TRY_DONE(lop_string_add_json(&json, save, strlen(save)));
    LOP_TRY_DONE(lop_string_print(&json, ",\"bytes\":%zu,\"sealed\":%s}", bytes,
                                  seal == LOP_SEAL_WHOLE ? "true" : "false"));
done:
    if (status == LOP_OK)
        *out = json.at;
    else
        lop_string_close(&json);
    return status;
}

static void tell_seal(const char *folder, lop_seal seal, lop_log *log)
{
    if (seal == LOP_SEAL_BROKEN)
        lop_log_say(log, LOP_EVENT_WARNING,
                    "%s/%s does not agree with its own digest: it was changed after it was written, and the "
                    "page says so",
                    folder, LOP_REPORT_NAME);
    if (seal == LOP_SEAL_NONE)
        lop_log_say(log, LOP_EVENT_WARNING,
                    "%s/%s has no digest of itself: nothing shows that it is as it was written, and the page "
                    "says so",
                    folder, LOP_REPORT_NAME);
}

lop_status lop_report_page(const char *folder, const char *save, lop_log *log, char **result)
{
    lop_status status = LOP_OK;
    lop_account a;
    lop_markup m = {.status = LOP_OK};
    *result = NULL;
    LOP_TRY(place_check(save));
    LOP_TRY(lop_account_open(folder, &a));
    LOP_TRY_DONE(draw(&a, &m));
    LOP_TRY_DONE(lop_file_write_atomic(save, m.text.at, m.text.size));
    LOP_TRY_DONE(result_make(save, m.text.size, a.seal, result));
    tell_seal(folder, a.seal, log);
done:
    lop_markup_close(&m);
    lop_account_close(&a);
    return status;
}
