/* opencl_find.c - looks through all platforms for devices that can run lop, and tells what it passed over. */
#include "backends/opencl/opencl_find.h"
#include "backends/opencl/opencl_icd.h"
#include "core/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PLATFORMS_MOST = 32 };
#define NOT_FOUND_KHR (-1001) /* what a loader says that found no driver */

static void LOP_PRINTF(2, 3) tell(lop_why *why, const char *format, ...)
{
    const size_t used = strlen(why->text), left = sizeof why->text - used;
    va_list args;
    if (used + 3 >= sizeof why->text) return;
    va_start(args, format);
    const int gap = used ? snprintf(why->text + used, left, "; ") : 0;
    (void)vsnprintf(why->text + used + gap, left - (size_t)gap, format, args);
    va_end(args);
}

lop_status opencl_device_text(cl_device_id id, cl_device_info what, char **out)
{
    size_t size = 0;
    OPENCL_TRY(clGetDeviceInfo(id, what, 0, NULL, &size));
    LOP_TRY(LOP_NEW(out, size + 1));
    OPENCL_TRY(clGetDeviceInfo(id, what, size, *out, NULL));
    return LOP_OK;
}

lop_status opencl_platform_text(cl_platform_id id, cl_platform_info what, char **out)
{
    size_t size = 0;
    OPENCL_TRY(clGetPlatformInfo(id, what, 0, NULL, &size));
    LOP_TRY(LOP_NEW(out, size + 1));
    OPENCL_TRY(clGetPlatformInfo(id, what, size, *out, NULL));
    return LOP_OK;
}

/* What a device must be asked before it is opened. */
typedef struct traits {
    cl_device_type type;
    cl_bool available, compiles, little_endian;
    size_t group;
    char *version, *name;
} traits;

static lop_status traits_read(cl_device_id id, traits *t)
{
    const struct {
        cl_device_info what;
        size_t size;
        void *to;
    } asked[] = {
        {CL_DEVICE_TYPE, sizeof t->type, &t->type},
        {CL_DEVICE_AVAILABLE, sizeof t->available, &t->available},
        {CL_DEVICE_COMPILER_AVAILABLE, sizeof t->compiles, &t->compiles},
        {CL_DEVICE_ENDIAN_LITTLE, sizeof t->little_endian, &t->little_endian},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof t->group, &t->group},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        OPENCL_TRY(clGetDeviceInfo(id, asked[i].what, asked[i].size, asked[i].to, NULL));
    LOP_TRY(opencl_device_text(id, CL_DEVICE_VERSION, &t->version));
    return opencl_device_text(id, CL_DEVICE_NAME, &t->name);
}

/* "OpenCL 3.0 ..." as 300; 0 if it does not read so. */
static int version_of(const char *text)
{
    int major = 0, minor = 0;
    return sscanf(text, "OpenCL %d.%d", &major, &minor) == 2 ? major * 100 + minor * 10 : 0;
}

/* Whether a device has what it takes; what it has not is told. */
static bool suits(const traits *t, lop_why *why)
{
    if (!t->available || (t->type & CL_DEVICE_TYPE_CUSTOM) != 0)
        tell(why, "%s was passed over: it is not available", t->name);
    else if (version_of(t->version) < 120)
        tell(why, "%s was passed over: it has \"%s\", OpenCL 1.2 is needed", t->name, t->version);
    else if (!t->compiles)
        tell(why, "%s was passed over: its driver has no compiler", t->name);
    else if (!t->little_endian)
        tell(why, "%s was passed over: it is big-endian, little-endian is needed", t->name);
    else if (t->group < OPENCL_LANES_LEAST)
        tell(why, "%s was passed over: its largest group is %zu, %d are needed", t->name, t->group,
             (int)OPENCL_LANES_LEAST);
    else
        return true;
    return false;
}

/* What does not say what it is, is told and survived; only too little memory here is a failure. */
static lop_status pass_over(lop_status status, const char *what, lop_why *why)
{
    if (status == LOP_E_MEMORY) return status;
    tell(why, "%s was passed over: %s", what, lop_error());
    lop_error_clear();
    return LOP_OK;
}

