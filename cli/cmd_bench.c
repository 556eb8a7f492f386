/* cmd_bench.c - lop bench. */
#include "bench/bench.h"
#include "cli/cli.h"

lop_status cmd_bench(cli *c)
{
    CLI_TRY(cli_open_session(c));
    const cli_arguments *a = &c->arguments;
    const bench_call call = {.session = c->session,
                             .words = a->positional,
                             .word_count = a->positional_count,
                             .settings = a->call,
                             .setting_count = a->call_count,
                             .argv = c->argv,
                             .argc = c->argc,
                             .json = c->json,
                             .out = stdout};
    return bench_run(&call);
}
