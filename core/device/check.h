/* check.h - what every operation checks before it queues anything, as one table of its operands. */
#ifndef LOP_CORE_DEVICE_CHECK_H
#define LOP_CORE_DEVICE_CHECK_H

#include "core/device/matrix.h"

#define LOP_BIT(type) (1u << (type))
enum { LOP_WORDS_ANY = LOP_BIT(LOP_F32) | LOP_BIT(LOP_F16) | LOP_BIT(LOP_BF16) };

typedef enum lop_role { LOP_READ, LOP_WRITTEN, LOP_READ_MAYBE } lop_role; /* _MAYBE: may be absent */

typedef struct lop_operand {
    const char *name;
    lop_mat m;
    int32_t rows, cols; /* what they must be; LOP_FREE: anything */
    uint32_t types;     /* bits of what it may hold */
    lop_role role;
} lop_operand;
enum { LOP_FREE = -1 };

/* LOP_E_ARGUMENT if an operand is absent, lies on another device or past its buffer's end, has another type or shape, or
 * if a written one shares memory with another operand. The sentence names the operation, the operand, its shape, the one
 * it must have, and the first operand's. */
LOP_CHECKED lop_status lop_check(const lop_queue *q, const char *op, const lop_operand *operands, int count);

#define LOP_CHECK(q, op, operands)                                                                           \
    LOP_TRY(lop_check((q), (op), (operands), (int)(sizeof(operands) / sizeof((operands)[0]))))

#endif
