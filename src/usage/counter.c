/*
 * The worker's side: counting. The common case is one lookup and four
 * additions; everything else (a first sight, no more room) is out of line.
 */
#include "usage/ledger.h"

#include "base/memory.h"

#include <time.h>

struct usage_other {
	UT_hash_handle hh;
	struct statement_shape *shape;
	size_t key_len;
	char key[]; /* side, kind, flags, table */
};

enum { OTHER_KEY_HEAD = 4, OTHER_KEY_MAX = 512 };

/* The coarse clock is a read of memory: no system call, a few ms exact. */
static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A table that waits and one that fills, for each worker. */
static size_t table_limit(const struct usage *usage)
{
	size_t counters = atomic_load_explicit(&usage->counter_count, memory_order_relaxed);
	return usage->settings.memory_bytes / (2 * (counters ? counters : 1));
}

struct usage_counter *usage_counter_new(struct usage *usage)
{
	struct usage_counter *counter = memory_zalloc(sizeof(*counter));
	counter->usage = usage;
	if (!usage)
		return counter;
	const struct usage_who other = { USAGE_OTHER, USAGE_OTHER, USAGE_OTHER, USAGE_OTHER };
	counter->other_identity = usage_identities_take(&counter->identities, &other, SIZE_MAX);
	counter->table = usage_table_new(++counter->epoch);
	atomic_fetch_add(&usage->counter_count, 1);
	pthread_mutex_lock(&usage->lock);
	link_append(&usage->counters, &counter->link);
	pthread_mutex_unlock(&usage->lock);
	return counter;
}

/* Under the lock. */
static void hand_over(struct usage_counter *counter)
{
	struct usage_table *table = counter->table;
	table->owner = counter;
	table->since_ms = atomic_load_explicit(&counter->since_ms, memory_order_relaxed);
	atomic_store_explicit(&counter->since_ms, 0, memory_order_relaxed);
	link_append(&counter->usage->pending, &table->pending);
	counter->waiting = true;
	counter->table = counter->spare;
	counter->spare = NULL;
	pthread_cond_signal(&counter->usage->wake);
}

void usage_counter_flush(struct usage_counter *counter)
{
	if (!counter || !counter->usage)
		return;
	usage_identities_sweep(&counter->identities);
	if (!counter->table->used)
		return;
	pthread_mutex_lock(&counter->usage->lock);
	if (!counter->waiting)
		hand_over(counter);
	pthread_mutex_unlock(&counter->usage->lock);
	if (!counter->table)
		counter->table = usage_table_new(++counter->epoch);
	else if (!counter->table->used)
		counter->table->epoch = ++counter->epoch;
}

static void others_free(struct usage_counter *counter)
{
	struct usage_other *other, *next;
	HASH_ITER(hh, counter->others, other, next) {
		HASH_DEL(counter->others, other);
		statement_shape_unref(other->shape);
		free(other);
	}
}

/* Under the lock. */
static void part_from_ledger(struct usage_counter *counter)
{
	if (counter->table->used)
		hand_over(counter);
	LIST_FOR_EACH(link, &counter->usage->pending) {
		struct usage_table *table = LIST_ENTRY(link, struct usage_table, pending);
		if (table->owner == counter)
			table->owner = NULL;
	}
	link_remove(&counter->link);
}

void usage_counter_free(struct usage_counter *counter)
{
	if (!counter)
		return;
	struct usage *usage = counter->usage;
	if (usage) {
		pthread_mutex_lock(&usage->lock);
		part_from_ledger(counter);
		pthread_mutex_unlock(&usage->lock);
		atomic_fetch_add(&usage->gone_statements, atomic_load(&counter->statements));
		atomic_fetch_add(&usage->gone_folded, atomic_load(&counter->folded));
		atomic_fetch_sub(&usage->counter_count, 1);
		usage_table_free(counter->table);
		usage_table_free(counter->spare);
		usage_identities_deinit(&counter->identities);
		others_free(counter);
	}
	free(counter);
}

struct usage_identity *usage_identity_take(struct usage_counter *counter, const struct usage_who *who)
{
	if (!counter || !counter->usage)
		return NULL;
	struct usage_identity *identity =
		usage_identities_take(&counter->identities, who, table_limit(counter->usage) / 2);
	if (identity)
		return identity;
	counter->other_identity->sessions++;
	return counter->other_identity;
}

