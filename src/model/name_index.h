/* Which number belongs to a relation's name. Names are borrowed and must outlive the index. */
#ifndef CROSSFADE_MODEL_NAME_INDEX_H
#define CROSSFADE_MODEL_NAME_INDEX_H

#include "model/name.h"

#include <stdint.h>

struct name_index_slot;

struct name_index {
	struct name_index_slot *slots;
	size_t capacity; /* a power of two; 0: empty */
	size_t count;
};

enum { NAME_INDEX_NONE = -1 };

void name_index_init(struct name_index *index);
void name_index_deinit(struct name_index *index);
/* Keeps the first number a name was given. Both parts of the name are needed. */
void name_index_add(struct name_index *index, struct rel_name name, int32_t number);
int32_t name_index_find(const struct name_index *index, struct rel_name name);

#endif
