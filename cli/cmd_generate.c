/* cmd_generate.c - lop generate. */
#include "cli/cli.h"

lop_status cmd_generate(cli *c)
{
    CLI_TRY(cli_open_model(c));
    return lop_generate(c->model, c->arguments.call, c->arguments.call_count, &c->result);
}
