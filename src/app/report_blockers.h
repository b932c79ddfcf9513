/* What in the live database names a table that moves, for a report's verdicts. */
#ifndef CROSSFADE_APP_REPORT_BLOCKERS_H
#define CROSSFADE_APP_REPORT_BLOCKERS_H

#include "app/settings.h"
#include "check/finding.h"
#include "usage/report.h"

/* Those of the findings that name a table of the map. */
void report_blockers_take(struct report *report, const struct findings *findings);
/* Says on stderr when the database cannot be asked; the report goes on without. */
void report_blockers_add(struct report *report, const struct settings *settings,
			 const struct settings_database *database);

#endif
