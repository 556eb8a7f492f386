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
    char version[128], name[128];
} traits;

static cl_int traits_read(cl_device_id id, traits *t)
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
        {CL_DEVICE_VERSION, sizeof t->version - 1, t->version},
        {CL_DEVICE_NAME, sizeof t->name - 1, t->name},
    };
    *t = (traits){0};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const cl_int code = clGetDeviceInfo(id, asked[i].what, asked[i].size, asked[i].to, NULL);
        if (code != CL_SUCCESS) return code;
    }
    return CL_SUCCESS;
}

/* "OpenCL 3.0 ..." as 300; 0 if it does not read so. */
static int version_of(const char *text)
{
    int major = 0, minor = 0;
    return sscanf(text, "OpenCL %d.%d", &major, &minor) == 2 ? major * 100 + minor * 10 : 0;
}

static void device_look(cl_platform_id platform, cl_device_id id, opencl_found *out, lop_why *why)
{
    traits t;
    const cl_int code = traits_read(id, &t);
    if (code != CL_SUCCESS) {
        tell(why, "a device was passed over: clGetDeviceInfo: %s (%d)", opencl_code_name(code), (int)code);
    } else if (!t.available || (t.type & CL_DEVICE_TYPE_CUSTOM) != 0) {
        tell(why, "%s was passed over: it is not available", t.name);
    } else if (version_of(t.version) < 120) {
        tell(why, "%s was passed over: it has \"%s\", OpenCL 1.2 is needed", t.name, t.version);
    } else if (!t.compiles) {
        tell(why, "%s was passed over: its driver has no compiler", t.name);
    } else if (!t.little_endian) {
        tell(why, "%s was passed over: it is big-endian, little-endian is needed", t.name);
    } else if (t.group < OPENCL_LANES_LEAST) {
        tell(why, "%s was passed over: its largest group is %zu, %d are needed", t.name, t.group,
             (int)OPENCL_LANES_LEAST);
    } else if (out->count < OPENCL_DEVICES_MOST) {
        out->at[out->count++] = (opencl_place){platform, id, t.type};
    }
}

static void platform_look(cl_platform_id platform, opencl_found *out, lop_why *why)
{
    cl_device_id ids[OPENCL_DEVICES_MOST];
    cl_uint count = 0;
    char name[128] = "a platform";
    (void)clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
    const cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, OPENCL_DEVICES_MOST, ids, &count);
    if (code == CL_DEVICE_NOT_FOUND || (code == CL_SUCCESS && count == 0)) {
        tell(why, "platform \"%s\" has no devices", name);
    } else if (code != CL_SUCCESS) {
        tell(why, "platform \"%s\" was passed over: clGetDeviceIDs: %s (%d)", name, opencl_code_name(code),
             (int)code);
    } else {
        for (cl_uint i = 0; i < count && i < OPENCL_DEVICES_MOST; i++)
            device_look(platform, ids[i], out, why);
    }
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
    const lop_status status = opencl_icd_broken(&broken);
    if (broken.at != NULL) tell(why, "%s", broken.at);
    lop_string_close(&broken);
    for (cl_uint i = 0; i < count; i++) platform_look(platforms[i], out, why);
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
