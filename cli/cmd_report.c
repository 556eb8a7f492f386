/* cmd_report.c - lop report. */
#include "cli/cli.h"

lop_status cmd_report(cli *c)
{
    const char *folder = NULL, *save = NULL;
    CLI_TRY(cli_model_path(c, &folder));
    CLI_TRY(cli_save_path(c, &save));
    CLI_TRY(cli_open_session(c));
    return lop_report(c->session, folder, save, &c->result);
}
