/* test_cli_kill.c - the driver of kills: moments drawn, runs resumed, what they computed held against what was published
 * before. */
#include "tests/cli/cli_kill.h"
#include "tests/cli/cli_model.h"
#include "tests/cli/cli_run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOCKS_MOST = 64, ARGUMENTS_MOST = 60 };

typedef struct kill_case {
    const char *arguments[ARGUMENTS_MOST];
    int count;
    char save[300];
    char *expected;
    double seconds; /* of the undisturbed run */
    uint64_t state; /* of chance */
    bool published[BLOCKS_MOST];
    int kills, whole, computed, replayed, found_done;
} kill_case;

static double clock_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* splitmix64: in [0, 1). */
static double draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* How many blocks the journal of a stopped run holds; its last line may be cut off. */
static int journal_blocks(const char *save)
{
    char path[400];
    int blocks = 0;
    (void)snprintf(path, sizeof path, "%s/.lop/journal.jsonl", save);
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t size = 0;
    while (file != NULL && (size = getline(&line, &room, file)) > 0)
        blocks += line[size - 1] == '\n' && strstr(line, "\"done\":") != NULL;
    free(line);
    if (file != NULL) (void)fclose(file);
    return blocks;
}

/* A block is computed at most once per run, never when an earlier run published it, and never both computed and
 * replayed. */
static void hold_events(kill_case *k, const cli_run *r)
{
    bool seen[BLOCKS_MOST] = {false};
    const char *line = r->out;
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        int index = -1;
        char state[32] = "";
        if (sscanf(line, "{\"event\":\"block\",\"index\":%d,\"of\":%*d,\"state\":\"%31[a-z]", &index,
                   state) != 2)
            continue;
        assert_in_range(index, 0, BLOCKS_MOST - 1);
        const bool computed = strcmp(state, "computed") == 0;
        if (strcmp(state, "written") == 0) {
            k->published[index] = true;
            continue;
        }
        if (seen[index]) cli_fail_run(r, "a block came twice in one run");
        if (computed && k->published[index]) cli_fail_run(r, "a published block was computed again");
        if (!computed && !k->published[index]) cli_fail_run(r, "a block was replayed that nobody published");
        seen[index] = true;
        k->computed += computed;
        k->replayed += !computed;
    }
    const int journaled = journal_blocks(k->save);
    for (int i = 0; i < journaled && i < BLOCKS_MOST; i++) k->published[i] = true;
}

static void attempt(kill_case *k, bool resume, double seconds, cli_run *r)
{
    k->arguments[k->count] = resume ? "--resume" : NULL;
    k->arguments[k->count + 1] = NULL;
    const double from = clock_now();
    cli_start(r, k->arguments, -1);
    while (clock_now() - from < seconds && !cli_ended(r)) {
        const struct timespec some = {0, 200000};
        (void)nanosleep(&some, NULL);
    }
    if (r->child != 0) (void)kill(r->child, SIGKILL);
    cli_wait(r);
}

static void hold_folder(kill_case *k)
{
    char *digest = folder_digest(k->save);
    if (strcmp(digest, k->expected) != 0)
        fail_msg("a resumed run left\n%s\nexpected\n%s", digest, k->expected);
    free(digest);
    PASSES("verify", k->save, "--against", k->arguments[1]);
    k->whole++;
}

/* From nothing to a whole folder. */
static void one_folder(kill_case *k, const char *folder, int number, int kills)
{
    (void)snprintf(k->save, sizeof k->save, "%s/killed%d", folder, number);
    memset(k->published, 0, sizeof k->published);
    for (bool resume = false;; resume = true) {
        cli_run r;
        const bool last = k->kills >= kills;
        attempt(k, resume, last ? 55 : 1.05 * k->seconds * draw(&k->state), &r);
        const bool killed = r.code == 128 + SIGKILL;
        if (r.code != 0 && (!killed || last)) cli_fail_run(&r, "it ended with neither success nor the kill");
        hold_events(k, &r);
        k->kills += killed;
        k->found_done += strstr(r.out, "nothing was computed") != NULL;
        const bool whole = r.code == 0;
        cli_close(&r);
        if (whole) break;
    }
    hold_folder(k);
}

void kill_until_done(const char *folder, const char *const *arguments, int kills, uint64_t seed)
{
    kill_case k = {.state = seed};
    cli_run r;
    while (arguments[k.count] && k.count < ARGUMENTS_MOST - 4) {
        k.arguments[k.count] = arguments[k.count];
        k.count++;
    }
    k.arguments[k.count++] = "--save";
    k.arguments[k.count++] = k.save;
    (void)snprintf(k.save, sizeof k.save, "%s/whole", folder);
    const double from = clock_now();
    attempt(&k, false, 55, &r);
    cli_expect(&r, 0, NULL);
    cli_close(&r);
    k.seconds = clock_now() - from;
    k.expected = folder_digest(k.save);
    for (int number = 0; k.kills < kills; number++) one_folder(&k, folder, number, kills);
    print_message(
        "seed %llu: %d kills, %d folders, %d blocks computed, %d replayed, %d runs found all done; %.2f s "
        "undisturbed, %.2f s in all\n",
        (unsigned long long)seed, k.kills, k.whole, k.computed, k.replayed, k.found_done, k.seconds,
        clock_now() - from);
    free(k.expected);
}
