/* instance.h - every kernel text once, for the storage word WORD and packs of PACKS elements. A backend includes it once
 * for each pair that it wants, after dialect.h. Texts that know one type only come with the word f32, and what reads
 * f32 beside a half word only with the half words. */
#define OTHER f32
#include "kernels/pair.cl"
#undef OTHER
#define OTHER f16
#include "kernels/pair.cl"
#undef OTHER
#define OTHER bf16
#include "kernels/pair.cl"
#undef OTHER

#define RMSNORM        rmsnorm_row
#define RMSNORM_BACK   rmsnorm_back_row
#define LAYERNORM      layernorm_row
#define LAYERNORM_BACK layernorm_back_row
#define FROM           WORD
#include "kernels/layernorm.cl"
#include "kernels/rmsnorm.cl"
#undef RMSNORM
#undef RMSNORM_BACK
#undef LAYERNORM
#undef LAYERNORM_BACK
#undef FROM
#if !STORE_EXACT
#define RMSNORM        rmsnorm_row_f32
#define RMSNORM_BACK   rmsnorm_back_row_f32
#define LAYERNORM      layernorm_row_f32
#define LAYERNORM_BACK layernorm_back_row_f32
#define FROM           f32
#include "kernels/layernorm.cl"
#include "kernels/rmsnorm.cl"
#undef RMSNORM
#undef RMSNORM_BACK
#undef LAYERNORM
#undef LAYERNORM_BACK
#undef FROM
#endif

#include "kernels/besa.cl"
#include "kernels/gate.cl"
#include "kernels/learn.cl"
#include "kernels/loss.cl"
#include "kernels/quant.cl"
#include "kernels/reduce.cl"
#include "kernels/row.cl"
#include "kernels/score.cl"
#include "kernels/softmax.cl"
#include "kernels/sparsellm.cl"

#if STORE_EXACT
#include "kernels/chol_end.cl"
#include "kernels/loss_end.cl"
#include "kernels/random.cl"
#include "kernels/rank.cl"
#include "kernels/reduce_end.cl"
#include "kernels/select.cl"
#include "kernels/select_all.cl"
#include "kernels/sparsegpt.cl"
#include "kernels/step.cl"
#include "kernels/symmetric.cl"
#include "kernels/tile_factor.cl"
#include "kernels/wanda_alpha.cl"
#endif
