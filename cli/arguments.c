/* arguments.c - argv sorted into settings: which are the program's, the session's, the command's and its method's is
 * decided by the library's option tables alone. */
#include "bench/bench.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const lop_option cli_every_options[] = {
    {"json", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL, "one JSON object a line on standard output",
     NULL},
    {"quiet", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL, "no progress, no notes", NULL},
    {"help", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL, "this text; with --method NAME its options too",
     NULL},
    {"version", NULL, LOP_OPTION_FLAG, "off", 0, 0, NULL, NULL, "the version, and nothing else", NULL},
};
const int cli_every_option_count = (int)(sizeof cli_every_options / sizeof cli_every_options[0]);

const lop_option cli_own_options[] = {
    {"model", NULL, LOP_OPTION_PATH, NULL, 0, 0, NULL, NULL, "the model, instead of the first argument",
     NULL},
    {"method", "prune-method", LOP_OPTION_TEXT, NULL, 0, 0, NULL, NULL, "how to prune", NULL},
    {"save", NULL, LOP_OPTION_PATH, NULL, 0, 0, NULL, NULL, "where the output goes", NULL},
    {"save-model", NULL, LOP_OPTION_PATH, NULL, 0, 0, NULL, NULL,
     "the same as --save, as other tools name it", NULL},
    {"shape", NULL, LOP_OPTION_TEXT, NULL, 0, 0, NULL, NULL,
     "of synth: smollm2-135m, llama-1b, llama-7b, ...", NULL},
};
const int cli_own_option_count = (int)(sizeof cli_own_options / sizeof cli_own_options[0]);

static bool same_name(const char *name, size_t size, const char *known, size_t known_size)
{
    if (size != known_size) return false;
    for (size_t i = 0; i < size; i++)
        if ((name[i] == '_' ? '-' : name[i]) != known[i]) return false;
    return true;
}

bool cli_in_names(const char *name, size_t size, const char *names)
{
    while (names != NULL && *names) {
        const size_t n = strcspn(names, "|");
        if (same_name(name, size, names, n)) return true;
        names += n + (names[n] == '|');
    }
    return false;
}

static const lop_option *find_option(const lop_option *table, int count, const char *name, size_t size)
{
    for (int i = 0; i < count; i++)
        if (same_name(name, size, table[i].name, strlen(table[i].name)) ||
            cli_in_names(name, size, table[i].alias))
            return &table[i];
    return NULL;
}

const lop_option *cli_bench_options(const cli *c, int *count)
{
    *count = 0;
    return c->command->run == cmd_bench ? bench_options(count) : NULL;
}

/* One option as typed: its name, the value after `=` or NULL, and where the tables know it. */
typedef struct typed_option {
    const char *name;
    size_t size;
    const char *value;
    const lop_option *own, *session, *call;
} typed_option;

static const lop_option *find_in_call(const cli *c, const char *method, const typed_option *typed)
{
    int count = 0;
    const lop_option *table = cli_bench_options(c, &count);
    const lop_option *found = find_option(table, count, typed->name, typed->size);
    if (found != NULL) return found;
    table = c->command->call ? lop_options(c->command->call, &count) : NULL;
    found = find_option(table, count, typed->name, typed->size);
    if (found != NULL || method == NULL) return found;
    table = lop_method_options(method, &count);
    return find_option(table, count, typed->name, typed->size);
}

/* One of every command, or one that this command takes. */
static const lop_option *find_own(const cli *c, const typed_option *typed)
{
    const lop_option *found =
        find_option(cli_every_options, cli_every_option_count, typed->name, typed->size);
    if (found != NULL) return found;
    found = find_option(cli_own_options, cli_own_option_count, typed->name, typed->size);
    return found && cli_in_names(found->name, strlen(found->name), c->command->own) ? found : NULL;
}

static void look_up(const cli *c, const char *method, typed_option *typed)
{
    int count = 0;
    const lop_option *session = lop_options("session", &count);
    typed->session = find_option(session, count, typed->name, typed->size);
    typed->call = find_in_call(c, method, typed);
    typed->own = typed->call ? NULL : find_own(c, typed);
}

