/* main.c - the program: finds the command, runs it, shows the result or the failure, and ends with the exit code that the
 * status stands for. */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_command cli_commands[] = {
    {"prune", "MODEL --method NAME --sparsity-ratio R --calib FILE --save DIR",
     "remove weights, write the pruned model", "prune", "model|method|save|save-model", 1, cmd_prune,
     cli_show_prune},
    {"eval", "MODEL (--text FILE | --tokens FILE.i32 | --choices FILE.jsonl[.gz])",
     "perplexity, or accuracy on choices", "eval", "model", 1, cmd_eval, cli_show_eval},
    {"verify", "DIR [--against MODEL] [--masks FILE]", "read a pruned folder again and prove what it claims",
     "verify", "model", 1, cmd_verify, cli_show_verify},
    {"info", "MODEL", "family, shapes, dtypes, prunable weights, zeros", "info", "model", 1, cmd_info,
     cli_show_fields},
    {"plan", "MODEL --method NAME ...", "memory and work of a prune; runs nothing", "plan",
     "model|method|save|save-model", 1, cmd_plan, cli_show_plan},
    {"generate", "MODEL --prompt TEXT [--tokens 48]", "greedy continuation", "generate", "model", 1,
     cmd_generate, cli_show_generate},
    {"convert", "MODEL --save DIR|FILE.gguf [--outtype f32|f16|bf16]",
     "the same model in another container or type", "convert", "model|save|save-model", 1, cmd_convert,
     cli_show_fields},
    {"tokenize", "MODEL --text FILE --save IDS.i32", "the ids that prune and eval would use", "tokenize",
     "model", 1, cmd_tokenize, cli_show_fields},
    {"mask", "apply MODEL --masks FILE --save DIR | diff FILE OTHER | union FILE OTHER --save FILE",
     "keep masks as files", "mask", NULL, 3, cmd_mask, cli_show_fields},
    {"report", "DIR --save PAGE.html", "one page with the pictures of a run", NULL, "model|save", 1,
     cmd_report, cli_show_fields},
    {"devices", "", "what this build sees, and why others are missing", NULL, NULL, 0, cmd_devices,
     cli_show_devices},
    {"synth", "--shape NAME --save DIR", "a model of a named shape with random weights", "synth",
     "shape|save|save-model", 0, cmd_synth, cli_show_fields},
    {"bench", "roof|ops|block|eval|model|io|diff|table|report ...",
     "speeds against this machine's own measured roofs", "prune", NULL, CLI_POSITIONALS, cmd_bench, NULL},
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

/* A file may hold anything and be quoted: in a text that is not UTF-8 the bytes beyond ASCII give way to question marks. */
static json_t *text_json(const char *text)
{
    json_t *whole = json_string(text);
    if (whole != NULL) return whole;
    char *plain = strdup(text);
    for (char *p = plain; p != NULL && *p; p++)
        if ((unsigned char)*p >= 0x80) *p = '?';
    whole = plain ? json_string(plain) : NULL;
    free(plain);
    return whole;
}

static void print_json(json_t *object)
{
    char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
    printf("%s\n", line ? line : "{\"event\":\"error\",\"exit\":4,\"message\":\"not enough host memory\"}");
    free(line);
    json_decref(object);
}

static void show_failure(const cli *c, int exit_code)
{
    const char *message = c->message[0] ? c->message : lop_error();
    if (c->json)
        print_json(
            json_pack("{s:s, s:i, s:o}", "event", "error", "exit", exit_code, "message", text_json(message)));
    else
        (void)fprintf(stderr, "lop: %s\n", message);
}

/* What was printed must have arrived: a reader that trusts exit code 0 reads what a full disk left of it. */
static int flush_output(int exit_code)
{
    if (ferror(stdout) == 0 && fflush(stdout) == 0) return exit_code;
    if (exit_code != 0) return exit_code;
    (void)fprintf(stderr, "lop: standard output cannot be written: %s\n", strerror(errno));
    return lop_status_exit(LOP_E_OUTPUT);
}

static int finish(const cli *c, lop_status status)
{
    const int exit_code =
        status == LOP_E_STOPPED ? cli_signal_exit(lop_status_exit(status)) : lop_status_exit(status);
    if (c->result != NULL && c->json) printf("%s\n", lop_result_json(c->result));
    if (c->result != NULL && !c->json && c->command->show) c->command->show(c);
    if (status != LOP_OK && (c->result == NULL || !c->json)) show_failure(c, exit_code);
    return flush_output(exit_code);
}

/* Text that is the whole answer: with --json one line of it. */
static void answer(const cli *c, const char *key, const char *text)
{
    if (c->json)
        print_json(json_pack("{s:s, s:o}", "event", "result", key, text_json(text)));
    else
        printf("%s", text);
}

static lop_status show_help(cli *c)
{
    char *text = NULL;
    size_t size = 0;
    lop_status status = LOP_OK;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return cli_fail(c, LOP_E_MEMORY, "not enough host memory for the help text");
    if (c->command)
        status = cli_help_command(c, out);
    else
        cli_help(out);
    if (fclose(out) == 0 && status == LOP_OK) answer(c, "help", text);
    free(text);
    return status;
}

static int show_version(const cli *c)
{
    answer(c, "version", c->json ? lop_version() : "lop " LOP_VERSION "\n");
    return flush_output(0);
}

/* Names and values end up in JSON, in reports and in messages, which are UTF-8. */
static lop_status check_utf8(cli *c)
{
    for (int i = 1; i < c->argc; i++) {
        json_t *text = json_string(c->argv[i]);
        json_decref(text);
        if (text == NULL) return cli_fail(c, LOP_E_ARGUMENT, "argument %d is not UTF-8", i);
    }
    return LOP_OK;
}

static int run_command(cli *c)
{
    lop_status status = check_utf8(c);
    if (status == LOP_OK) status = cli_arguments_read(c);
    if (status == LOP_OK) c->json = cli_flag(c, "json");
    c->quiet = cli_flag(c, "quiet");
    if (status == LOP_OK && cli_flag(c, "version")) return show_version(c);
    if (status == LOP_OK) status = cli_flag(c, "help") ? show_help(c) : c->command->run(c);
    const int exit_code = finish(c, status);
    lop_result_close(c->result);
    lop_model_close(c->model);
    lop_session_close(c->session);
    return exit_code;
}

/* Without a command: help, the version, or a name that is no command. */
static int run_bare(cli *c, const char *name)
{
    if (strcmp(name, "--version") == 0) return show_version(c);
    if (strcmp(name, "--json") == 0) name = "";
    lop_status status = LOP_OK;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        status = show_help(c);
    else if (strcmp(name, "") == 0)
        status = cli_fail(c, LOP_E_ARGUMENT, "which command? `lop --help` lists them");
    else
        status = cli_fail(c, LOP_E_ARGUMENT, "no command \"%s\"; `lop --help` lists them", name);
    return finish(c, status);
}

int main(int argc, char **argv)
{
    cli c = {.argc = argc, .argv = argv, .json = cli_wants_json(argc, argv)};
    const char *name = argc > 1 ? argv[1] : "";
    cli_catch_signals();
    c.command = find_command(name);
    const int exit_code = c.command ? run_command(&c) : run_bare(&c, name);
    cli_arguments_close(&c.arguments);
    return exit_code;
}
