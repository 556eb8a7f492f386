/* opencl_device.c - opens a device: what it has, its context, and where its built programs are kept. */
#include "backends/opencl/opencl_device.h"
#include "backends/opencl/opencl_find.h"
#include "core/base/environment.h"
#include "core/base/memory.h"
#include "core/base/text.h"

#include <clblast_c.h>
#include <stdio.h>
#include <string.h>

/* Lanes of a group on a processor, where they are turns of a loop: more of them only cost local memory. */
enum { LANES_OF_CPU = 64 };

/* "NVIDIA H100 80GB HBM3; OpenCL 3.0 CUDA; NVIDIA CUDA, OpenCL 3.0 CUDA 13.0; driver 580.95" */
static lop_status made_by(const opencl_place *place, char **out)
{
    char *parts[5] = {NULL};
    lop_string text = {0};
    lop_status status;
    LOP_TRY_DONE(opencl_device_text(place->id, CL_DEVICE_NAME, &parts[0]));
    LOP_TRY_DONE(opencl_device_text(place->id, CL_DEVICE_VERSION, &parts[1]));
    LOP_TRY_DONE(opencl_platform_text(place->platform, CL_PLATFORM_NAME, &parts[2]));
    LOP_TRY_DONE(opencl_platform_text(place->platform, CL_PLATFORM_VERSION, &parts[3]));
    LOP_TRY_DONE(opencl_device_text(place->id, CL_DRIVER_VERSION, &parts[4]));
    LOP_TRY_DONE(lop_string_print(&text, "%s; %s; %s, %s; driver %s", parts[0], parts[1], parts[2], parts[3],
                                  parts[4]));
    status = lop_strdup(text.at, out);
done:
    for (int i = 0; i < 5; i++) lop_free(parts[i]);
    lop_string_close(&text);
    return status;
}

int32_t opencl_lanes(size_t most)
{
    int32_t lanes = OPENCL_LANES_LEAST;
    while ((size_t)lanes * 2 <= most && lanes < INT32_MAX / 4) lanes *= 2;
    return most < OPENCL_LANES_LEAST ? 0 : lanes;
}

/* What the device has, as it says itself. */
static lop_status describe(cl_device_id id, lop_device *out, opencl_device *own)
{
    cl_ulong total = 0, largest = 0, local = 0;
    cl_uint units = 0, align_bits = 0;
    cl_device_fp_config single = 0;
    cl_device_type type = 0;
    size_t group = 0;
    const struct {
        cl_device_info what;
        size_t size;
        void *to;
    } asked[] = {
        {CL_DEVICE_TYPE, sizeof type, &type},
        {CL_DEVICE_GLOBAL_MEM_SIZE, sizeof total, &total},
        {CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest},
        {CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local},
        {CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units},
        {CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits, &align_bits},
        {CL_DEVICE_SINGLE_FP_CONFIG, sizeof single, &single},
        {CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        OPENCL_TRY(clGetDeviceInfo(id, asked[i].what, asked[i].size, asked[i].to, NULL));
    own->view_align = align_bits >= 64 ? align_bits / 8 : 8;
    own->bytes_total = (size_t)total;
    own->divides_exactly = (single & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0;
    out->bytes_total = (size_t)total;
    out->max_buf = (size_t)largest;
    out->local_bytes = (size_t)local;
    out->align = own->view_align;
    out->units = (int)units;
    out->lanes_max =
        opencl_lanes((type & CL_DEVICE_TYPE_CPU) != 0 && group > LANES_OF_CPU ? LANES_OF_CPU : group);
    out->product_types = 1u << LOP_F32;
    out->host_memory = false;
    out->accelerator = (type & CL_DEVICE_TYPE_CPU) == 0;
    return LOP_OK;
}

static lop_status context_open(const opencl_place *place, opencl_device *own)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)place->platform,
                                                0};
    cl_int code = CL_SUCCESS;
    own->context = clCreateContext(properties, 1, &place->id, NULL, NULL, &code);
    OPENCL_TRY(code);
    own->service = clCreateCommandQueue(own->context, place->id, 0, &code);
    OPENCL_TRY(code);
    return LOP_OK;
}

lop_status opencl_device_open(int index, lop_device *device)
{
    opencl_found found;
    lop_why why = {""};
    opencl_device *own = NULL;
    char *name = NULL;
    lop_status status;
    LOP_TRY(opencl_find(&found, &why));
    if (index >= found.count)
        return LOP_FAIL(LOP_E_DEVICE, "OpenCL has %d devices, no device %d", found.count, index);
    const opencl_place *place = &found.at[index];
    LOP_TRY(LOP_NEW(&own, 1));
    device->impl = own;
    own->id = place->id;
    (void)pthread_mutex_init(&own->lock, NULL);
    LOP_TRY_DONE(describe(place->id, device, own));
    LOP_TRY_DONE(opencl_device_text(place->id, CL_DEVICE_NAME, &name));
    (void)snprintf(device->name, sizeof device->name, "%s", name);
    LOP_TRY_DONE(made_by(place, &own->made_by));
    if (device->accelerator) LOP_TRY_DONE(lop_cache_folder(&own->cache));
    LOP_TRY_DONE(context_open(place, own));
    lop_free(name);
    return LOP_OK;
done:
    lop_free(name);
    opencl_device_close(device);
    return status;
}

void opencl_device_close(lop_device *device)
{
    opencl_device *own = device->impl;
    for (int word = 0; word < OPENCL_WORDS; word++)
        for (int packs = 0; packs < OPENCL_PACKS; packs++)
            if (own->programs[word][packs] != NULL) (void)clReleaseProgram(own->programs[word][packs]);
    if (own->context != NULL) (void)CLBlastClearCache(); /* its programs would keep the context */
    if (own->service != NULL) (void)clReleaseCommandQueue(own->service);
    if (own->context != NULL) (void)clReleaseContext(own->context);
    (void)pthread_mutex_destroy(&own->lock);
    lop_free(own->cache);
    lop_free(own->made_by);
    lop_free(own);
    device->impl = NULL;
}
