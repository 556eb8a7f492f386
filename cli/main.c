/* main.c - the program: finds the command, runs it, shows the result or the failure, and ends with the exit code that the
 * status stands for. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const cli_command cli_commands[] = {
    {"prune", "MODEL --method NAME --sparsity-ratio R --calib FILE --save DIR",
     "remove weights, write the pruned model", "prune", cmd_prune, cli_show_prune},
    {"eval", "MODEL (--text FILE | --tokens FILE.i32 | --choices FILE.jsonl)",
     "perplexity, or accuracy on choices", "eval", cmd_eval, cli_show_eval},
    {"verify", "DIR [--against MODEL] [--masks FILE]", "read a pruned folder again and prove what it claims",
     "verify", cmd_verify, cli_show_verify},
    {"info", "MODEL", "family, shapes, dtypes, prunable weights", "info", cmd_info, cli_show_fields},
    {"plan", "MODEL --method NAME ...", "memory and work of a prune; runs nothing", "plan", cmd_plan,
     cli_show_fields},
    {"generate", "MODEL --prompt TEXT [--tokens 48]", "greedy continuation", "generate", cmd_generate,
     cli_show_generate},
    {"convert", "MODEL --save DIR [--outtype f32|f16|bf16]", "the same model in another container or type",
     "convert", cmd_convert, cli_show_fields},
    {"tokenize", "MODEL --text FILE --save IDS.i32", "the ids that prune and eval would use", "tokenize",
     cmd_tokenize, cli_show_fields},
    {"mask", "apply|diff|union ...", "keep masks as files", "mask", cmd_mask, cli_show_fields},
    {"report", "DIR --save PAGE.html", "one page with the pictures of a run", NULL, cmd_report,
     cli_show_fields},
    {"devices", "", "what this build sees, and why others are missing", NULL, cmd_devices, cli_show_devices},
    {"synth", "--shape NAME --save DIR", "a model of a named shape with random weights", "synth", cmd_synth,
     cli_show_fields},
    {"bench", "roof|ops|block|model|io|diff ...", "speeds against this machine's own measured roofs", "prune",
     cmd_bench, NULL},
};
const int cli_command_count = (int)(sizeof cli_commands / sizeof cli_commands[0]);

lop_status cli_fail(cli *c, lop_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->message, sizeof c->message, format, args);
    va_end(args);
    return code;
}

static const cli_command *find_command(const char *name)
{
    for (int i = 0; i < cli_command_count; i++)
        if (strcmp(name, cli_commands[i].name) == 0) return &cli_commands[i];
    return NULL;
}

static void print_json_text(const char *text)
{
    putchar('"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') putchar('\\');
        if ((unsigned char)*p >= 0x20) putchar(*p);
    }
    putchar('"');
}

static void show_failure(const cli *c, int exit_code)
{
    const char *message = c->message[0] ? c->message : lop_error();
    if (c->json) {
        printf("{\"event\":\"error\",\"exit\":%d,\"message\":", exit_code);
        print_json_text(message);
        printf("}\n");
    } else {
        (void)fprintf(stderr, "lop: %s\n", message);
    }
}

static int finish(const cli *c, lop_status status)
{
    const int exit_code =
        status == LOP_E_STOPPED ? cli_signal_exit(lop_status_exit(status)) : lop_status_exit(status);
    if (c->result != NULL && c->json) printf("%s\n", lop_result_json(c->result));
    if (c->result != NULL && !c->json && c->command->show) c->command->show(c);
    if (status != LOP_OK && (c->result == NULL || !c->json)) show_failure(c, exit_code);
    if (fflush(stdout) != 0 && status == LOP_OK) return lop_status_exit(LOP_E_OUTPUT);
    return exit_code;
}

static int run_command(cli *c)
{
    lop_status status = cli_arguments_read(c);
    c->json = cli_own(c, "json") != NULL;
    c->quiet = cli_own(c, "quiet") != NULL;
    if (cli_own(c, "help")) {
        cli_help_command(c);
        return 0;
    }
    if (status == LOP_OK) status = c->command->run(c);
    const int exit_code = finish(c, status);
    lop_result_close(c->result);
    lop_model_close(c->model);
    lop_session_close(c->session);
    return exit_code;
}

int main(int argc, char **argv)
{
    cli c = {.argc = argc, .argv = argv};
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--version") == 0) {
        printf("lop %s\n", lop_version());
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        cli_help();
        return argc > 1 ? 0 : 2;
    }
    c.command = find_command(name);
    if (c.command == NULL) {
        (void)fprintf(stderr, "lop: no command \"%s\"; `lop --help` lists them\n", name);
        return 2;
    }
    const int exit_code = run_command(&c);
    cli_arguments_close(&c.arguments);
    return exit_code;
}
