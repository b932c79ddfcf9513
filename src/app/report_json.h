/* The report as JSON; docs/report.md documents every key, which are an interface. */
#ifndef CROSSFADE_APP_REPORT_JSON_H
#define CROSSFADE_APP_REPORT_JSON_H

#include "base/buf.h"
#include "usage/report.h"

/* sides: which to show, by enum side. */
void report_json(const struct report *report, const bool sides[2], struct buf *out);

#endif
