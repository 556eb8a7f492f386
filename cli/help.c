/* help.c - help from the same tables that the options are read with. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const char *value_word(const lop_option *o)
{
    switch (o->kind) {
    case LOP_OPTION_FLAG:
        return "";
    case LOP_OPTION_INT:
        return " N";
    case LOP_OPTION_REAL:
        return " X";
    case LOP_OPTION_BYTES:
        return " SIZE";
    case LOP_OPTION_CHOICE:
        return " ";
    case LOP_OPTION_TEXT:
        return " TEXT";
    case LOP_OPTION_PATH:
        return " PATH";
    }
    return "";
}

static void print_option(FILE *out, const lop_option *o)
{
    const char *choices = o->kind == LOP_OPTION_CHOICE ? o->choices : "";
    char left[128];
    (void)snprintf(left, sizeof left, "--%s%s%s", o->name, value_word(o), choices);
    (void)fprintf(out, "  %-34s %s", left, o->help);
    if ((o->kind == LOP_OPTION_INT || o->kind == LOP_OPTION_REAL) && o->high > o->low)
        (void)fprintf(out, " [%.12g to %.12g]", o->low, o->high);
    if (o->unit) (void)fprintf(out, " (%s)", o->unit);
    if (o->default_text) (void)fprintf(out, "; default %s", o->default_text);
    if (o->alias) (void)fprintf(out, "; also --%s", o->alias);
    if (o->source) (void)fprintf(out, "; %s", o->source);
    (void)fputc('\n', out);
}

static void print_table(FILE *out, const char *title, const lop_option *table, int count)
{
    if (table == NULL || count == 0) return;
    (void)fprintf(out, "\n%s\n", title);
    for (int i = 0; i < count; i++) print_option(out, &table[i]);
}

static void print_methods(FILE *out)
{
    (void)fprintf(out, "\nMethods (--method)\n");
    for (int i = 0; i < lop_method_count(); i++) {
        const lop_method_info m = lop_method_at(i);
        (void)fprintf(out, "  %-18s %s%s\n", m.name, m.summary, m.supported ? "" : " (not in this version)");
    }
}

void cli_help(FILE *out)
{
    (void)fprintf(out, "lop %s: prune language models, on any machine\n\n", lop_version());
    for (int i = 0; i < cli_command_count; i++)
        (void)fprintf(out, "  lop %-9s %-66s %s\n", cli_commands[i].name, cli_commands[i].usage,
                      cli_commands[i].summary);
    (void)fprintf(
        out,
        "\nMODEL is a Hugging Face folder or a .gguf file. `lop COMMAND --help` lists a command's options.\n"
        "Exit codes: 0 done, 1 verify failed, 2 command line, 3 input, 4 memory or disk, 5 device, 6 "
        "numeric,\n"
        "7 another rank, 8 output, 70 our own mistake, 130 and 143 interrupted (resumable).\n");
}

static lop_status print_method(cli *c, FILE *out, const char *method)
{
    int count = 0;
    const lop_option *table = lop_method_options(method, &count);
    for (int i = 0; i < lop_method_count(); i++) {
        const lop_method_info m = lop_method_at(i);
        if (!cli_in_names(method, strlen(method), m.name) && !cli_in_names(method, strlen(method), m.alias))
            continue;
        (void)fprintf(out, "\n%s: %s%s\n%s\n", m.name, m.summary,
                      m.supported ? "" : " (known, not in this version)", m.source);
        print_table(out, "Options of the method", table, count);
        return LOP_OK;
    }
    return cli_fail(c, LOP_E_ARGUMENT, "method %s is not known; `lop prune --help` lists them", method);
}

lop_status cli_help_command(cli *c, FILE *out)
{
    int count = 0;
    const char *method = cli_own(c, "method"), *call = c->command->call;
    const bool prunes = call && (strcmp(call, "prune") == 0 || strcmp(call, "plan") == 0);
    (void)fprintf(out, "lop %s %s\n%s\n", c->command->name, c->command->usage, c->command->summary);
    const lop_option *table = cli_bench_options(c, &count);
    print_table(out, "Options of the benches", table, count);
    table = call ? lop_options(call, &count) : NULL;
    print_table(out, "Options", table, count);
    if (prunes && method == NULL) print_methods(out);
    if (method) CLI_TRY(print_method(c, out, method));
    table = lop_options("session", &count);
    print_table(out, "Everywhere", table, count);
    print_table(out, "The program", cli_every_options, cli_every_option_count);
    for (int i = 0; i < cli_own_option_count; i++)
        if (cli_in_names(cli_own_options[i].name, strlen(cli_own_options[i].name), c->command->own))
            print_option(out, &cli_own_options[i]);
    return LOP_OK;
}
