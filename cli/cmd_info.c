/* cmd_info.c - lop info. */
#include "cli/cli.h"

lop_status cmd_info(cli *c)
{
    CLI_TRY(cli_open_model(c));
    return lop_info(c->model, c->arguments.call, c->arguments.call_count, &c->result);
}
