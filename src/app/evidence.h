/* What the ledger says about a table that shall go to stage `complete`. On any thread: reads a file. */
#ifndef CROSSFADE_APP_EVIDENCE_H
#define CROSSFADE_APP_EVIDENCE_H

#include "model/ruleset.h"

struct evidence_sources {
	const char *ledger_path; /* NULL: nothing is counted */
	uint32_t idle_days;
	bool only_database;
};

/* True: nobody has used the old name for idle_days, which were observed without a gap, nor opaque code. */
bool evidence_is_quiet(const struct evidence_sources *sources, const struct ruleset *ruleset, const char *key,
		       struct error *error_out);

#endif
