/*
 * Running totals since the start, per database, table and side, for metrics:
 * added up by the store thread from tables it has written, so that counting
 * costs a worker nothing more.
 */
#ifndef CROSSFADE_USAGE_TALLY_H
#define CROSSFADE_USAGE_TALLY_H

#include "usage/table.h"

#include <pthread.h>

struct usage_tally_entry; /* tally.c */

struct usage_tally {
	pthread_mutex_t lock;
	struct usage_tally_entry *entries; /* uthash */
};

void usage_tally_init(struct usage_tally *tally);
void usage_tally_deinit(struct usage_tally *tally);
void usage_tally_add(struct usage_tally *tally, const struct usage_table *table);

#endif
