/*
 * Statements that PREPARE made in SQL, as far as EXECUTE's values may be names
 * of relations: which of their parameters are read so. They outlive
 * transactions, and rollbacks do not bring them back.
 */
#ifndef CROSSFADE_MODEL_PREPARED_NAMES_H
#define CROSSFADE_MODEL_PREPARED_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct prepared_names {
	struct prepared_name {
		char *name;
		char *numbers; /* "1 3" */
	} *items;
	size_t count, capacity;
	size_t bytes; /* of all texts */
};

void prepared_names_deinit(struct prepared_names *names);
void prepared_names_assign(struct prepared_names *names, const struct prepared_names *other);
/* numbers NULL: none of its parameters is. */
void prepared_names_set(struct prepared_names *names, const char *name, const char *numbers);
/* NULL: all. */
void prepared_names_remove(struct prepared_names *names, const char *name);
/* NULL: none. */
const char *prepared_names_find(const struct prepared_names *names, const char *name);

#endif
