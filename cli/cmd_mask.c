/* cmd_mask.c - lop mask. */
#include "cli/cli.h"

lop_status cmd_mask(cli *c)
{
    if (c->arguments.positional_count == 0)
        return cli_fail(c, LOP_E_ARGUMENT,
                        "mask does what? lop mask apply|diff|union; `lop mask --help` says more");
    CLI_TRY(cli_open_session(c));
    return lop_mask(c->session, c->arguments.positional[0], c->arguments.call, c->arguments.call_count,
                    &c->result);
}
