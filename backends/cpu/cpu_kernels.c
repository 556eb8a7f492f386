/* cpu_kernels.c - the kernels as C functions, and a call for each that hands over its arguments by the kinds of list.h:
 * the C compiler checks every kernel's argument list here. Compiled once per instruction set, CPU_SET naming it. */
#include "backends/cpu/cpu_backend.h"
#include "kernels/dialect.h"

#ifndef CPU_SET
#define CPU_SET baseline
#endif
#define PACKS      1
#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

#define ARG_M(n) base_of(&args[n]), args[n].m.at, args[n].m.ld
#define ARG_I(n) args[n].i
#define ARG_L(n) args[n].l
#define ARG_U(n) args[n].u
#define ARG_F(n) args[n].f

#define ARGS_1(a)                   ARG_##a(0)
#define ARGS_2(a, b)                ARGS_1(a), ARG_##b(1)
#define ARGS_3(a, b, c)             ARGS_2(a, b), ARG_##c(2)
#define ARGS_4(a, b, c, d)          ARGS_3(a, b, c), ARG_##d(3)
#define ARGS_5(a, b, c, d, e)       ARGS_4(a, b, c, d), ARG_##e(4)
#define ARGS_6(a, b, c, d, e, f)    ARGS_5(a, b, c, d, e), ARG_##f(5)
#define ARGS_7(a, b, c, d, e, f, g) ARGS_6(a, b, c, d, e, f), ARG_##g(6)

#define ARGS_8(a, b, c, d, e, f, g, h)              ARGS_7(a, b, c, d, e, f, g), ARG_##h(7)
#define ARGS_9(a, b, c, d, e, f, g, h, i)           ARGS_8(a, b, c, d, e, f, g, h), ARG_##i(8)
#define ARGS_10(a, b, c, d, e, f, g, h, i, j)       ARGS_9(a, b, c, d, e, f, g, h, i), ARG_##j(9)
#define ARGS_11(a, b, c, d, e, f, g, h, i, j, k)    ARGS_10(a, b, c, d, e, f, g, h, i, j), ARG_##k(10)
#define ARGS_12(a, b, c, d, e, f, g, h, i, j, k, l) ARGS_11(a, b, c, d, e, f, g, h, i, j, k), ARG_##l(11)

#define ARGS_OF(a, b, c, d, e, f, g, h, i, j, k, l, n, ...) ARGS_##n
#define ARGS(...)                                           ARGS_OF(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)(__VA_ARGS__)

static inline void *base_of(const lop_arg *arg)
{
    return arg->m.buf == NULL ? NULL : arg->m.buf->host;
}

#define CALL(name, ...)                                                                                      \
    static void LOP_CAT(NAME(name), _call)(int group, void *local, const lop_arg *args)                      \
    {                                                                                                        \
        NAME(name)(group, local, ARGS(__VA_ARGS__));                                                         \
    }
#define NO_CALL(name, ...)

#define WORD        f32
#define CALL_WORDS  CALL
#define CALL_HALVES NO_CALL
#define CALL_F32    CALL
#include "kernels/instance.h"
#define K(name, words, ...) CALL_##words(name, __VA_ARGS__)
#include "kernels/list.h"
#undef WORD
#undef CALL_HALVES
#undef CALL_F32

#define WORD        f16
#define CALL_HALVES CALL
#define CALL_F32    NO_CALL
#include "kernels/instance.h"
#include "kernels/list.h"
#undef WORD

#define WORD bf16
#include "kernels/instance.h"
#include "kernels/list.h"
#undef WORD
#undef K

#define CALLS_WORDS(name)                                                                                    \
    {                                                                                                        \
        name##_f32_1_call, name##_f16_1_call, name##_bf16_1_call                                             \
    }
#define CALLS_HALVES(name)                                                                                   \
    {                                                                                                        \
        NULL, name##_f16_1_call, name##_bf16_1_call                                                          \
    }
#define CALLS_F32(name)                                                                                      \
    {                                                                                                        \
        name##_f32_1_call, NULL, NULL                                                                        \
    }
const cpu_kernels LOP_CAT(cpu_kernels_, CPU_SET) = {
    .name = TEXT(CPU_SET),
    .calls =
        {
#define K(name, words, ...) [LOP_KERNEL_##name] = CALLS_##words(name),
#include "kernels/list.h"
#undef K
        },
};
_Static_assert(LOP_F32 == 0 && LOP_F16 == 1 && LOP_BF16 == 2, "words index the calls");