/* The method decides which options are known, so it is looked for before the options are read. */
static const char *early_method(const cli *c)
{
    const char *found = NULL;
    for (int i = 2; i < c->argc; i++) {
        const char *a = c->argv[i];
        if (strncmp(a, "--", 2) != 0) continue;
        const size_t size = strcspn(a + 2, "=");
        if (!cli_in_names(a + 2, size, "method|prune-method")) continue;
        found = a[2 + size] == '=' ? a + 3 + size : i + 1 < c->argc ? c->argv[i + 1] : NULL;
    }
    return found;
}

bool cli_wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "--json=on") == 0)
            return i + 1 == argc || strcmp(argv[i + 1], "off") != 0;
    return false;
}

/* ---- an option that no table knows */

/* Keeps the name in `table` that is nearer than *best letters. */
static void keep_nearest(const lop_option *table, int count, const char *name, const char **nearest,
                         int *best)
{
    int distance = 0;
    const lop_option *found = lop_option_nearest(table, count, name, &distance);
    if (found == NULL || (*nearest != NULL && distance >= *best)) return;
    *nearest = found->name;
    *best = distance;
}

static lop_status fail_unknown(cli *c, const char *method, const typed_option *typed)
{
    const char *nearest = NULL;
    char name[64];
    int best = 0, count = 0;
    (void)snprintf(name, sizeof name, "%.*s", (int)typed->size, typed->name);
    const lop_option *table = cli_bench_options(c, &count);
    keep_nearest(table, count, name, &nearest, &best);
    table = c->command->call ? lop_options(c->command->call, &count) : NULL;
    if (table != NULL) keep_nearest(table, count, name, &nearest, &best);
    table = method ? lop_method_options(method, &count) : NULL;
    if (table != NULL) keep_nearest(table, count, name, &nearest, &best);
    keep_nearest(cli_every_options, cli_every_option_count, name, &nearest, &best);
    for (int i = 0; i < cli_own_option_count; i++)
        if (cli_in_names(cli_own_options[i].name, strlen(cli_own_options[i].name), c->command->own))
            keep_nearest(&cli_own_options[i], 1, name, &nearest, &best);
    table = lop_options("session", &count);
    keep_nearest(table, count, name, &nearest, &best);
    if (nearest != NULL)
        return cli_fail(c, LOP_E_ARGUMENT, "--%s is no option of lop %s; did you mean --%s?", name,
                        c->command->name, nearest);
    return cli_fail(c, LOP_E_ARGUMENT, "--%s is no option of lop %s; `lop %s --help` lists them", name,
                    c->command->name, c->command->name);
}

/* ---- an option that is known */

static bool is_on_or_off(const char *text)
{
    return text != NULL && (strcmp(text, "on") == 0 || strcmp(text, "off") == 0);
}

/* The value after `=`, "on" for a flag that stands alone, or the next argument; one that looks like an option is taken
 * for a value only after `=`. */
static lop_status option_value(cli *c, typed_option *typed, int *at)
{
    const lop_option *known = typed->call ? typed->call : typed->session ? typed->session : typed->own;
    const char *next = *at + 1 < c->argc ? c->argv[*at + 1] : NULL;
    if (typed->value == NULL && known->kind == LOP_OPTION_FLAG && !is_on_or_off(next)) {
        typed->value = "on";
        return LOP_OK;
    }
    if (typed->value == NULL && (next == NULL || strncmp(next, "--", 2) == 0))
        return cli_fail(c, LOP_E_ARGUMENT, "--%s needs a value: %s%s", known->name, known->help,
                        next ? "; one that begins with -- is given as --name=value" : "");
    if (typed->value == NULL) typed->value = c->argv[++*at];
    if (typed->own && known->kind == LOP_OPTION_FLAG && !is_on_or_off(typed->value))
        return cli_fail(c, LOP_E_ARGUMENT, "%s is %s; expected on or off", known->name, typed->value);
    if (typed->own && known->kind != LOP_OPTION_FLAG && typed->value[0] == '\0')
        return cli_fail(c, LOP_E_ARGUMENT, "%s is empty; expected %s", known->name, known->help);
    return LOP_OK;
}

