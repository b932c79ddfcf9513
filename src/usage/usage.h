/*
 * Counting who uses which name, off the proxy path: each worker owns a
 * usage_counter that takes a few dozen instructions a statement, no lock and
 * no system call; a store thread takes the counts over every flush interval
 * and writes them in batches (usage/store.h). Neither a full disk nor a
 * locked file slows the workers: counts wait in bounded memory, details are
 * folded into "(other)" first, totals stay exact. What cannot be written by
 * the end of the process is counted as lost.
 */
#ifndef CROSSFADE_USAGE_USAGE_H
#define CROSSFADE_USAGE_USAGE_H

#include "base/error.h"
#include "model/use.h"

struct usage;		/* the ledger: one per process */
struct usage_counter;	/* one per worker thread */
struct usage_identity;	/* who: interned per counter, kept by a session while it lives */

struct usage_settings {
	const char *path;	 /* SQLite file; NULL: counting is off */
	uint32_t flush_ms;
	size_t memory_bytes;	 /* of counts not yet written, all workers; beyond: counted in "other" */
	size_t shapes_max;	 /* distinct statements kept in the file; beyond: "other" */
	size_t identities_max;	 /* distinct identities kept in the file; beyond: "other" */
	size_t uses_max;	 /* distinct rows of counts in the file; beyond: "other" */
	size_t series_max;	 /* rows of the time series; beyond: coarser, then older ones go */
	uint32_t hours_days;	 /* days for which the series stays hourly */
	uint32_t keep_days;	 /* days for which the series is kept at all */
};
struct usage_settings usage_settings_default(void);

/* What happened to the statement in the end. */
enum usage_outcome { USAGE_OK, USAGE_ERROR, USAGE_REFUSED };

/*
 * Opens or creates the ledger and starts the store thread. False with
 * error_out when the file cannot serve as a ledger. A NULL path gives a NULL
 * usage, which every function here takes.
 */
bool usage_open(const struct usage_settings *settings, struct usage **usage_out, struct error *error_out);
/* Writes what is left, stops the thread, closes. Its counters must be freed before. */
void usage_close(struct usage *usage);
/* What usage_open would say, without creating or changing anything. */
bool usage_check(const struct usage_settings *settings, struct error *error_out);

/* An entry of the map as the ledger should know it, so that reports can name tables nobody has used. */
struct usage_entry {
	const char *table;    /* the stable key: "schema.name" of the old name */
	const char *new_name; /* "schema.name"; NULL: none */
	enum stage stage;
	bool stage_unknown; /* for a report: the ledger remembers it */
	const char *const *deprecated; /* old columns that are to go */
	size_t deprecated_count;
};
/* The entries now in force; call after each reload. Copies; never waits for the file. */
void usage_declare(struct usage *usage, const struct usage_entry *entries, size_t count);

/* What would become of a statement if an entry, of which it uses one name, were at its next stage. */
enum usage_forecast { USAGE_FORECAST_FINE, USAGE_FORECAST_OPAQUE, USAGE_FORECAST_REFUSED };
const char *usage_forecast_name(enum usage_forecast forecast);
/*
 * From any thread but a worker's; never waits for the file. table is the entry's stable key, reason a
 * sentence or NULL. What there is no room for is dropped.
 */
void usage_foretell(struct usage *usage, struct statement_shape *shape, const char *table, enum side side,
		    enum stage stage, enum usage_forecast forecast, const char *reason);

/* False: nothing is counted from now on, and the time until it is true again is a gap. It is true at first. */
void usage_watch(struct usage *usage, bool watching);

/* Sessions of the server that came past the proxy. */
struct usage_bypass {
	const char *user, *application;
	const char *address, *kind; /* of the other side, and of the session; NULL: not known */
	uint32_t sessions;
};
/* Somebody has looked who is connected to the database, and these were not the proxy's. As usage_foretell. */
void usage_looked(struct usage *usage, const char *database, const struct usage_bypass *items, size_t count);

/* NULL usage gives a counter that counts nothing. */
struct usage_counter *usage_counter_new(struct usage *usage);
/* Hands over what is left. Identities must have been released. */
void usage_counter_free(struct usage_counter *counter);
/* Called by the worker on a timer (usage_settings.flush_ms): hands the counts over without waiting. */
void usage_counter_flush(struct usage_counter *counter);

struct usage_who {
	const char *database, *user, *application, *address; /* address without port; unix: "local" */
	const char *controller, *route, *action; /* where in the application's code; NULL: not known */
};
/* NULL when counting is off. */
struct usage_identity *usage_identity_take(struct usage_counter *counter, const struct usage_who *who);
void usage_identity_release(struct usage_counter *counter, struct usage_identity *identity);

/* One statement that the server began, settled on its answer. rows: from the tag, 0 if it has none. */
void usage_count(struct usage_counter *counter, struct usage_identity *identity, struct statement_shape *shape,
		 enum usage_outcome outcome, uint64_t rows);

struct usage_stats {
	uint64_t statements; /* counted since the start */
	uint64_t lost;	     /* counted and given up on */
	uint64_t folded;     /* counted without their text, for want of memory */
	uint64_t batches, failures;
	uint64_t lag_ms; /* age of the oldest count not yet written */
};
void usage_stats(struct usage *usage, struct usage_stats *stats_out);

/* Uses of one name since the start, as far as they are written. */
struct usage_tally_row {
	const char *database, *table; /* table: the stable key of the entry */
	enum side side;
	uint64_t unchanged, rewritten, refused; /* together: all */
	uint64_t errors; /* of the first two: those that the server answered with an error */
};
typedef void usage_total_fn(void *context, const struct usage_tally_row *row);
/* From any thread; `each` runs under a lock that the store thread takes. */
void usage_totals(struct usage *usage, usage_total_fn *each, void *context);

#endif
