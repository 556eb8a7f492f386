/* cmd_prune.c - lop prune. */
#include "cli/cli.h"

#include <jansson.h>
#include <stdlib.h>

/* argv as a JSON array, for the report; NULL when one is not UTF-8. The caller frees. */
static char *command_json(const cli *c)
{
    json_t *array = json_array();
    bool whole = array != NULL;
    for (int i = 0; whole && i < c->argc; i++)
        whole = json_array_append_new(array, json_string(c->argv[i])) == 0;
    char *text = whole ? json_dumps(array, JSON_COMPACT) : NULL;
    json_decref(array);
    return text;
}

lop_status cmd_prune(cli *c)
{
    const char *method = cli_own(c, "method"), *save = NULL;
    if (method == NULL)
        return cli_fail(c, LOP_E_ARGUMENT, "which method? give --method; `lop prune --help` lists them");
    CLI_TRY(cli_save_path(c, &save));
    CLI_TRY(cli_open_model(c));
    char *command = command_json(c);
    if (command == NULL) return cli_fail(c, LOP_E_ARGUMENT, "an argument is not UTF-8");
    cli_arguments *a = &c->arguments; /* its arrays have room for one more than argv */
    a->call[a->call_count++] = (lop_setting){"command", command};
    const lop_status status = lop_prune(c->model, method, a->call, a->call_count, save, &c->result);
    free(command);
    return status;
}
