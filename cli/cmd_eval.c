/* cmd_eval.c - lop eval. */
#include "cli/cli.h"

lop_status cmd_eval(cli *c)
{
    CLI_TRY(cli_open_model(c));
    return lop_eval(c->model, c->arguments.call, c->arguments.call_count, &c->result);
}
