/*
 * Counting who uses which name, off the proxy path: each worker owns a
 * usage_counter that takes a few nanoseconds a statement and no lock; a
 * store thread collects the counters every flush interval and writes them in
 * batches (usage/store.h). Neither a full disk nor a locked file slows the
 * workers: what cannot be kept is counted as lost.
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
	size_t memory_bytes;	 /* of counts not yet written; beyond: counted in "other" */
	size_t shapes_max;	 /* distinct statements kept in the file; beyond: "other" */
};
struct usage_settings usage_settings_default(void);

/* What happened to the statement in the end. */
enum usage_outcome { USAGE_OK, USAGE_ERROR, USAGE_REFUSED };

/* Opens or creates the ledger and starts the store thread. */
struct usage *usage_open(const struct usage_settings *settings, struct error *error_out);
/* Writes what is left, stops the thread, closes. */
void usage_close(struct usage *usage);

/* NULL usage gives a counter that counts nothing. */
struct usage_counter *usage_counter_new(struct usage *usage);
void usage_counter_free(struct usage_counter *counter);
/* Called by the worker on a timer (usage_settings.flush_ms): hands the counts over without waiting. */
void usage_counter_flush(struct usage_counter *counter);

struct usage_who {
	const char *database, *user, *application, *address; /* address without port; unix: "local" */
};
struct usage_identity *usage_identity_take(struct usage_counter *counter, const struct usage_who *who);
void usage_identity_release(struct usage_counter *counter, struct usage_identity *identity);

/* One statement that the server began, settled on its answer. rows: from the tag, 0 if it has none. */
void usage_count(struct usage_counter *counter, struct usage_identity *identity, struct statement_shape *shape,
		 enum usage_outcome outcome, uint64_t rows);

struct usage_stats {
	uint64_t statements, lost, batches, failures;
	uint64_t lag_ms; /* age of the oldest count not yet written */
};
void usage_stats(const struct usage *usage, struct usage_stats *stats_out);

#endif
