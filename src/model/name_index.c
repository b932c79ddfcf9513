#include "model/name_index.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>

struct name_index_slot {
	struct rel_name name; /* name NULL: free */
	int32_t number;
};

void name_index_init(struct name_index *index)
{
	*index = (struct name_index){ 0 };
}

void name_index_deinit(struct name_index *index)
{
	free(index->slots);
	name_index_init(index);
}

static struct name_index_slot *slot_of(const struct name_index *index, struct rel_name name)
{
	uint64_t hash = hash_of_bytes(name.schema, strlen(name.schema), hash_of_bytes(name.name, strlen(name.name), 0));
	size_t at = (size_t)hash & (index->capacity - 1);
	while (index->slots[at].name.name && !rel_name_eq(index->slots[at].name, name))
		at = (at + 1) & (index->capacity - 1);
	return &index->slots[at];
}

static void grow(struct name_index *index)
{
	struct name_index old = *index;
	index->capacity = old.capacity ? old.capacity * 2 : 32;
	index->slots = memory_zalloc(index->capacity * sizeof(*index->slots));
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].name.name)
			*slot_of(index, old.slots[i].name) = old.slots[i];
	}
	free(old.slots);
}

void name_index_add(struct name_index *index, struct rel_name name, int32_t number)
{
	if (index->count * 2 >= index->capacity)
		grow(index);
	struct name_index_slot *slot = slot_of(index, name);
	if (slot->name.name)
		return;
	*slot = (struct name_index_slot){ name, number };
	index->count++;
}

int32_t name_index_find(const struct name_index *index, struct rel_name name)
{
	if (!index->capacity || !name.schema || !name.name)
		return NAME_INDEX_NONE;
	const struct name_index_slot *slot = slot_of(index, name);
	return slot->name.name ? slot->number : NAME_INDEX_NONE;
}
