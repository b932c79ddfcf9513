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
	uint32_t idle_days;	 /* a table is ready when its old name was not seen for so long */
	size_t statements_max;	 /* per table and side; the rest is summed */
	bool wants_uses;	 /* fill report_side.uses */
};
struct report_filter report_filter_default(void);

struct report_counts {
	uint64_t total, ok, errors, refused, rows;
	uint64_t rewritten, unparsed; /* of the total */
	int64_t first_ms, last_ms;    /* 0: never */
};

struct report_who {
	const char *database, *user, *application, *address;
	const char *controller, *route, *action; /* where in the application's code; "": not known */
	struct report_counts counts;
};

struct report_statement {
	const char *text;
	uint64_t hash;
	enum use_kind kind; /* USE_KIND_COUNT: one this version does not know */
	struct report_counts counts;
	const char **columns; /* of this table, by their old names */
	size_t column_count;
	const char *forecast;	     /* at the table's next stage: "fine", "opaque", "refused"; NULL: not known */
	const char *forecast_reason; /* NULL: none */
};

/* One statement of one client. */
struct report_use {
	const struct report_who *who;
	const struct report_statement *statement;
	struct report_counts counts;
};

struct report_side {
	struct report_counts counts;
	uint64_t kinds[USE_KIND_COUNT + 1]; /* the last: unknown ones */
	struct report_who **who;	    /* most used first */
	size_t who_count;
	struct report_statement **statements; /* most used first, at most filter.statements_max */
	size_t statement_count, statements_left_out;
	struct report_use **uses; /* in no order; none without filter.wants_uses */
	size_t use_count;
};

/* A column that statements name, over all time. */
struct report_column {
	const char *name; /* the old one, or "*": statements that take all, or of which it cannot be told */
	bool deprecated;
	uint64_t counts[2]; /* by enum side of the table's name */
	int64_t last_ms;
	const char **applications; /* that named it within idle_days */
	size_t application_count;
};

/* What becomes of a table's statements at its next stage, as far as they were tried. */
struct report_forecast {
	const char *stage; /* NULL: nothing was tried */
	size_t fine, opaque, refused;
	size_t unknown; /* statements of the old name that were not tried */
};

enum { REPORT_HOURS = 48, REPORT_DAYS = 35 };

enum report_verdict {
	REPORT_IN_USE,	   /* the old name was seen within idle_days */
	REPORT_BLOCKED,	   /* not seen, but something in the database names the table */
	REPORT_DEPRECATED, /* not seen, but deprecated columns were, by the new name */
	REPORT_UNKNOWN,	   /* not seen, but not watched for long enough to tell */
	REPORT_BYPASSED,   /* not seen here, but somebody connects to the server directly */
	REPORT_READY,	   /* not seen for idle_days of watching */
	REPORT_SAME,	   /* the table has one name in both schemas: no code has to change */
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
	struct report_column **columns; /* deprecated ones first, then by name */
	size_t column_count;
	struct report_forecast forecast;
	int64_t went_back_ms; /* to an earlier stage, the last time; 0: never */
	const char **blockers; /* what in the database names the table, such as "function f()" */
	size_t blocker_count, blocker_capacity;
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

/* A change of an entry's stage. */
struct report_flip {
	const char *table, *from, *to;
	int64_t at_ms; /* of the first proxy that saw it */
};

/* Sessions of the server that came past the proxy. */
struct report_bypass {
	const char *user, *application;
	uint64_t sessions;
};

/* A database that was asked what in it names a table. */
struct report_asked {
	const char *database; /* NULL: the only one */
	int64_t at_ms;	      /* of its last answer; 0: there was none */
	const char *error;    /* why it could not be asked (again); NULL: it could */
};

struct report_gap {
	int64_t from_ms, until_ms;
	bool broken_off; /* the proxy was killed or crashed; false: it was stopped */
};

struct report {
	struct arena arena;
	struct report_filter filter;
	struct report_table **tables; /* by verdict: in use first, ready last */
	size_t table_count, table_capacity;
	struct report_observation *observations; /* by start */
	size_t observation_count, observation_capacity;
	struct report_gap *gaps; /* between the first start and now */
	size_t gap_count;
	struct report_flip *flips; /* newest first */
	size_t flip_count, flip_capacity;
	struct report_bypass *bypasses;
	size_t bypass_count, bypass_capacity;
	bool bypass_known; /* somebody has looked */
	struct report_asked *asked;
	size_t asked_count, asked_capacity;
	int64_t observed_ms, lost;
	bool map_known; /* the configuration or the ledger says which entries there are */
	int64_t series_from_ms; /* where the series begins; 0: it is empty */
	struct report_index *index; /* private, until report_finish */
};

/* "47 hours", "3 days". */
const char *report_duration(struct arena *arena, int64_t ms);

struct report *report_new(const struct report_filter *filter);
void report_free(struct report *report);
/* Adds what the file says; several files add up. Reads only. */
bool report_add_ledger(struct report *report, const char *path, struct error *error_out);
/*
 * Entries of the configuration: their new names and stages win over what the
 * ledger remembers. all: there are no others in the map (no pattern in it).
 */
void report_add_entries(struct report *report, const struct usage_entry *entries, size_t count, bool all);
/* Something in the database names the table: "function public.f()". Before report_finish. */
void report_add_blocker(struct report *report, const char *table, const char *what);
/* Who was asked for blockers, and whether there was an answer. Before report_finish. */
void report_add_asked(struct report *report, const char *database, int64_t at_ms, const char *error);
/* Somebody has looked for sessions that bypass the proxy; then what was found. Before report_finish. */
void report_set_bypass_known(struct report *report);
void report_add_bypass(struct report *report, const char *user, const char *application, uint64_t sessions);
/* Sorts and judges; no more adding after it. */
void report_finish(struct report *report);

/* NULL: neither the map nor the ledger knows it. By its old or new name. */
const struct report_table *report_find(const struct report *report, const char *table);
/* Nothing stands in the way of giving the old name up. */
bool report_is_ready(const struct report_table *table);
/* The table has the same name on both sides. */
bool report_is_same_name(const struct report_table *table);
/* How much of [from_ms, until_ms) nobody watched. */
int64_t report_unobserved_ms(const struct report *report, int64_t from_ms, int64_t until_ms);
/* Where the hours and days of all tables begin (UTC). */
int64_t report_hours_from_ms(const struct report *report);
int64_t report_days_from_ms(const struct report *report);

const char *report_verdict_name(enum report_verdict verdict);
const char *report_end_name(enum report_end end);

#endif
