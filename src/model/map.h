/*
 * The map: which old table corresponds to which new one. Says nothing about
 * where rows are (that is the ruleset). Built by config/ from YAML or by a
 * caller of the embeddable library; immutable once shared; all memory is in
 * its arena.
 */
#ifndef CROSSFADE_MODEL_MAP_H
#define CROSSFADE_MODEL_MAP_H

#include "base/error.h"
#include "base/ref.h"
#include "model/name.h"
#include "model/stage.h"

enum map_kind {
	MAP_MOVE,      /* one table under two names; columns may be renamed */
	MAP_TRANSFORM, /* two tables of different shape: has shape, read or write */
	MAP_IDENTITY,  /* same name on both sides: bytes pass untouched, use is counted */
	MAP_DROPPED,   /* no new side */
};

/* A pair of texts: column renames (old, new); shape (column, type);
 * read (old column, expression over new); write (new column, expression over old). */
struct map_pair {
	const char *key;
	const char *value;
	uint32_t line, column; /* of the key in the map's file; 0: unknown */
};

struct map_pairs {
	struct map_pair *items;
	size_t count;
};

struct map_entry {
	uint32_t id; /* index in map.entries */
	enum map_kind kind;
	struct rel_name old_name;
	struct rel_name new_name; /* MAP_DROPPED: schema and name NULL */
	struct map_pairs columns;
	struct map_pairs shape, new_shape;
	struct map_pairs read, write;
	struct name_list deprecated, lossy;
	const char *reason; /* NULL: none */
	int32_t group;	    /* index in map.groups; -1: none */
	bool wildcard;	    /* names are "*": a pattern, expanded when the ruleset is built */
	uint32_t line, column;
};

struct map_group {
	const char *name;
	uint32_t *entries;
	size_t count;
};

struct map {
	struct ref ref;
	struct arena arena;
	const char *file;      /* for messages; NULL: none */
	const char *old_label; /* "v10" */
	const char *new_label; /* "v13" */
	struct map_entry *entries;
	size_t entry_count;
	struct map_group *groups;
	size_t group_count;
	struct map_pairs derived; /* new table, computed from (NULL: nothing, new code fills it); "schema.table" texts */
};

/* An empty map; fill its fields with memory of map->arena. */
struct map *map_new(void);
struct map *map_ref(struct map *map);
void map_unref(struct map *map);

/* The name that the other side has for a column, as far as the entry's `columns` tell: its own when they do not. */
const char *map_entry_column(const struct map_entry *entry, enum side from, const char *name);

#endif
