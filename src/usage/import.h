/*
 * A ledger made from what was found elsewhere, in logs say, with times of its
 * own: no threads, no waiting. The result is a file like every other ledger.
 */
#ifndef CROSSFADE_USAGE_IMPORT_H
#define CROSSFADE_USAGE_IMPORT_H

#include "usage/usage.h"

struct usage_import;

bool usage_import_open(const char *path, struct usage_import **import_out, struct error *error_out);
/* time_ms 0: now. */
void usage_import_count(struct usage_import *import, const struct usage_who *who, struct statement_shape *shape,
			enum usage_outcome outcome, uint64_t count, uint64_t rows, int64_t time_ms);
/*
 * Writes what is left; the ledger says that it was watched from the first
 * moment to the last (0: not at all). Frees the import in any case.
 */
bool usage_import_close(struct usage_import *import, int64_t from_ms, int64_t until_ms, struct error *error_out);

#endif
