/* cmd_synth.c - lop synth. */
#include "cli/cli.h"

lop_status cmd_synth(cli *c)
{
    const char *shape = cli_own(c, "shape"), *save = NULL;
    if (shape == NULL) return cli_fail(c, LOP_E_ARGUMENT, "which shape? give --shape, for instance llama-1b");
    CLI_TRY(cli_save_path(c, &save));
    CLI_TRY(cli_open_session(c));
    return lop_synth(c->session, shape, save, c->arguments.call, c->arguments.call_count, &c->result);
}
