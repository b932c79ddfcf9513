/* `crossfade report --from`: a ledger made of a log, of pg_stat_statements or of a tree of SQL files. */
#ifndef CROSSFADE_APP_REPORT_FROM_H
#define CROSSFADE_APP_REPORT_FROM_H

#include "app/settings.h"

#define REPORT_FROM_PREFIX "%m [%p] "

/* Names as --from takes them; NULL kind: told by the name. */
struct report_from {
	const char *const *places; /* [KIND:]PLACE */
	size_t count;
	const char *line_prefix;
	const char *database; /* NULL: the only one */
};

/* Fills the ledger at path, which is made. What could not be read is said on stderr. */
bool report_from_fill(const struct report_from *from, const struct settings *settings, const char *path,
		      struct error *error_out);

#endif
