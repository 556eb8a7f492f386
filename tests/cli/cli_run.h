/* cli_run.h - the built program run with arguments as a user gives them: its exit, what it printed, its JSON lines held
 * against the contract. What goes wrong fails the running cmocka test with all that was printed. */
#ifndef LOP_TESTS_CLI_CLI_RUN_H
#define LOP_TESTS_CLI_CLI_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

/* One run. `code` is the exit code, or 128 + the signal that ended it. */
typedef struct cli_run {
    pid_t child;
    int files[2]; /* what it prints, on standard output and standard error */
    char command[2048];
    int code;
    char *out, *err;
    json_t *events; /* of a run with --json: every line; the last is the result or the error */
    json_t *last;   /* borrowed from events */
} cli_run;

/* Arguments end at NULL; the program's name is not one of them. A run that takes more than a minute is killed and fails
 * the test. */
void cli_go(cli_run *r, const char *const *arguments);
void cli_close(cli_run *r);
#define RUN(r, ...) cli_go((r), (const char *const[]){__VA_ARGS__, NULL})

/* The same in three steps, for runs that are disturbed. `out` is the file that standard output goes to, -1: one that is
 * read back. */
void cli_start(cli_run *r, const char *const *arguments, int out);
bool cli_ended(cli_run *r); /* does not wait */
void cli_wait(cli_run *r);

/* Waits until standard output holds `words`; false when the program ended without. */
bool cli_wait_for(cli_run *r, const char *words);

/* The exit code is `code`; if `words` is not NULL, the sentence (of the error event, or on standard error) holds it. A
 * failure is one line that begins with "lop: " or is the error event. */
void cli_expect(const cli_run *r, int code, const char *words);

/* Runs, expects and closes. */
void cli_refuses(int code, const char *words, const char *const *arguments);
#define REFUSES(code, words, ...) cli_refuses((code), (words), (const char *const[]){__VA_ARGS__, NULL})
void cli_passes(const char *const *arguments);
#define PASSES(...) cli_passes((const char *const[]){__VA_ARGS__, NULL})

/* Fails the test with what the run printed. */
void cli_fail_run(const cli_run *r, const char *why) __attribute__((noreturn));

/* The value at "a.b.0.c"; fails the test when it is not there. */
json_t *json_find(json_t *root, const char *path);
double json_real_at(json_t *root, const char *path);
const char *json_text_at(json_t *root, const char *path);

#endif
