/*
 * Counts not yet written: an open-addressed table from (identity, shape),
 * compared by address, to a slot of one cache line. What it names is pinned
 * (referenced once) until the store has written it. A worker fills one, the
 * store thread empties it; never both at once.
 */
#ifndef CROSSFADE_USAGE_TABLE_H
#define CROSSFADE_USAGE_TABLE_H

#include "base/list.h"
#include "usage/identity.h"

enum { USAGE_OUTCOME_COUNT = USAGE_REFUSED + 1 };

struct usage_slot {
	struct usage_identity *identity; /* NULL: the slot is free */
	struct statement_shape *shape;	 /* text.len 0: "other" statements of one use */
	uint64_t counts[USAGE_OUTCOME_COUNT];
	uint64_t rows;
	int64_t first_ms, last_ms;
};

struct usage_table {
	struct usage_slot *slots;
	size_t capacity; /* a power of two */
	size_t used;
	struct statement_shape **shapes; /* a set by address */
	size_t shape_capacity, shape_count;
	struct usage_identity **identities; /* a list; identity.pin_epoch tells who is on it */
	size_t identity_capacity, identity_count;
	size_t pinned_bytes;
	uint64_t epoch;	     /* never the same twice for one counter */
	uint64_t statements; /* counted into it */
	struct list_link pending;	/* ledger's, while it waits for the store */
	struct usage_counter *owner;	/* ledger's: NULL once the worker is gone */
	int64_t since_ms;		/* ledger's: of its oldest count */
};

struct usage_table *usage_table_new(uint64_t epoch);
void usage_table_free(struct usage_table *table);
/* Unpins and empties, so that the table can be filled again. */
void usage_table_reset(struct usage_table *table, uint64_t epoch);
size_t usage_table_bytes(const struct usage_table *table);

/* The free slot where (identity, shape) belongs. NULL when it would pass limit_bytes. */
struct usage_slot *usage_table_add(struct usage_table *table, struct usage_identity *identity,
				   struct statement_shape *shape, size_t limit_bytes);

static inline size_t usage_table_hash(const void *identity, const void *shape)
{
	uint64_t mixed = ((uint64_t)(uintptr_t)identity * 0x9e3779b97f4a7c15u) ^ (uint64_t)(uintptr_t)shape;
	mixed *= 0xff51afd7ed558ccdu;
	return (size_t)(mixed ^ (mixed >> 32));
}

/* NULL: not there yet. */
static inline struct usage_slot *usage_table_find(const struct usage_table *table,
						  const struct usage_identity *identity,
						  const struct statement_shape *shape)
{
	size_t mask = table->capacity - 1;
	for (size_t i = usage_table_hash(identity, shape) & mask;; i = (i + 1) & mask) {
		struct usage_slot *slot = &table->slots[i];
		if (slot->identity == identity && slot->shape == shape)
			return slot;
		if (!slot->identity)
			return NULL;
	}
}

#endif
