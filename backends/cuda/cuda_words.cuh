/* cuda_words.cuh - every kernel text for the three storage words, in packs of PACKS elements. It has no guard:
 * cuda_launch.cu includes it once for each PACKS. */
#define WORD f32
#include "kernels/instance.h"
#undef WORD
#define WORD f16
#include "kernels/instance.h"
#undef WORD
#define WORD bf16
#include "kernels/instance.h"
#undef WORD