static lop_status read_option(cli *c, const char *method, int *at)
{
    cli_arguments *a = &c->arguments;
    const char *text = c->argv[*at];
    const char *name = strcmp(text, "-h") == 0 ? "help" : text + 2;
    const char *equals = strchr(name, '=');
    typed_option typed = {.name = name, .size = strcspn(name, "="), .value = equals ? equals + 1 : NULL};
    look_up(c, method, &typed);
    if (!typed.own && !typed.session && !typed.call) return fail_unknown(c, method, &typed);
    CLI_TRY(option_value(c, &typed, at));
    if (typed.session) a->session[a->session_count++] = (lop_setting){typed.session->name, typed.value};
    if (typed.own) a->own[a->own_count++] = (lop_setting){typed.own->name, typed.value};
    if (typed.call) a->call[a->call_count++] = (lop_setting){typed.call->name, typed.value};
    return LOP_OK;
}

lop_status cli_arguments_read(cli *c)
{
    cli_arguments *a = &c->arguments;
    const char *method = early_method(c);
    const size_t most = (size_t)c->argc + 1;
    a->own = calloc(3 * most, sizeof *a->own); /* one array, three parts */
    if (a->own == NULL) return cli_fail(c, LOP_E_MEMORY, "not enough host memory");
    a->session = a->own + most;
    a->call = a->session + most;
    for (int i = 2; i < c->argc; i++) {
        const char *text = c->argv[i];
        if (strncmp(text, "--", 2) == 0 || strcmp(text, "-h") == 0)
            CLI_TRY(read_option(c, method, &i));
        else if (text[0] == '-')
            return cli_fail(c, LOP_E_ARGUMENT, "%s is no option of lop %s; `lop %s --help` lists them", text,
                            c->command->name, c->command->name);
        else if (a->positional_count < c->command->words)
            a->positional[a->positional_count++] = text;
        else
            return cli_fail(c, LOP_E_ARGUMENT, "\"%s\" is one argument too many: lop %s %s", text,
                            c->command->name, c->command->usage);
    }
    return LOP_OK;
}

void cli_arguments_close(cli_arguments *a)
{
    free(a->own);
    *a = (cli_arguments){0};
}

const char *cli_own(const cli *c, const char *name)
{
    const char *value = NULL;
    for (int i = 0; i < c->arguments.own_count; i++)
        if (strcmp(c->arguments.own[i].name, name) == 0) value = c->arguments.own[i].value;
    return value;
}

bool cli_flag(const cli *c, const char *name)
{
    const char *value = cli_own(c, name);
    return value != NULL && strcmp(value, "on") == 0;
}

lop_status cli_model_path(cli *c, const char **out)
{
    *out = cli_own(c, "model");
    if (*out != NULL && c->arguments.positional_count > 0)
        return cli_fail(c, LOP_E_ARGUMENT, "%s and --model %s are both given: give one",
                        c->arguments.positional[0], *out);
    if (*out == NULL && c->arguments.positional_count > 0) *out = c->arguments.positional[0];
    if (*out == NULL)
        return cli_fail(c, LOP_E_ARGUMENT, "which model? usage: lop %s %s", c->command->name,
                        c->command->usage);
    return LOP_OK;
}

lop_status cli_save_path(cli *c, const char **out)
{
    const char *other = cli_own(c, "save-model");
    *out = cli_own(c, "save");
    if (*out != NULL && other != NULL)
        return cli_fail(c, LOP_E_ARGUMENT,
                        "--save and --save-model are both given: give one; in the pruning scripts "
                        "--save is a folder for logs, here it is where the model goes");
    if (*out == NULL) *out = other;
    if (*out == NULL) return cli_fail(c, LOP_E_ARGUMENT, "where does the output go? give --save");
    return LOP_OK;
}

lop_status cli_open_session(cli *c)
{
    CLI_TRY(lop_session_open(c->arguments.session, c->arguments.session_count, &c->session));
    cli_watch(c);
    return LOP_OK;
}

lop_status cli_open_model(cli *c)
{
    const char *path = NULL;
    CLI_TRY(cli_model_path(c, &path));
    CLI_TRY(cli_open_session(c));
    return lop_model_open(c->session, path, &c->model);
}
