/*
 * What is to be counted of a segment whose answers are held back (retry.h):
 * when it is sent again all of it is counted then, and when the client gets
 * the first answers after all, so does the ledger.
 */
#ifndef CROSSFADE_PROXY_LATE_COUNTS_H
#define CROSSFADE_PROXY_LATE_COUNTS_H

#include "rewrite/rewriter.h"
#include "usage/usage.h"

struct late_count {
	struct rewrite *rewrite; /* NULL: none */
	struct statement_shape *shape;
	enum usage_outcome outcome;
	uint64_t rows;
};

struct late_counts {
	bool waiting; /* what is counted now is kept here */
	struct late_count *items;
	size_t count, capacity;
};

void late_counts_add(struct late_counts *late, struct rewrite *rewrite, struct statement_shape *shape,
		     enum usage_outcome outcome, uint64_t rows);
/* Nothing of it happened. */
void late_counts_drop(struct late_counts *late);

#endif
