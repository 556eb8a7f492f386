/* cli_kill.h - a prune killed at random moments and resumed until it is done, again and again. */
#ifndef LOP_TESTS_CLI_CLI_KILL_H
#define LOP_TESTS_CLI_CLI_KILL_H

#include <stdint.h>

/* Runs the prune undisturbed, then as often as it takes for `kills` runs to be ended by SIGKILL at moments drawn from
 * `seed` (printed), each resumed by the next. Fails unless every folder that becomes whole is the undisturbed one, but
 * for what measures time, and no block was computed whose line was in the journal. Arguments end at NULL and leave out
 * --save and --resume. */
void kill_until_done(const char *folder, const char *const *arguments, int kills, uint64_t seed);

#endif
