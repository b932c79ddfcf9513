/*
 * What a ledger says, as plain structs for whoever renders it: per table and
 * side the totals, who, which statements; when it was observed; a verdict.
 * Everything is computed from the file, which may be in use by a proxy.
 */
#ifndef CROSSFADE_USAGE_REPORT_H
#define CROSSFADE_USAGE_REPORT_H

#include "base/arena.h"
#include "usage/usage.h"

struct report_filter {
	const char *table;	 /* old or new name; NULL: all */
	const char *application; /* NULL: all; "" is a name: none was given */
	const char *user;	 /* NULL: all */
	int64_t since_ms, until_ms; /* 0: open. Counts are then of whole hours, older ones of whole days (UTC) */
	int64_t now_ms;
	uint32_t idle_days;	 /* a table is quiet when its old name was not seen for so long */
	size_t statements_max;	 /* per table and side; the rest is summed */
};
struct report_filter report_filter_default(void);

struct report_counts {
	uint64_t total, ok, errors, refused, rows;
	uint64_t rewritten, unparsed; /* of the total */
	int64_t first_ms, last_ms;    /* 0: never */
};

struct report_who {
	const char *database, *user, *application, *address;
	struct report_counts counts;
};

struct report_statement {
	const char *text;
	uint64_t hash;
	enum use_kind kind; /* USE_KIND_COUNT: one this version does not know */
	struct report_counts counts;
};

struct report_side {
	struct report_counts counts;
	uint64_t kinds[USE_KIND_COUNT + 1]; /* the last: unknown ones */
	struct report_who **who;	    /* most used first */
	size_t who_count;
	struct report_statement **statements; /* most used first, at most filter.statements_max */
	size_t statement_count, statements_left_out;
};

enum { REPORT_HOURS = 48, REPORT_DAYS = 35 };

enum report_verdict {
	REPORT_IN_USE,	/* the old name was seen within idle_days */
	REPORT_UNKNOWN, /* not seen, but not watched for long enough to tell */
	REPORT_QUIET,	/* not seen for idle_days of watching */
	REPORT_SAME,	/* the table has one name in both schemas: no code has to change */
};

struct report_table {
	const char *name;     /* the old name, key of the entry */
	const char *new_name; /* NULL: none known */
	const char *stage;    /* NULL: not known */
	bool in_map;	      /* now, as far as report.map_known */
	int64_t declared_ms;  /* since when it is in the map; 0: not known */
	struct report_side sides[2]; /* by enum side */
	/* What the verdict rests on: always over all time, whatever since and until say. */
	int64_t old_last_ms;
	const char *old_last_application, *old_last_user;
	size_t old_applications;  /* that used the old name within idle_days */
	bool old_only_refused;	  /* within idle_days nobody got through with it */
	int64_t observed_ms;	  /* how long it was watched */
	int64_t unobserved_ms;	  /* of the last idle_days */
	enum report_verdict verdict;
	uint64_t hours[2][REPORT_HOURS], days[2][REPORT_DAYS]; /* uses by enum side, the last: now; whatever since says */
	const char *verdict_text; /* a sentence without a full stop */
};

enum report_end { REPORT_RUNNING, REPORT_STOPPED, REPORT_BROKEN_OFF };

struct report_observation {
	const char *host, *version;
	int64_t pid;
	int64_t started_ms, until_ms;
	enum report_end end;
	uint64_t lost;
};

struct report_gap {
	int64_t from_ms, until_ms;
	bool broken_off; /* the proxy was killed or crashed; false: it was stopped */
};

struct report {
	struct arena arena;
	struct report_filter filter;
	struct report_table **tables; /* in use first, then unknown, then quiet */
	size_t table_count, table_capacity;
	struct report_observation *observations; /* by start */
	size_t observation_count, observation_capacity;
	struct report_gap *gaps; /* between the first start and now */
	size_t gap_count;
	int64_t observed_ms, lost;
	bool map_known; /* the configuration or the ledger says which entries there are */
	int64_t series_from_ms; /* where the series begins; 0: it is empty */
	struct report_index *index; /* private, until report_finish */
};

struct report *report_new(const struct report_filter *filter);
void report_free(struct report *report);
/* Adds what the file says; several files add up. Reads only. */
bool report_add_ledger(struct report *report, const char *path, struct error *error_out);
/*
 * Entries of the configuration: their new names and stages win over what the
 * ledger remembers. all: there are no others in the map (no pattern in it).
 */
void report_add_entries(struct report *report, const struct usage_entry *entries, size_t count, bool all);
/* Sorts and judges; no more adding after it. */
void report_finish(struct report *report);

/* The table has the same name on both sides. */
bool report_is_same_name(const struct report_table *table);
/* Where the hours and days of all tables begin (UTC). */
int64_t report_hours_from_ms(const struct report *report);
int64_t report_days_from_ms(const struct report *report);

const char *report_verdict_name(enum report_verdict verdict);
const char *report_end_name(enum report_end end);

#endif
