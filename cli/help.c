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

static void print_option(const lop_option *o)
{
    const char *choices = o->kind == LOP_OPTION_CHOICE ? o->choices : "";
    char left[128];
    (void)snprintf(left, sizeof left, "--%s%s%s", o->name, value_word(o), choices);
    printf("  %-34s %s", left, o->help);
    if ((o->kind == LOP_OPTION_INT || o->kind == LOP_OPTION_REAL) && o->high > o->low)
        printf(" [%.12g to %.12g]", o->low, o->high);
    if (o->unit) printf(" (%s)", o->unit);
    if (o->default_text && o->kind != LOP_OPTION_FLAG) printf("; default %s", o->default_text);
    if (o->alias) printf("; also --%s", o->alias);
    if (o->source) printf("; %s", o->source);
    putchar('\n');
}

static void print_table(const char *title, const lop_option *table, int count)
{
    if (table == NULL || count == 0) return;
    printf("\n%s\n", title);
    for (int i = 0; i < count; i++) print_option(&table[i]);
}

static void print_methods(void)
{
    printf("\nMethods (--method)\n");
    for (int i = 0; i < lop_method_count(); i++) {
        const lop_method_info m = lop_method_at(i);
        printf("  %-18s %s%s\n", m.name, m.summary, m.supported ? "" : " (not in this version)");
    }
}

void cli_help(void)
{
    printf("lop %s: prune language models, on any machine\n\n", lop_version());
    for (int i = 0; i < cli_command_count; i++)
        printf("  lop %-9s %-66s %s\n", cli_commands[i].name, cli_commands[i].usage, cli_commands[i].summary);
    printf(
        "\nMODEL is a Hugging Face folder or a .gguf file. `lop COMMAND --help` lists a command's options.\n"
        "Exit codes: 0 done, 1 verify failed, 2 command line, 3 input, 4 memory or disk, 5 device, 6 "
        "numeric,\n"
        "7 another rank, 8 output, 70 our own mistake, 130 and 143 interrupted (resumable).\n");
}

void cli_help_command(const cli *c)
{
    int count = 0;
    const char *method = cli_own(c, "method");
    printf("lop %s %s\n%s\n", c->command->name, c->command->usage, c->command->summary);
    const lop_option *bench = cli_bench_options(c, &count);
    print_table("Options of the benches", bench, count);
    if (c->command->call) {
        const lop_option *table = lop_options(c->command->call, &count);
        print_table("Options", table, count);
    }
    if (c->command->call && strcmp(c->command->call, "prune") == 0 && method == NULL) print_methods();
    if (method) {
        const lop_option *table = lop_method_options(method, &count);
        print_table("Options of the method", table, count);
    }
    const lop_option *session = lop_options("session", &count);
    print_table("Everywhere", session, count);
    print_table("The program", cli_own_options, cli_own_option_count);
}
