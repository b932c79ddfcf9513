/*
 * The journal: who changed which stage, when, from what to what, why, and
 * what came of it. A file of one JSON object a line, only ever appended to,
 * so that it can be read, copied and searched with anything.
 */
#ifndef CROSSFADE_APP_JOURNAL_H
#define CROSSFADE_APP_JOURNAL_H

#include "base/arena.h"
#include "base/error.h"

/* NULL: nothing to say there. */
struct journal_entry {
	int64_t at_ms; /* 0: now */
	const char *who;
	const char *action; /* "set flag", "reload", "start", "rewrite", "cutover", … */
	const char *database, *table;
	const char *from, *to;
	const char *outcome; /* "done", "refused: …", "failed: …" */
	const char *reason;
	bool forced;
};

struct journal_entries {
	struct journal_entry *items; /* newest first */
	size_t count;
};

enum { JOURNAL_LINE_MAX_BYTES = 8192 };

/* On stable storage when it returns. path NULL: there is no journal, and that is fine. */
bool journal_append(const char *path, const struct journal_entry *entry, struct error *error_out);
/* Whether that would work. */
bool journal_check(const char *path, struct error *error_out);
/*
 * The newest entries, at most so many, of one table or (NULL) of all. A
 * missing file is empty; lines that are no entries are passed over.
 */
bool journal_read(const char *path, const char *table, size_t most, struct arena *arena,
		  struct journal_entries *entries_out, struct error *error_out);

#endif
