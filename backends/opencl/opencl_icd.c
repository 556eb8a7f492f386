/* opencl_icd.c - reads the folder in which drivers register, as the loader does: a file NAME.icd holds the name of a
 * library. What the loader could use it keeps loaded; a library that is not loaded was refused. */
#include "backends/opencl/opencl_icd.h"
#include "core/base/environment.h"
#include "core/base/file.h"
#include "core/base/memory.h"

#include <dlfcn.h>
#include <string.h>

enum { FILE_MOST = 4096 };

/* The loader takes OCL_ICD_VENDORS for it, where that names a folder. */
const char *opencl_icd_folder(void)
{
    const char *folder = lop_environment("OCL_ICD_VENDORS");
    return folder != NULL && lop_path_is_folder(folder) ? folder : "/etc/OpenCL/vendors";
}

static bool is_loaded(const char *library)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (handle != NULL) (void)dlclose(handle); /* takes back this look at it */
    return handle != NULL;
}

/* One file of the folder: its first line names a library. */
static lop_status icd_look(const char *folder, const char *name, lop_string *out)
{
    char *path = NULL, *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    LOP_TRY(lop_path_join(folder, name, &path));
    if (lop_file_read(path, FILE_MOST, &text, &size) == LOP_OK) {
        text[strcspn(text, "\r\n")] = '\0';
        if (!is_loaded(text))
            status = lop_string_print(out, "%s%s was passed over: \"%s\" does not load or has no platform",
                                      out->size ? "; " : "", name, text);
    } else {
        lop_error_clear();
    }
    lop_free(text);
    lop_free(path);
    return status;
}

lop_status opencl_icd_broken(lop_string *out)
{
    const char *folder = opencl_icd_folder();
    lop_names names;
    lop_status status = LOP_OK;
    if (lop_folder_list(folder, &names) != LOP_OK) {
        lop_error_clear();
        return LOP_OK;
    }
    for (int i = 0; i < names.count && status == LOP_OK; i++) {
        const size_t size = strlen(names.at[i]);
        if (size > 4 && strcmp(names.at[i] + size - 4, ".icd") == 0)
            status = icd_look(folder, names.at[i], out);
    }
    lop_names_close(&names);
    return status;
}
