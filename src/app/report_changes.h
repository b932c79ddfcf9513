/* `crossfade report --diff`: what has stopped and what is new, as text, JSON or CSV. */
#ifndef CROSSFADE_APP_REPORT_CHANGES_H
#define CROSSFADE_APP_REPORT_CHANGES_H

#include "app/report_text.h"
#include "usage/report_diff.h"

/* Two stretches of time that meet at at_ms, and what differs between them. */
struct report_changes {
	int64_t from_ms, at_ms, until_ms;
	int64_t unobserved_ms[2]; /* of either stretch */
	struct report_diff diff;
	const bool *sides; /* which to show, by enum side */
};

void report_changes_text(const struct report_changes *changes, const struct report_text_style *style, struct buf *out);
void report_changes_json(const struct report_changes *changes, struct buf *out);
void report_changes_csv(const struct report_changes *changes, struct buf *out);

#endif
