/*
 * The ledger's file: one SQLite database, written by one thread, read by
 * whoever likes. schema.h documents what is in it.
 */
#ifndef CROSSFADE_USAGE_STORE_H
#define CROSSFADE_USAGE_STORE_H

#include "usage/table.h"

struct usage_store;
struct usage_sightings;

/* A copy of what usage_declare was given. */
struct usage_declaration {
	size_t count;
	struct {
		char *table, *new_name;
		char *deprecated; /* names with a newline between them; NULL: none */
		enum stage stage;
	} items[];
};

/* A forecast on its way to the file (usage_foretell). */
struct usage_foretold {
	struct list_link link;
	struct statement_shape *shape;
	enum side side;
	enum stage stage;
	enum usage_forecast forecast;
	const char *reason; /* NULL: none */
	char table[];	    /* reason follows */
};

struct usage_declaration *usage_declaration_new(const struct usage_entry *entries, size_t count);
void usage_declaration_free(struct usage_declaration *declaration);

/* The stretch of time for which this process has seen every statement; outlives a reopened file. */
struct usage_observation {
	int64_t id, started_ms; /* 0: none yet */
	int64_t written_ms;	/* up to here it is in a file; what came later is still in memory */
};

/* Opens or creates the file, brings its schema up to date, begins or goes on with the observation. */
bool usage_store_open(const struct usage_settings *settings, struct usage_observation *observation,
		      struct usage_store **store_out, struct error *error_out);
/* The observation ends as a clean stop, with this many statements lost. */
void usage_store_close(struct usage_store *store, uint64_t lost);

/* Whether the run of a proxy on this host that did not end its observation is over. */
bool usage_run_is_gone(int64_t pid);

/* What one transaction puts into the file. */
struct usage_batch {
	struct usage_table *const *tables;
	size_t count;
	const struct usage_declaration *declaration; /* NULL: as before */
	const struct list_link *foretold;	     /* NULL: none */
	const struct usage_sightings *sightings;     /* NULL: none */
};
/* All of it and the heartbeat. False: nothing of it is in the file; call again with the same. */
bool usage_store_write(struct usage_store *store, const struct usage_batch *batch, struct error *error_out);
/* Rolls the time series up and keeps the file within its bounds; cheap when there is nothing to do. */
bool usage_store_maintain(struct usage_store *store, struct error *error_out);
/* True when only opening anew can help: the path names another file now, or writing failed for good. */
bool usage_store_is_stale(const struct usage_store *store);
/* Nothing is counted since then; and again from now on, as a new observation. */
bool usage_store_end_observation(struct usage_store *store, int64_t at_ms, struct error *error_out);
bool usage_store_observe_again(struct usage_store *store, struct error *error_out);
/* Closes without ending the observation, to open anew. */
void usage_store_abandon(struct usage_store *store);

#endif
