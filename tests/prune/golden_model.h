/* golden_model.h - models with results that are known: where their files lie, and what a pruned folder is held against. */
#ifndef LOP_TESTS_PRUNE_GOLDEN_MODEL_H
#define LOP_TESTS_PRUNE_GOLDEN_MODEL_H

#include "tests/prune/prune_rig.h"

/* A model with results. Paths stand in buffers, because those of the shared folder do not last. */
typedef struct golden_source {
    char model[512], json[512], calib[512], eval[512], masks[512]; /* masks: before METHOD_keepbits.u8 */
    const char *family;                                            /* key in the JSON; NULL: its root */
    const char *const
        *order; /* parts of the linears' names as they follow in a block's masks; NULL: as in modules */
    const char *nsamples;
    int32_t windows;
} golden_source;

/* A shared model ("llama" or "opt") and the results of the methods' authors, which must be there; the tiny model that comes
 * with the sources and those of the double-precision reference. */
golden_source golden_authors(const char *family);
golden_source golden_reference(void);

/* What the JSON has under a key; `what` NULL: the key itself is the number. */
double golden_number(const golden_source *source, const char *key, const char *what);

/* Of a folder, over the source's own windows. */
double golden_perplexity(const golden_source *source, const char *folder);

/* The share of bits on which the saved masks agree with the golden ones, which run on through a linear, row after row. */
double golden_agreement(const golden_source *source, const char *folder, const char *key);

/* How far the weights of linears that stay in both lie from the golden ones, as lengths of all of them, by that of the golden
 * ones. */
double golden_distance(const golden_source *source, const char *folder, const char *key);

#endif
