/* The report as CSV: a row for each statement of each client; docs/report.md documents the columns. */
#ifndef CROSSFADE_APP_REPORT_CSV_H
#define CROSSFADE_APP_REPORT_CSV_H

#include "base/buf.h"
#include "usage/report.h"

/* The report was made with filter.wants_uses. sides: which to show, by enum side. */
void report_csv(const struct report *report, const bool sides[2], struct buf *out);

#endif
