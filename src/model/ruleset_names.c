#include "model/ruleset_names.h"

#include "base/hash.h"

#include <string.h>

static uint64_t hash_name(const char *name, size_t len)
{
	return hash_of_bytes(name, len, 0);
}

static uint64_t hash_full(const char *schema, const char *name)
{
	return hash_of_bytes(schema, strlen(schema), hash_name(name, strlen(name)));
}

const struct ruleset_name *ruleset_find(const struct ruleset *rs, const char *schema, const char *name)
{
	if (!rs->bucket_count)
		return NULL;
	const struct ruleset_name *found = rs->by_full_name[hash_full(schema, name) & (rs->bucket_count - 1)];
	while (found && !rel_name_eq(found->written, (struct rel_name){ schema, name }))
		found = found->hash_next;
	return found;
}

static void link_name(struct ruleset *rs, struct ruleset_name *name)
{
	size_t mask = rs->bucket_count - 1;
	size_t full = hash_full(name->written.schema, name->written.name) & mask;
	size_t bare = hash_name(name->written.name, strlen(name->written.name)) & mask;
	name->hash_next = rs->by_full_name[full];
	rs->by_full_name[full] = name;
	name->same_name_next = rs->by_name[bare];
	rs->by_name[bare] = name;
}

static bool add_name(struct ruleset *rs, const struct ruleset_entry *entry, enum side side, enum name_kind kind,
		     struct rel_name written, struct rel_name physical, struct error *error_out)
{
	const struct ruleset_name *same = ruleset_find(rs, written.schema, written.name);
	if (same && same->entry == entry)
		return true;
	if (same && kind != NAME_TABLE)
		return true; /* an explicit table entry of that name wins over an index's */
	if (same) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s.%s belongs to two entries of the map, %s and %s",
			  written.schema, written.name, same->entry->key, entry->key);
		error_hint(error_out, "Each old and each new table can be in one entry only.");
		error_at(error_out, rs->map->file, entry->map->line, entry->map->column);
		return false;
	}
	struct ruleset_name *name = ARENA_NEW(&rs->arena, struct ruleset_name);
	name->written = written;
	name->physical = physical;
	name->entry = entry;
	name->side = side;
	name->kind = kind;
	link_name(rs, name);
	return true;
}

static bool add_table_names(struct ruleset *rs, const struct ruleset_entry *entry, struct error *error_out)
{
	struct rel_name physical = entry->names[entry->physical];
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
		if (entry->names[side].name &&
		    !add_name(rs, entry, (enum side)side, NAME_TABLE, entry->names[side], physical, error_out))
			return false;
	}
	return true;
}

/* What a move takes along keeps its own name and changes its schema. */
static bool add_owned_names(struct ruleset *rs, const struct ruleset_entry *entry, struct error *error_out)
{
	const struct fact_relation *table = entry->relation[entry->physical];
	enum side away = side_other(entry->physical);
	if (entry->kind != MAP_MOVE || !table)
		return true;
	for (const struct fact_relation *owned = table->owned; owned; owned = owned->owner_next) {
		enum name_kind kind = owned->kind == FACT_SEQUENCE ? NAME_SEQUENCE : NAME_INDEX;
		struct rel_name elsewhere = { entry->names[away].schema, owned->name.name };
		if (!add_name(rs, entry, entry->physical, kind, owned->name, owned->name, error_out))
			return false;
		/* Whoever else has that name in the other schema keeps it. */
		if (!facts_find(rs->facts, elsewhere.schema, elsewhere.name) &&
		    !add_name(rs, entry, away, kind, elsewhere, owned->name, error_out))
			return false;
	}
	return true;
}

static bool add_names(struct ruleset *rs, struct error *error_out)
{
	rs->bucket_count = 64;
	while (rs->bucket_count < rs->entry_count * 16)
		rs->bucket_count *= 2;
	rs->by_full_name = ARENA_ARRAY(&rs->arena, rs->bucket_count, struct ruleset_name *);
	rs->by_name = ARENA_ARRAY(&rs->arena, rs->bucket_count, struct ruleset_name *);
	for (size_t i = 0; i < rs->entry_count; i++) {
		if (!add_table_names(rs, &rs->entries[i], error_out))
			return false;
	}
	for (size_t i = 0; i < rs->entry_count; i++) {
		if (!add_owned_names(rs, &rs->entries[i], error_out))
			return false;
	}
	return true;
}

/* ---- how names are spelled ---- */

static bool is_wide(const char *name)
{
	for (; name && *name; name++) {
		if ((unsigned char)*name >= 0x80)
			return true;
	}
	return false;
}

static bool has_wide_columns(const struct shape *shape)
{
	for (size_t i = 0; shape && i < shape->written_count; i++) {
		if (is_wide(shape->written[i].name) || is_wide(shape->written[i].expression))
			return true;
	}
	for (size_t i = 0; shape && i < shape->physical_count; i++) {
		if (is_wide(shape->physical[i].name) || is_wide(shape->physical[i].expression))
			return true;
	}
	return false;
}

static void note_spelling(struct ruleset *rs)
{
	for (size_t i = 0; i < rs->bucket_count; i++) {
		for (const struct ruleset_name *name = rs->by_full_name[i]; name; name = name->hash_next) {
			rs->has_wide_names |= is_wide(name->written.schema) || is_wide(name->written.name);
			rs->has_quoted_names |= !name_is_word(name->written.name);
		}
	}
	for (size_t i = 0; i < rs->entry_count && !rs->has_wide_names; i++)
		rs->has_wide_names = has_wide_columns(rs->entries[i].shape);
}

bool ruleset_names_fill(struct ruleset *rs, struct error *error_out)
{
	if (!add_names(rs, error_out))
		return false;
	note_spelling(rs);
	return true;
}

/* ---- looking them up ---- */

static const struct ruleset_name *first_named(const struct ruleset *rs, const char *name, size_t len)
{
	if (!rs->bucket_count)
		return NULL;
	return rs->by_name[hash_name(name, len) & (rs->bucket_count - 1)];
}

bool ruleset_mentions(const struct ruleset *ruleset, const char *name, size_t len)
{
	for (const struct ruleset_name *n = first_named(ruleset, name, len); n; n = n->same_name_next) {
		if (strlen(n->written.name) == len && memcmp(n->written.name, name, len) == 0)
			return true;
	}
	return false;
}
