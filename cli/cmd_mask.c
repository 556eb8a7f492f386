/* cmd_mask.c - lop mask. */
#include "cli/cli.h"

#include <string.h>

lop_status cmd_mask(cli *c)
{
    if (c->arguments.positional_count == 0)
        return cli_fail(c, LOP_E_ARGUMENT,
                        "mask does what? lop mask apply|diff|union; `lop mask --help` says more");
    cli_arguments *a = &c->arguments; /* each word took a place of argv, so its setting has room */
    const bool apply = strcmp(a->positional[0], "apply") == 0;
    const char *const names[] = {NULL, apply ? "model" : "masks", apply ? "masks" : "other"};
    for (int i = 1; i < a->positional_count; i++)
        a->call[a->call_count++] = (lop_setting){names[i], a->positional[i]};
    CLI_TRY(cli_open_session(c));
    return lop_mask(c->session, c->arguments.positional[0], c->arguments.call, c->arguments.call_count,
                    &c->result);
}
