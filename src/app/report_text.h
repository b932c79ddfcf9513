/*
 * The report for the person who decides when to cut over: what still uses
 * old names comes first, and a verdict per table ends it.
 */
#ifndef CROSSFADE_APP_REPORT_TEXT_H
#define CROSSFADE_APP_REPORT_TEXT_H

#include "base/buf.h"
#include "usage/report.h"

struct report_text_style {
	unsigned width; /* characters per line */
	bool colour;
};

/* sides: which to show, by enum side. */
void report_text(struct report *report, const bool sides[2], const struct report_text_style *style,
		 struct buf *out);

/* The verdict on one table, as one line. */
void report_text_verdict(const struct report_table *table, struct buf *out);

#endif
