/* ops_launch.c - the way to a kernel: which instance, how many lanes. */
#include "core/device/ops.h"

enum { LANES_LEAST = 128, LANES_MOST = 512, COLS_PER_LANE = 16, PACK = 8, ACCESS = 16 };

/* What list.h says of a kernel: the letters of its arguments' kinds, parted by commas, and its words. */
enum {
    F32 = 1 << LOP_F32,
    HALVES = 1 << LOP_F16 | 1 << LOP_BF16,
    WORDS = F32 | HALVES,
};
static const struct {
    const char *kinds;
    int words;
} kernels[] = {
#define K(name, words, ...) [LOP_KERNEL_##name] = {#__VA_ARGS__, words},
#include "kernels/list.h"
#undef K
};

/* The launch has as many arguments as the kernel takes. */
static bool fits(lop_kernel k, lop_type word, int32_t nargs)
{
    int32_t letters = 0;
    for (const char *c = kernels[k].kinds; *c != '\0'; c++) letters += *c >= 'A' && *c <= 'Z';
    return letters == nargs && (kernels[k].words >> word & 1) != 0;
}

/* Packs of eight are one access where every row starts at a multiple of 16 bytes. Indices, statistics of a row and keep
 * bits are not read in packs. */
static bool allows_packs(lop_mat m)
{
    if (m.buf == NULL || m.cols < PACK || m.type > LOP_BF16) return true;
    const int64_t size = m.type == LOP_F32 ? 4 : 2;
    return m.at * size % ACCESS == 0 && (m.rows <= 1 || m.ld * size % ACCESS == 0);
}

static bool is_wide(lop_kernel k, const lop_launch_shape *shape, const lop_arg *args)
{
    bool wide = shape->cols % PACK == 0;
    int32_t i = 0;
    for (const char *c = kernels[k].kinds; wide && *c != '\0'; c++) {
        if (*c < 'A' || *c > 'Z') continue;
        if (*c == 'M') wide = allows_packs(args[i].m);
        i++;
    }
    return wide;
}

/* About a sixteenth of the columns, a power of two between 128 and 512, no more than the device has. */
static int32_t lanes_for(const lop_device *device, const lop_launch_shape *shape)
{
    int32_t lanes = shape->lanes > 0 ? shape->lanes : LANES_LEAST;
    while (shape->lanes == 0 && lanes < LANES_MOST && lanes * COLS_PER_LANE < shape->cols) lanes *= 2;
    while (lanes > device->lanes_max) lanes /= 2;
    return lanes;
}

lop_status lop_launch(lop_queue *q, lop_kernel k, const lop_launch_shape *shape, int32_t nargs,
                      const lop_arg *args)
{
    if (!fits(k, shape->word, nargs))
        return LOP_FAIL(LOP_E_INTERNAL, "kernel %d takes (%s), a launch gave %d arguments and word %s",
                        (int)k, kernels[k].kinds, nargs, lop_type_name(shape->word));
    if (shape->groups == 0) return LOP_OK;
    if (shape->local_bytes > q->device->local_bytes)
        return LOP_FAIL(LOP_E_UNSUPPORTED, "%s gives a group %zu bytes of local memory; %zu are needed",
                        q->device->name, q->device->local_bytes, shape->local_bytes);
    return q->device->backend->launch(q, k, shape->word, is_wide(k, shape, args), shape->groups,
                                      lanes_for(q->device, shape), shape->local_bytes, nargs, args);
}
