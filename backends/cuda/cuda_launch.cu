/* cuda_launch.cu - every kernel of list.h compiled for the GPU, in its words and packs, and the launch of one: its
 * address from a table, its arguments by the kinds of the list. */
#include "backends/cuda/cuda_backend.h"
#include "kernels/dialect.h"

#define PACKS 1
#include "backends/cuda/cuda_words.cuh"
#undef PACKS
#define PACKS 8
#include "backends/cuda/cuda_words.cuh"
#undef PACKS

namespace
{

enum { ROW_WORDS = 3, ARGS_MOST = 12, PARAMS_MOST = 3 * ARGS_MOST, LOCAL_USUAL = 48 << 10 };

struct row {
    const void *code[ROW_WORDS][2]; /* by word, by width; NULL where list.h has no such instance */
    const char *name, *kinds;       /* the letters of its arguments' kinds, parted by commas */
};

#define WIDTHS(name, word)                                                                                   \
    {                                                                                                        \
        (const void *)name##_##word##_1, (const void *)name##_##word##_8                                     \
    }
#define INSTANCES_WORDS(name)                                                                                \
    {                                                                                                        \
        WIDTHS(name, f32), WIDTHS(name, f16), WIDTHS(name, bf16)                                             \
    }
#define INSTANCES_HALVES(name)                                                                               \
    {                                                                                                        \
        {NULL, NULL}, WIDTHS(name, f16), WIDTHS(name, bf16)                                                  \
    }
#define INSTANCES_F32(name)                                                                                  \
    {                                                                                                        \
        WIDTHS(name, f32), {NULL, NULL},                                                                     \
        {                                                                                                    \
            NULL, NULL                                                                                       \
        }                                                                                                    \
    }
const row rows[LOP_KERNEL_COUNT] = {
#define K(name, words, ...) {INSTANCES_##words(name), #name, #__VA_ARGS__},
#include "kernels/list.h"
#undef K
};
/* Kinds read "M, F, I": two characters between letters. */
#define K(name, words, ...) static_assert((sizeof #__VA_ARGS__ + 1) / 3 <= ARGS_MOST, #name);
#include "kernels/list.h"
#undef K
static_assert(LOP_F32 == 0 && LOP_F16 == 1 && LOP_BF16 == 2, "words index the instances");

/* Addresses of a launch's parameters; a matrix is three of them: base, element offset, row stride. */
struct params {
    void *at[PARAMS_MOST];
    void *base[PARAMS_MOST];
    int count;
};

bool params_fill(const char *kinds, int32_t nargs, const lop_arg *args, params *p)
{
    int32_t i = 0;
    for (const char *c = kinds; *c != '\0'; c++) {
        if (*c < 'A' || *c > 'Z') continue;
        if (i == nargs) return false;
        lop_arg *arg = const_cast<lop_arg *>(&args[i]);
        if (*c != 'M') {
            p->at[p->count++] = &arg->i; /* all members of the union start where it does */
        } else {
            p->base[i] = arg->m.buf == NULL ? NULL : arg->m.buf->impl;
            p->at[p->count++] = &p->base[i];
            p->at[p->count++] = &arg->m.at;
            p->at[p->count++] = &arg->m.ld;
        }
        i++;
    }
    return i == nargs;
}

} // namespace

/* The parameters are the interface's own. NOLINTNEXTLINE(readability-function-size) */
lop_status cuda_launch(lop_queue *q, lop_kernel k, lop_type word, bool wide, int32_t groups, int32_t lanes,
                       size_t local_bytes, int32_t nargs, const lop_arg *args)
{
    const cuda_queue *queue = (const cuda_queue *)q->impl;
    const row *r = &rows[k];
    const void *code = (int)word < ROW_WORDS ? r->code[word][wide ? 1 : 0] : NULL;
    params p = {};
    if (code == NULL || !params_fill(r->kinds, nargs, args, &p))
        return LOP_FAIL(LOP_E_INTERNAL,
                        "kernel %s has no instance for word %d or takes (%s), not %d arguments", r->name,
                        (int)word, r->kinds, (int)nargs);
    LOP_TRY(cuda_enter(q->device));
    if (local_bytes + CUDA_LOCAL_OF_KERNELS > LOCAL_USUAL) /* the limit is all queues': always the same */
        LOP_TRY(cuda_status(cudaFuncSetAttribute(code, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                 (int)q->device->local_bytes),
                            r->name));
    const cudaError_t error = cudaLaunchKernel(code, dim3((unsigned)groups), dim3((unsigned)lanes), p.at,
                                               local_bytes, queue->stream);
    return cuda_status(error, r->name);
}
