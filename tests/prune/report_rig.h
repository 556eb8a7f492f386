/* report_rig.h - a pruned model whose report is drawn, and changed reports beside it. */
#ifndef LOP_TESTS_PRUNE_REPORT_RIG_H
#define LOP_TESTS_PRUNE_REPORT_RIG_H

#include "tests/prune/prune_bench.h"

typedef struct report_rig {
    prune_bench bench;
    char page[128], other[128]; /* where the page goes, a file; a folder for changed reports */
    json_t *report;             /* of bench.save, to be changed */
} report_rig;

/* Two blocks pruned by wanda with losses, one linear left dense. */
void report_rig_open(report_rig *f);
void report_rig_close(report_rig *f);

/* Draws the report of a folder and checks the page. Its text in *page, which the caller frees with lop_free; the result. */
json_t *report_rig_draw(const report_rig *f, const char *folder, char **page);

/* A report, with a seal that fits if `sealed`, or any text into the folder for changed ones. */
void report_rig_put(const report_rig *f, json_t *report, bool sealed);
void report_rig_put_text(const report_rig *f, const char *text, size_t size);

/* What a learner says of a block with these linears: `steps` steps from `loss` down, the sixth without a loss. */
json_t *report_rig_learning(size_t steps, const json_t *linears, double loss);

#endif
