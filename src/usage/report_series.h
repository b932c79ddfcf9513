/* How a table's two names were used over time: counts of the last hours and of the last days, for charts. */
#ifndef CROSSFADE_USAGE_REPORT_SERIES_H
#define CROSSFADE_USAGE_REPORT_SERIES_H

#include "usage/report.h"

#include <sqlite3.h>

bool report_read_series(struct report *report, sqlite3 *db);

#endif
