/* What in the live database names a table that moves, for a report's verdicts. */
#ifndef CROSSFADE_APP_REPORT_BLOCKERS_H
#define CROSSFADE_APP_REPORT_BLOCKERS_H

#include "app/settings.h"
#include "usage/report.h"

/* Says on stderr when the database cannot be asked; the report goes on without. */
void report_blockers_add(struct report *report, const struct settings *settings,
			 const struct settings_database *database);

#endif
