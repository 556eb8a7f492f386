/* rope.h - the cosines and sines that lop_rope takes, for every scaling of frequencies. Internal to core/model. */
#ifndef LOP_CORE_MODEL_ROPE_H
#define LOP_CORE_MODEL_ROPE_H

#include "core/model/family.h"

/* frequency[hd/2] of this net: radians per position. May read the model's own table. */
LOP_CHECKED lop_status lop_rope_frequencies(const lop_net *net, float *frequency);

/* table[p * hd ...]: cosines of the hd/2 angles of position p, then their sines, for 0 <= p < positions. */
void lop_rope_fill(const float *frequency, int32_t head_dim, int32_t positions, float *table);

#endif
