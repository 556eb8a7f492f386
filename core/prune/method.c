/* method.c - the table of methods: those of this version, and those that it knows by name only. */
#include "core/prune/method.h"

#include "core/base/memory.h"
#include "core/base/text.h"

#include <string.h>

static const lop_method method_policy_gradient = {
    .name = "policy-gradient",
    .alias = "pg",
    .summary = "structured masks as Bernoulli variables, learned from the model's loss alone",
    .source = "Gao et al. 2024, Bypass Back-propagation: policy gradient for structural pruning"};
static const lop_method *const methods[] = {
    &lop_method_magnitude,    &lop_method_wanda,     &lop_method_sparsegpt,
    &lop_method_besa,         &lop_method_sparsellm, &method_policy_gradient,
    &lop_method_magnitude_sp, &lop_method_wanda_sp,  &lop_method_flap,
};

int lop_method_rows(void)
{
    return (int)(sizeof methods / sizeof methods[0]);
}

const lop_method *lop_method_row(int index)
{
    return methods[index];
}

/* Names compare with underscores read as hyphens, as options do. */
static bool same_name(const char *name, const char *given)
{
    if (name == NULL) return false;
    for (; *name != 0 && *name == (*given == '_' ? '-' : *given); name++) given++;
    return *name == 0 && *given == 0;
}

const lop_method *lop_method_find(const char *name)
{
    for (int i = 0; name != NULL && i < lop_method_rows(); i++)
        if (same_name(methods[i]->name, name) || same_name(methods[i]->alias, name)) return methods[i];
    return NULL;
}

const lop_update *lop_update_find(const char *name)
{
    static const lop_update *const updates[] = {&lop_update_sparsegpt};
    for (size_t i = 0; i < sizeof updates / sizeof updates[0]; i++)
        if (same_name(updates[i]->name, name)) return updates[i];
    return NULL;
}

bool lop_method_begins_input(const lop_prune_block *block, int32_t index)
{
    const lop_prune_linear *l = &block->linears[index];
    return index == 0 || l[-1].block != l->block || l[-1].view->input != l->view->input;
}

lop_status lop_method_tell(const lop_prune_block *block, const char *part)
{
    return block->part == NULL ? LOP_OK : block->part(block->part_user, block->queue, part);
}

static lop_status names_list(bool supported, lop_string *out)
{
    for (int i = 0; i < lop_method_rows(); i++) {
        if (supported && methods[i]->block == NULL) continue;
        LOP_TRY(lop_string_print(out, "%s%s", out->size == 0 ? "" : ", ", methods[i]->name));
    }
    return LOP_OK;
}

lop_status lop_method_need(const char *name, const lop_method **out)
{
    *out = lop_method_find(name);
    if (*out != NULL && (*out)->block != NULL) return LOP_OK;
    lop_string names = {0};
    lop_status status = names_list(*out != NULL, &names);
    if (status == LOP_OK && *out != NULL)
        status = LOP_FAIL(LOP_E_UNSUPPORTED, "method %s is known but not in this version: it has %s",
                          (*out)->name, names.at);
    else if (status == LOP_OK)
        status = LOP_FAIL(LOP_E_ARGUMENT, "method %s is not known: the methods are %s",
                          name == NULL ? "" : name, names.at);
    *out = NULL;
    lop_string_close(&names);
    return status;
}
