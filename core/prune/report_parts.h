/* report_parts.h - the parts of a report's page, in the order in which they stand there. Internal to core/prune/report_*.c.
 * A part that the report has nothing for adds nothing, or a sentence that says why. */
#ifndef LOP_CORE_PRUNE_REPORT_PARTS_H
#define LOP_CORE_PRUNE_REPORT_PARTS_H

#include "core/page/figures.h"
#include "core/page/svg.h"
#include "core/prune/account.h"

/* What the classes of the parts mean, behind the style of every page. */
extern const char *const lop_report_style[];

/* Title, what came out in a few figures, what was run. */
void lop_report_head(lop_markup *m, const lop_account *a);

/* Sparsity of every linear of every block. */
void lop_report_heat(lop_markup *m, const lop_account *a);

/* Losses of blocks, before and after. */
void lop_report_losses(lop_markup *m, const lop_account *a);

/* What a learner did in each block. */
void lop_report_curves(lop_markup *m, const lop_account *a);

/* How the rows of every linear share what it lost. */
void lop_report_rows(lop_markup *m, const lop_account *a);

/* Options, command, and linears that were left dense. */
void lop_report_run(lop_markup *m, const lop_account *a);

/* Every number. */
void lop_report_numbers(lop_markup *m, const lop_account *a);

/* "49.5": of a fraction in per cent. */
void lop_report_percent(double fraction, char *out, size_t size);

/* "block 3, q_proj" */
void lop_report_place(const lop_account *a, const lop_account_block *block, const lop_account_linear *linear,
                      char *out, size_t size);

/* The last part of the path of the model; "a model" without one. */
void lop_report_model(const lop_account *a, char *out, size_t size);

#endif
