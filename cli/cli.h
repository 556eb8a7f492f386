/* cli.h - the program `lop` over the public header: a table of commands, arguments read against the library's option
 * tables, events and results shown to people or as JSON lines. Only here anything is printed, only main exits. */
#ifndef LOP_CLI_CLI_H
#define LOP_CLI_CLI_H

#include "include/lop.h"

#include <stdbool.h>
#include <stdio.h>

#define CLI_POSITIONALS 16

/* What the user typed, sorted by who reads it. Names and values point into argv. */
typedef struct cli_arguments {
    const char *positional[CLI_POSITIONALS];
    int positional_count;
    lop_setting *own;     /* --json, --model, --save, ...: the program's */
    lop_setting *session; /* --backend, --threads, ... */
    lop_setting *call;    /* the command's and its method's */
    int own_count, session_count, call_count;
} cli_arguments;

struct cli_command;

typedef struct cli {
    const struct cli_command *command;
    cli_arguments arguments;
    int argc;
    char **argv;
    bool json, quiet;
    lop_session *session;
    lop_model *model;
    lop_result *result;
    char message[512]; /* our own sentence when a failure is not the library's; "" otherwise */
} cli;

typedef struct cli_command {
    const char *name;
    const char *usage; /* what follows the name */
    const char *summary;
    const char *call;           /* whose options: lop_options(call); NULL: none of its own */
    const char *own;            /* which of cli_own_options it takes, parted by | */
    int words;                  /* the most arguments that are no options */
    lop_status (*run)(cli *c);  /* leaves c->result, or has printed by itself */
    void (*show)(const cli *c); /* the result for people; NULL: nothing */
} cli_command;

extern const cli_command cli_commands[];
extern const int cli_command_count;

#define CLI_TRY(call)                                                                                        \
    do {                                                                                                     \
        const lop_status cli_try_status = (call);                                                            \
        if (cli_try_status != LOP_OK) return cli_try_status;                                                 \
    } while (0)

/* Records a sentence of the program's own and returns the code. */
lop_status cli_fail(cli *c, lop_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* arguments.c: reads argv[2..] into c->arguments. Options of the session, the command and the method are told apart by
 * the library's tables. */
lop_status cli_arguments_read(cli *c);
void cli_arguments_close(cli_arguments *a);

/* The program's own option by name; NULL when it is not given. A flag: true when it is on. */
const char *cli_own(const cli *c, const char *name);
bool cli_flag(const cli *c, const char *name);

/* True if argv asks for JSON, whatever else is wrong with it. */
bool cli_wants_json(int argc, char **argv);

/* True if `name` (size bytes, underscores read as hyphens) is one of `names`, parted by |; NULL holds none. */
bool cli_in_names(const char *name, size_t size, const char *names);

/* --model, or the first positional. */
lop_status cli_model_path(cli *c, const char **out);

/* --save (or --save-model), which must be there. */
lop_status cli_save_path(cli *c, const char **out);

/* Opens the session, and the model that the arguments name. */
lop_status cli_open_session(cli *c);
lop_status cli_open_model(cli *c);

/* What the benches read on top of the command's call; NULL for another command. */
const lop_option *cli_bench_options(const cli *c, int *count);

/* The program's own options, for help and for reading: those of every command, and those of the commands that name
 * them. */
extern const lop_option cli_every_options[];
extern const int cli_every_option_count;
extern const lop_option cli_own_options[];
extern const int cli_own_option_count;

/* events.c: signals that ask for an end, caught from the beginning; and the session's listener. */
void cli_catch_signals(void);
void cli_watch(cli *c);
int cli_signal_exit(int exit_code); /* 143 instead of 130 after SIGTERM */

/* help.c. LOP_E_ARGUMENT: help about a method that there is none of. */
void cli_help(FILE *out);
lop_status cli_help_command(cli *c, FILE *out);

/* show.c: results for people. */
void cli_show_fields(const cli *c); /* every plain field of the object, a line each */
void cli_show_prune(const cli *c);
void cli_show_plan(const cli *c);
void cli_show_eval(const cli *c);
void cli_show_verify(const cli *c);
void cli_show_generate(const cli *c);
void cli_show_devices(const cli *c);

/* cmd_NAME.c */
lop_status cmd_prune(cli *c);
lop_status cmd_eval(cli *c);
lop_status cmd_verify(cli *c);
lop_status cmd_info(cli *c);
lop_status cmd_plan(cli *c);
lop_status cmd_generate(cli *c);
lop_status cmd_convert(cli *c);
lop_status cmd_tokenize(cli *c);
lop_status cmd_mask(cli *c);
lop_status cmd_report(cli *c);
lop_status cmd_devices(cli *c);
lop_status cmd_synth(cli *c);
lop_status cmd_bench(cli *c);

#endif
