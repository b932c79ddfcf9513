#include "usage/table.h"

#include "base/memory.h"

enum { FIRST_CAPACITY = 256, KEEP_CAPACITY = 16384 };

static void allocate(struct usage_table *table)
{
	table->capacity = FIRST_CAPACITY;
	table->slots = memory_zalloc(table->capacity * sizeof(*table->slots));
	table->shape_capacity = FIRST_CAPACITY;
	table->shapes = memory_zalloc(table->shape_capacity * sizeof(struct statement_shape *));
}

struct usage_table *usage_table_new(uint64_t epoch)
{
	struct usage_table *table = memory_zalloc(sizeof(*table));
	table->epoch = epoch;
	allocate(table);
	return table;
}

static void unpin(struct usage_table *table)
{
	for (size_t i = 0; i < table->shape_capacity; i++)
		statement_shape_unref(table->shapes[i]);
	for (size_t i = 0; i < table->identity_count; i++)
		usage_identity_unref(table->identities[i]);
}

void usage_table_free(struct usage_table *table)
{
	if (!table)
		return;
	unpin(table);
	free(table->slots);
	free(table->shapes);
	free(table->identities);
	free(table);
}

void usage_table_reset(struct usage_table *table, uint64_t epoch)
{
	unpin(table);
	if (table->capacity > KEEP_CAPACITY || table->shape_capacity > KEEP_CAPACITY) {
		free(table->slots);
		free(table->shapes);
		allocate(table);
	} else {
		memset(table->slots, 0, table->capacity * sizeof(*table->slots));
		memset(table->shapes, 0, table->shape_capacity * sizeof(struct statement_shape *));
	}
	table->used = table->shape_count = table->identity_count = 0;
	table->pinned_bytes = 0;
	table->statements = 0;
	table->epoch = epoch;
}

size_t usage_table_bytes(const struct usage_table *table)
{
	return table->capacity * sizeof(*table->slots) + table->shape_capacity * sizeof(*table->shapes) +
	       table->identity_capacity * sizeof(*table->identities) + table->pinned_bytes;
}

static struct usage_slot *free_slot(struct usage_table *table, const void *identity, const void *shape)
{
	size_t mask = table->capacity - 1;
	size_t i = usage_table_hash(identity, shape) & mask;
	while (table->slots[i].identity)
		i = (i + 1) & mask;
	return &table->slots[i];
}

static void grow_slots(struct usage_table *table)
{
	struct usage_slot *old = table->slots;
	size_t old_capacity = table->capacity;
	table->capacity *= 2;
	table->slots = memory_zalloc(table->capacity * sizeof(*table->slots));
	for (size_t i = 0; i < old_capacity; i++) {
		if (old[i].identity)
			*free_slot(table, old[i].identity, old[i].shape) = old[i];
	}
	free(old);
}

static struct statement_shape **shape_place(struct statement_shape **set, size_t capacity,
					    const struct statement_shape *shape)
{
	size_t mask = capacity - 1;
	size_t i = usage_table_hash(NULL, shape) & mask;
	while (set[i] && set[i] != shape)
		i = (i + 1) & mask;
	return &set[i];
}

static void grow_shapes(struct usage_table *table)
{
	size_t capacity = table->shape_capacity * 2;
	struct statement_shape **set = memory_zalloc(capacity * sizeof(struct statement_shape *));
	for (size_t i = 0; i < table->shape_capacity; i++) {
		if (table->shapes[i])
			*shape_place(set, capacity, table->shapes[i]) = table->shapes[i];
	}
	free(table->shapes);
	table->shapes = set;
	table->shape_capacity = capacity;
}

static void pin_shape(struct usage_table *table, struct statement_shape **place, struct statement_shape *shape)
{
	*place = statement_shape_ref(shape);
	table->pinned_bytes += shape->bytes;
	if (++table->shape_count * 2 > table->shape_capacity)
		grow_shapes(table);
}

static void pin_identity(struct usage_table *table, struct usage_identity *identity)
{
	if (table->identity_count == table->identity_capacity) {
		table->identity_capacity = table->identity_capacity ? table->identity_capacity * 2 : 64;
		table->identities = memory_realloc(table->identities,
						   table->identity_capacity * sizeof(struct usage_identity *));
	}
	table->identities[table->identity_count++] = usage_identity_ref(identity);
	table->pinned_bytes += usage_identity_bytes(identity);
	identity->pin_epoch = table->epoch;
}

struct usage_slot *usage_table_add(struct usage_table *table, struct usage_identity *identity,
				   struct statement_shape *shape, size_t limit_bytes)
{
	struct statement_shape **place = shape_place(table->shapes, table->shape_capacity, shape);
	bool new_identity = identity->pin_epoch != table->epoch;
	bool full = (table->used + 1) * 2 > table->capacity;
	size_t more = (*place ? 0 : shape->bytes) + (new_identity ? usage_identity_bytes(identity) : 0) +
		      (full ? table->capacity * sizeof(*table->slots) : 0);
	if (usage_table_bytes(table) + more > limit_bytes)
		return NULL;
	if (full)
		grow_slots(table);
	if (!*place)
		pin_shape(table, place, shape);
	if (new_identity)
		pin_identity(table, identity);
	struct usage_slot *slot = free_slot(table, identity, shape);
	slot->identity = identity;
	slot->shape = shape;
	table->used++;
	return slot;
}
