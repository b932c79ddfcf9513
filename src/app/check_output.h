/* What `crossfade check` found, for people and for programs. */
#ifndef CROSSFADE_APP_CHECK_OUTPUT_H
#define CROSSFADE_APP_CHECK_OUTPUT_H

#include "check/finding.h"

struct json_t;

/* Errors to stderr, the rest to stdout, and a line that sums up. */
void check_output_text(const char *map_path, const char *database, const struct findings *findings);

/* One item of `databases`; the caller's reference. */
struct json_t *check_output_json(const char *map_path, const char *database, const struct findings *findings);
struct json_t *check_output_failure(const char *map_path, const struct error *error);
/* Prints {"databases": […]} and drops the reference. False: stdout is gone. */
bool check_output_print(struct json_t *databases);

#endif
