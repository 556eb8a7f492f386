/* cmd_devices.c - lop devices. */
#include "cli/cli.h"

lop_status cmd_devices(cli *c)
{
    CLI_TRY(cli_open_session(c));
    return lop_devices(c->session, &c->result);
}
