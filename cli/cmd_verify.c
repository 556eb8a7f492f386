/* cmd_verify.c - lop verify. */
#include "cli/cli.h"

lop_status cmd_verify(cli *c)
{
    const char *folder = NULL;
    CLI_TRY(cli_model_path(c, &folder));
    CLI_TRY(cli_open_session(c));
    return lop_verify(c->session, folder, c->arguments.call, c->arguments.call_count, &c->result);
}
