/* cli_run.c - the program started, waited for, and read. */
#include "tests/cli/cli_run.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS_MOST = 64, SECONDS_MOST = 60 };

extern char **environ;

static void nap(void)
{
    const struct timespec some = {0, 1000000};
    (void)nanosleep(&some, NULL);
}

void cli_start(cli_run *r, const char *const *arguments, int out)
{
    char *argv[ARGUMENTS_MOST + 2] = {(char *)(uintptr_t)LOP_PROGRAM};
    size_t used = (size_t)snprintf((*r = (cli_run){0}).command, sizeof r->command, "lop");
    for (int i = 0; arguments[i]; i++) {
        if (i == ARGUMENTS_MOST) fail_msg("more than %d arguments", ARGUMENTS_MOST);
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
        if (used < sizeof r->command)
            used += (size_t)snprintf(r->command + used, sizeof r->command - used, " %.200s", arguments[i]);
    }
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 2; i++) {
        r->files[i] = memfd_create("lop", MFD_CLOEXEC);
        assert_true(r->files[i] >= 0);
        const int to = i == 0 && out >= 0 ? out : r->files[i];
        (void)posix_spawn_file_actions_adddup2(&actions, to, i == 0 ? STDOUT_FILENO : STDERR_FILENO);
    }
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    const int code = posix_spawn(&r->child, LOP_PROGRAM, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (code != 0) fail_msg("%s cannot be run: %s", LOP_PROGRAM, strerror(code));
}

/* ---- what it printed */

static char *printed(int file)
{
    struct stat st;
    assert_int_equal(fstat(file, &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(text);
    assert_int_equal(pread(file, text, (size_t)st.st_size, 0), st.st_size);
    return text;
}

void cli_fail_run(const cli_run *r, const char *why)
{
    print_error("%s\n%s\nended with %d and printed:\n%.4000s\n%.4000s\n", r->command, why, r->code,
                r->out ? r->out : "", r->err ? r->err : "");
    fail();
    abort();
}

static json_t *read_line(const cli_run *r, const char *line, size_t size)
{
    json_t *event = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(event)) cli_fail_run(r, "a line of standard output is no JSON object");
    if (!json_is_string(json_object_get(event, "event"))) cli_fail_run(r, "a line has no event");
    return event;
}

/* The contract of --json: every line an object with an event, the last one the result or the error. */
static void read_events(cli_run *r)
{
    r->events = json_array();
    for (const char *line = r->out; *line;) {
        const char *end = strchr(line, '\n');
        if (end == NULL) cli_fail_run(r, "the last line does not end");
        (void)json_array_append_new(r->events, read_line(r, line, (size_t)(end - line)));
        line = end + 1;
    }
    const size_t count = json_array_size(r->events);
    if (count == 0) cli_fail_run(r, "no line on standard output");
    r->last = json_array_get(r->events, count - 1);
    const char *event = json_string_value(json_object_get(r->last, "event"));
    if (strcmp(event, "error") == 0) {
        const char *message = json_string_value(json_object_get(r->last, "message"));
        if (json_integer_value(json_object_get(r->last, "exit")) != r->code)
            cli_fail_run(r, "the error's exit is not the exit code");
        if (message == NULL || *message == '\0') cli_fail_run(r, "the error has no message");
    } else if (strcmp(event, "result") != 0 || (r->code != 0 && r->code != 1)) {
        cli_fail_run(r, "the last line is neither result nor error");
    }
}

static void take_end(cli_run *r, int state)
{
    r->child = 0;
    r->code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    r->out = printed(r->files[0]);
    r->err = printed(r->files[1]);
}

bool cli_ended(cli_run *r)
{
    int state = 0;
    if (r->child == 0) return true;
    const pid_t ended = waitpid(r->child, &state, WNOHANG);
    if (ended == r->child) take_end(r, state);
    return ended == r->child;
}

void cli_wait(cli_run *r)
{
    for (int64_t left = SECONDS_MOST * INT64_C(1000); !cli_ended(r); left--) {
        nap();
        if (left > 0) continue;
        (void)kill(r->child, SIGKILL);
        while (!cli_ended(r)) nap();
        cli_fail_run(r, "took more than a minute");
    }
}

bool cli_wait_for(cli_run *r, const char *words)
{
    for (;;) {
        const bool ended = cli_ended(r);
        char *text = printed(r->files[0]);
        const bool there = strstr(text, words) != NULL;
        free(text);
        if (there || ended) return there;
        nap();
    }
}

void cli_go(cli_run *r, const char *const *arguments)
{
    bool json = false;
    for (int i = 0; arguments[i]; i++)
        json = json || strcmp(arguments[i], "--json") == 0 || strcmp(arguments[i], "--json=on") == 0;
    cli_start(r, arguments, -1);
    cli_wait(r);
    if (json) read_events(r);
}

void cli_close(cli_run *r)
{
    for (int i = 0; i < 2; i++) (void)close(r->files[i]);
    free(r->out);
    free(r->err);
    json_decref(r->events);
}

/* ---- what is expected */

void cli_expect(const cli_run *r, int code, const char *words)
{
    if (r->code != code) cli_fail_run(r, "another exit code was expected");
    const char *said = r->events ? json_string_value(json_object_get(r->last, "message")) : NULL;
    if (r->events == NULL) said = code == 0 ? r->err : strstr(r->err, "lop: ");
    if (code > 1 && said == NULL) cli_fail_run(r, "there is no sentence");
    if (code > 1) {
        const char *end = strchr(said, '\n');
        if (end != NULL && end[1] != '\0') cli_fail_run(r, "the failure is more than one line");
    }
    if (words != NULL && (said == NULL || strstr(said, words) == NULL)) {
        print_error("expected: %s\n", words);
        cli_fail_run(r, "the sentence does not say so");
    }
}

void cli_refuses(int code, const char *words, const char *const *arguments)
{
    cli_run r;
    cli_go(&r, arguments);
    cli_expect(&r, code, words);
    cli_close(&r);
}

void cli_passes(const char *const *arguments)
{
    cli_refuses(0, NULL, arguments);
}

/* ---- JSON */

json_t *json_find(json_t *root, const char *path)
{
    json_t *at = root;
    for (const char *key = path; at != NULL && key != NULL;) {
        const size_t n = strcspn(key, ".");
        if (json_is_array(at))
            at = json_array_get(at, (size_t)strtoul(key, NULL, 10));
        else
            at = json_object_getn(at, key, n);
        key = key[n] == '.' ? key + n + 1 : NULL;
    }
    if (at == NULL) {
        char *text = json_dumps(root, JSON_COMPACT);
        print_error("no %s in %.2000s\n", path, text ? text : "nothing");
        free(text);
        fail();
    }
    return at;
}

double json_real_at(json_t *root, const char *path)
{
    json_t *value = json_find(root, path);
    if (!json_is_number(value)) fail_msg("%s is no number", path);
    return json_number_value(value);
}

const char *json_text_at(json_t *root, const char *path)
{
    json_t *value = json_find(root, path);
    if (!json_is_string(value)) fail_msg("%s is no text", path);
    return json_string_value(value);
}
