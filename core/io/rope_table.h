/* rope_table.h - rope frequencies that GGUF keeps as a table of divisors, put back into the rule of config.json that made
 * them, and made from it. Internal to core/io. */
#ifndef LOP_CORE_IO_ROPE_TABLE_H
#define LOP_CORE_IO_ROPE_TABLE_H

#include "core/io/checkpoint.h"

/* Replaces a rope of kind TABLE in *config by the LLAMA3 rule whose divisors are those of the checkpoint's
 * rope_freqs.weight; leaves other kinds. LOP_E_UNSUPPORTED when no such rule gives the table. */
LOP_CHECKED lop_status lop_rope_table_name(const lop_checkpoint *c, lop_config *config);

/* The divisors of a LLAMA3 rule, head_dim / 2 of them. */
void lop_rope_table_make(const lop_rope_spec *r, int32_t head_dim, float *out);

#endif
