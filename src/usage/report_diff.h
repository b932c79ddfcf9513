/* What has stopped and what is new between two stretches of time, out of one report on each. */
#ifndef CROSSFADE_USAGE_REPORT_DIFF_H
#define CROSSFADE_USAGE_REPORT_DIFF_H

#include "usage/report.h"

enum report_change_kind { REPORT_CHANGE_CLIENT, REPORT_CHANGE_STATEMENT };

struct report_change {
	enum report_change_kind kind;
	bool stopped; /* used in the first stretch only; false: in the second only */
	const char *table;
	enum side side;
	const char *database, *user, *application; /* of a client; NULLs */
	const char *statement;			   /* NULL: of a client */
	struct report_counts counts;		   /* of the stretch in which it was used */
};

struct report_diff {
	struct report_change *changes; /* by table, side and kind, stopped ones first, most used first */
	size_t count;
};

/* Both reports are finished and without a bound for statements; texts stay theirs. */
void report_diff_init(struct report_diff *diff, const struct report *before, const struct report *after);
void report_diff_deinit(struct report_diff *diff);

#endif
