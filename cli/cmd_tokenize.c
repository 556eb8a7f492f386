/* cmd_tokenize.c - lop tokenize. */
#include "cli/cli.h"

lop_status cmd_tokenize(cli *c)
{
    CLI_TRY(cli_open_model(c));
    return lop_tokenize(c->model, c->arguments.call, c->arguments.call_count, &c->result);
}
