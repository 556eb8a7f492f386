/* cmd_convert.c - lop convert. */
#include "cli/cli.h"

lop_status cmd_convert(cli *c)
{
    const char *save = NULL;
    CLI_TRY(cli_save_path(c, &save));
    CLI_TRY(cli_open_model(c));
    return lop_convert(c->model, save, c->arguments.call, c->arguments.call_count, &c->result);
}