static lop_status device_look(cl_platform_id platform, cl_device_id id, opencl_found *out, lop_why *why)
{
    traits t = {0};
    lop_status status = traits_read(id, &t);
    if (status != LOP_OK)
        status = pass_over(status, "a device", why);
    else if (suits(&t, why) && out->count < OPENCL_DEVICES_MOST)
        out->at[out->count++] = (opencl_place){platform, id, t.type};
    lop_free(t.version);
    lop_free(t.name);
    return status;
}

static lop_status devices_look(cl_platform_id platform, const char *name, opencl_found *out, lop_why *why)
{
    cl_device_id ids[OPENCL_DEVICES_MOST];
    cl_uint count = 0;
    const cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, OPENCL_DEVICES_MOST, ids, &count);
    if (code == CL_DEVICE_NOT_FOUND || (code == CL_SUCCESS && count == 0)) {
        tell(why, "platform \"%s\" has no devices", name);
    } else if (code != CL_SUCCESS) {
        tell(why, "platform \"%s\" was passed over: clGetDeviceIDs: %s (%d)", name, opencl_code_name(code),
             (int)code);
    } else {
        for (cl_uint i = 0; i < count && i < OPENCL_DEVICES_MOST; i++)
            LOP_TRY(device_look(platform, ids[i], out, why));
    }
    return LOP_OK;
}

static lop_status platform_look(cl_platform_id platform, opencl_found *out, lop_why *why)
{
    char *name = NULL;
    lop_status status = opencl_platform_text(platform, CL_PLATFORM_NAME, &name);
    status = status == LOP_OK ? devices_look(platform, name, out, why) : pass_over(status, "a platform", why);
    lop_free(name);
    return status;
}

static int rank(cl_device_type type)
{
    if ((type & CL_DEVICE_TYPE_GPU) != 0) return 0;
    return (type & CL_DEVICE_TYPE_CPU) != 0 ? 2 : 1;
}

/* Insertion: stable, and there are few. */
static void order(opencl_found *found)
{
    for (int i = 1; i < found->count; i++) {
        const opencl_place moved = found->at[i];
        int to = i;
        for (; to > 0 && rank(found->at[to - 1].type) > rank(moved.type); to--)
            found->at[to] = found->at[to - 1];
        found->at[to] = moved;
    }
}

/* What the loader found; *count 0 with the reason told if nothing. */
static void platforms_read(cl_platform_id *platforms, cl_uint *count, lop_why *why)
{
    const cl_int code = clGetPlatformIDs(PLATFORMS_MOST, platforms, count);
    if (code == NOT_FOUND_KHR || (code == CL_SUCCESS && *count == 0)) {
        tell(why, "no OpenCL platform: drivers are looked for in %s", opencl_icd_folder());
    } else if (code != CL_SUCCESS) {
        tell(why, "clGetPlatformIDs: %s (%d)", opencl_code_name(code), (int)code);
    }
    if (code != CL_SUCCESS) *count = 0;
    if (*count > PLATFORMS_MOST) *count = PLATFORMS_MOST;
}

lop_status opencl_find(opencl_found *out, lop_why *why)
{
    cl_platform_id platforms[PLATFORMS_MOST];
    cl_uint count = 0;
    lop_string broken = {0};
    out->count = 0;
    platforms_read(platforms, &count, why);
    lop_status status = opencl_icd_broken(&broken);
    if (broken.at != NULL) tell(why, "%s", broken.at);
    lop_string_close(&broken);
    for (cl_uint i = 0; i < count && status == LOP_OK; i++) status = platform_look(platforms[i], out, why);
    order(out);
    return status;
}

lop_status opencl_device_count(int *count, lop_why *why)
{
    opencl_found found;
    *count = 0;
    LOP_TRY(opencl_find(&found, why));
    *count = found.count;
    return LOP_OK;
}