void usage_identity_release(struct usage_counter *counter, struct usage_identity *identity)
{
	if (counter && identity)
		usage_identities_release(&counter->identities, identity);
}

static size_t other_key(const struct use *use, char key_out[OTHER_KEY_MAX])
{
	struct slice table = slice_str(use->table);
	if (table.len > OTHER_KEY_MAX - OTHER_KEY_HEAD)
		table.len = OTHER_KEY_MAX - OTHER_KEY_HEAD;
	key_out[0] = (char)use->side;
	key_out[1] = (char)use->kind;
	memcpy(key_out + 2, &use->flags, sizeof(use->flags));
	if (table.len)
		memcpy(key_out + OTHER_KEY_HEAD, table.data, table.len);
	return OTHER_KEY_HEAD + table.len;
}

/* There are as many as the map has names times the kinds used: bounded by the configuration. */
static struct statement_shape *other_shape(struct usage_counter *counter, const struct use *use)
{
	char key[OTHER_KEY_MAX];
	struct usage_other *other;
	size_t key_len = other_key(use, key);
	HASH_FIND(hh, counter->others, key, key_len, other);
	if (other)
		return other->shape;
	struct use alone = *use;
	alone.written.schema = alone.written.name = NULL;
	alone.column_count = 0;
	alone.all_columns = true;
	other = memory_zalloc(sizeof(*other) + key_len);
	memcpy(other->key, key, key_len);
	other->key_len = key_len;
	other->shape = statement_shape_new(slice_of(NULL, 0), &alone, 1);
	HASH_ADD_KEYPTR(hh, counter->others, other->key, other->key_len, other);
	return other->shape;
}

static inline void slot_add(struct usage_slot *slot, enum usage_outcome outcome, uint64_t rows, int64_t now)
{
	slot->counts[outcome]++;
	slot->rows += rows;
	if (!slot->first_ms)
		slot->first_ms = now;
	slot->last_ms = now;
}

static struct usage_slot *find_or_add(struct usage_counter *counter, struct usage_identity *identity,
				      struct statement_shape *shape, size_t limit_bytes)
{
	struct usage_slot *slot = usage_table_find(counter->table, identity, shape);
	return slot ? slot : usage_table_add(counter->table, identity, shape, limit_bytes);
}

/* No room for the statement: its uses are counted without it; without who ran it if need be. */
static void count_as_other(struct usage_counter *counter, struct usage_identity *identity,
			   const struct statement_shape *shape, enum usage_outcome outcome, uint64_t rows, int64_t now)
{
	size_t limit = table_limit(counter->usage);
	uint64_t folded = atomic_load_explicit(&counter->folded, memory_order_relaxed);
	atomic_store_explicit(&counter->folded, folded + 1, memory_order_relaxed);
	for (size_t i = 0; i < shape->use_count; i++) {
		struct statement_shape *other = other_shape(counter, &shape->uses[i]);
		struct usage_slot *slot = find_or_add(counter, identity, other, limit);
		if (!slot)
			slot = find_or_add(counter, counter->other_identity, other, SIZE_MAX);
		slot_add(slot, outcome, rows, now);
	}
}

static __attribute__((noinline)) void count_first(struct usage_counter *counter, struct usage_identity *identity,
						  struct statement_shape *shape, enum usage_outcome outcome,
						  uint64_t rows, int64_t now)
{
	if (!counter->table->used)
		atomic_store_explicit(&counter->since_ms, now, memory_order_relaxed);
	/* A quarter is kept for what has no room. */
	struct usage_slot *slot =
		usage_table_add(counter->table, identity, shape, table_limit(counter->usage) / 4 * 3);
	if (slot)
		slot_add(slot, outcome, rows, now);
	else
		count_as_other(counter, identity, shape, outcome, rows, now);
}

void usage_count(struct usage_counter *counter, struct usage_identity *identity, struct statement_shape *shape,
		 enum usage_outcome outcome, uint64_t rows)
{
	if (!identity || !shape || !shape->use_count)
		return;
	int64_t now = now_ms();
	struct usage_slot *slot = usage_table_find(counter->table, identity, shape);
	if (slot)
		slot_add(slot, outcome, rows, now);
	else
		count_first(counter, identity, shape, outcome, rows, now);
	counter->table->statements++;
	uint64_t statements = atomic_load_explicit(&counter->statements, memory_order_relaxed);
	atomic_store_explicit(&counter->statements, statements + 1, memory_order_relaxed);
}
