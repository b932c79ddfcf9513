/*
 * What the worker's side (counter.c) and the store thread's side (ledger.c)
 * of the ledger share. The lock is held for a few pointer moves only, never
 * across a write to the file.
 *
 *   worker: count → table ──flush──▶ pending list ──▶ store thread: one
 *   transaction ──▶ emptied table goes back to its worker as the spare
 *
 * A worker has at most one table waiting. While the store is behind it goes
 * on filling its own, which is bounded.
 */
#ifndef CROSSFADE_USAGE_LEDGER_H
#define CROSSFADE_USAGE_LEDGER_H

#include "usage/shared.h"
#include "usage/sightings.h"
#include "usage/store.h"
#include "usage/tally.h"

#include <pthread.h>

struct usage_other; /* counter.c: the shape that stands for statements there is no room for */

struct usage_counter {
	struct usage *usage; /* NULL: counts nothing */
	struct usage_table *table;
	struct usage_identities identities;
	struct usage_identity *other_identity;
	struct usage_other *others; /* uthash */
	uint64_t epoch;
	_Atomic uint64_t statements, folded;
	_Atomic int64_t since_ms;   /* of the oldest count in table; 0: it is empty */
	struct list_link link;	    /* usage.counters; under the lock, as the rest */
	bool waiting;		    /* a table of ours is pending */
	struct usage_table *spare;  /* handed back by the store thread */
};

struct usage {
	struct usage_settings settings;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;	/* store thread: work or stop */
	pthread_cond_t opened;	/* usage_open: the store thread has tried */
	struct list_link counters;
	struct list_link pending; /* usage_table.pending */
	struct usage_declaration *declared; /* newest, not yet written; NULL: none */
	struct list_link foretold; /* usage_foretold.link, not yet taken by the store thread */
	struct usage_sightings sightings; /* not yet taken by the store thread */
	size_t foretold_count;	   /* with those it has taken and not written */
	size_t foretold_bytes;	   /* of their statements */
	bool stopping, started, usable;
	int64_t blind_since_ms; /* usage_watch; 0: it counts */
	struct error open_error;
	_Atomic size_t counter_count;
	_Atomic uint64_t gone_statements, gone_folded; /* of counters that were freed */
	_Atomic uint64_t lost, batches, failures;
	_Atomic int64_t unsent_since_ms; /* of what is in memory for a shared ledger; 0: nothing */
	char place[USAGE_PLACE_BYTES];	 /* for messages */
	struct usage_tally tally;
};

#endif
