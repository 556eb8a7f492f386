/* cmd_plan.c - lop plan. */
#include "cli/cli.h"

lop_status cmd_plan(cli *c)
{
    const char *method = cli_own(c, "method");
    if (method == NULL)
        return cli_fail(c, LOP_E_ARGUMENT, "which method? give --method; `lop prune --help` lists them");
    CLI_TRY(cli_open_model(c));
    return lop_plan(c->model, method, c->arguments.call, c->arguments.call_count, &c->result);
}
