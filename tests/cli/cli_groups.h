/* cli_groups.h - the groups of the program's tests; each runs as the ctest cli.NAME. */
#ifndef LOP_TESTS_CLI_CLI_GROUPS_H
#define LOP_TESTS_CLI_CLI_GROUPS_H

int cli_tests_commands(void); /* every command on real data, and the keys of its result */
int cli_tests_options(void);  /* spellings, help, what is refused before anything is read */
int cli_tests_models(void);   /* model folders and files that are wrong */
int cli_tests_inputs(void);   /* texts, ids, masks and places that are wrong */
int cli_tests_stops(void);    /* signals, kills, resumed runs */
int cli_tests_verify(void);   /* one byte changed */

#endif
