/* shared_data.h - where tests find the data that is too big for the repository: the folder named by
 * LOP_SHARED, by default ../shared seen from the source folder. Tests without it skip and say so; with
 * "shared" in LOP_REQUIRE they fail. */
#ifndef LOP_TESTS_HARNESS_SHARED_DATA_H
#define LOP_TESTS_HARNESS_SHARED_DATA_H

#include <stdbool.h>

/* True if the comma-separated list LOP_REQUIRE holds `name`. */
bool require_names(const char *name);

/* The path of `name` inside the shared folder, valid until the eighth call after this one. */
const char *shared_path(const char *name);

/* Ends the running cmocka test as skipped, or failed where it is required, if the shared folder lacks
 * `name`. */
void shared_need(const char *name);

#endif
