/*
 * Building: wildcards are expanded with the catalog, flags are laid over the
 * entries, the catalog decides where a move's rows are, and then every name
 * of every entry, and of what moves with it, is entered (ruleset_names.h).
 */
#include "model/ruleset.h"

#include "base/memory.h"
#include "model/name_index.h"
#include "model/ruleset_names.h"

#include <stdlib.h>
#include <string.h>

struct builder {
	struct ruleset *ruleset;
	const struct flags *flags;
	ruleset_warn_fn *warn;
	void *warn_context;
	struct error *error_out;
	size_t capacity;
	struct name_index by_old_name; /* → entry */
	struct name_index explicit; /* names that an entry of the map gives, of either side */
	int64_t supposed; /* the entry whose table is taken to have moved; -1: none */
};

/* ---- entries ---- */

static struct ruleset_entry *add_entry(struct builder *b, const struct map_entry *map, struct rel_name old_name,
				       struct rel_name new_name)
{
	struct ruleset *rs = b->ruleset;
	if (rs->entry_count == b->capacity) {
		b->capacity = b->capacity ? b->capacity * 2 : 16;
		struct ruleset_entry *grown = ARENA_ARRAY(&rs->arena, b->capacity, struct ruleset_entry);
		if (rs->entry_count)
			memcpy(grown, rs->entries, rs->entry_count * sizeof(*grown));
		rs->entries = grown;
	}
	struct ruleset_entry *entry = &rs->entries[rs->entry_count];
	entry->id = (uint32_t)rs->entry_count++;
	entry->map = map;
	entry->kind = map->kind;
	entry->names[SIDE_OLD] = rel_name_copy(&rs->arena, old_name);
	entry->names[SIDE_NEW] = rel_name_copy(&rs->arena, new_name);
	entry->key = rel_name_print(&rs->arena, old_name);
	entry->stage = STAGE_OLD;
	name_index_add(&b->by_old_name, entry->names[SIDE_OLD], (int32_t)entry->id);
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++) {
		if (!map->wildcard && entry->names[side].name)
			name_index_add(&b->explicit, entry->names[side], (int32_t)entry->id);
	}
	return entry;
}

static bool is_table_like(enum fact_kind kind)
{
	return fact_kind_holds_rows(kind) || kind == FACT_VIEW;
}

static bool is_explicit(const struct builder *b, struct rel_name name)
{
	return name_index_find(&b->explicit, name) != NAME_INDEX_NONE;
}

static struct ruleset_entry *entry_of(const struct builder *b, struct rel_name old_name)
{
	int32_t id = name_index_find(&b->by_old_name, old_name);
	return id == NAME_INDEX_NONE ? NULL : &b->ruleset->entries[id];
}

/* `public.*: data.*`: an entry for each table of either schema that no explicit entry names. */
static void expand_wildcard(struct builder *b, const struct map_entry *map)
{
	const struct facts *facts = b->ruleset->facts;
	for (size_t i = 0; facts && i < facts->relation_count; i++) {
		const struct fact_relation *relation = facts->relations[i];
		bool old_side = strcmp(relation->name.schema, map->old_name.schema) == 0;
		bool new_side = map->new_name.schema && strcmp(relation->name.schema, map->new_name.schema) == 0;
		if ((!old_side && !new_side) || !is_table_like(relation->kind))
			continue;
		struct rel_name old_name = { map->old_name.schema, relation->name.name };
		struct rel_name new_name = { map->new_name.schema,
					     map->new_name.schema ? relation->name.name : NULL };
		if (is_explicit(b, old_name) || is_explicit(b, new_name) || entry_of(b, old_name))
			continue;
		add_entry(b, map, old_name, new_name);
	}
}

static void add_entries(struct builder *b)
{
	const struct map *map = b->ruleset->map;
	for (size_t i = 0; i < map->entry_count; i++) {
		if (!map->entries[i].wildcard)
			add_entry(b, &map->entries[i], map->entries[i].old_name, map->entries[i].new_name);
	}
	for (size_t i = 0; i < map->entry_count; i++) {
		if (!map->entries[i].wildcard)
			continue;
		b->ruleset->has_patterns = true;
		expand_wildcard(b, &map->entries[i]);
	}
}

/* ---- flags ---- */

static bool stage_fits(const struct ruleset_entry *entry, enum stage stage)
{
	switch (entry->kind) {
	case MAP_TRANSFORM:
		return true;
	case MAP_DROPPED:
		return stage == STAGE_OLD || stage == STAGE_COMPLETE;
	default:
		return stage == STAGE_OLD || stage == STAGE_LIVE || stage == STAGE_COMPLETE;
	}
}

static const char *stages_of(const struct ruleset_entry *entry)
{
	if (entry->kind == MAP_TRANSFORM)
		return "old, dualwrite, shadow, live, rampdown, complete";
	return entry->kind == MAP_DROPPED ? "old, complete" : "old, live, complete";
}

static void warn_unknown_flag(struct builder *b, const struct flag *flag)
{
	struct error warning;
	struct buf name;
	buf_init(&name);
	rel_name_append(&name, flag->table);
	error_set(&warning, SQLSTATE_CONFIG_FILE_ERROR, "the map has no entry %s, so its flag does nothing",
		  buf_cstr(&name));
	error_hint(&warning, "Flags are keyed by the entry's old name; check the spelling or remove the flag.");
	error_at(&warning, b->flags->file, flag->line, flag->column);
	if (b->warn)
		b->warn(b->warn_context, &warning);
	buf_deinit(&name);
}

static bool apply_flag(struct builder *b, const struct flag *flag)
{
	struct ruleset_entry *entry = entry_of(b, flag->table);
	if (!entry) {
		warn_unknown_flag(b, flag);
		return true;
	}
	if (!stage_fits(entry, flag->stage)) {
		error_set(b->error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s cannot be at stage %s", entry->key,
			  stage_name(flag->stage));
		error_hint(b->error_out, "Its stages are: %s.", stages_of(entry));
		error_at(b->error_out, b->flags->file, flag->line, flag->column);
		return false;
	}
	entry->stage = flag->stage;
	return true;
}

/* ---- where the rows are (rewriting.md §2) ---- */

enum presence { IS_NOT_THERE, IS_VIEW /* which may stand in for a table that moved */, HAS_ROWS };

static enum presence presence(const struct fact_relation *relation)
{
	if (!relation)
		return IS_NOT_THERE;
	return fact_kind_holds_rows(relation->kind) ? HAS_ROWS : relation->kind == FACT_VIEW ? IS_VIEW : IS_NOT_THERE;
}

static const struct fact_relation *find_relation(const struct ruleset *rs, struct rel_name name)
{
	return name.name ? facts_find(rs->facts, name.schema, name.name) : NULL;
}

static void warn_drift(struct builder *b, const struct ruleset_entry *entry)
{
	struct error warning;
	error_set(&warning, SQLSTATE_CONFIG_FILE_ERROR,
		  "drift: the flag of %s says %s, but the catalog has its rows on the %s side", entry->key,
		  stage_name(entry->stage), side_name(entry->physical));
	error_hint(&warning, "Statements follow the catalog. Set the flag to what is true, or move the table back.");
	if (b->warn)
		b->warn(b->warn_context, &warning);
}

static const char *renamed_column(const struct map_pairs *renames, const char *name, enum side to)
{
	for (size_t i = 0; i < renames->count; i++) {
		const struct map_pair *pair = &renames->items[i];
		if (strcmp(to == SIDE_NEW ? pair->key : pair->value, name) == 0)
			return to == SIDE_NEW ? pair->value : pair->key;
	}
	return name;
}

static struct fact_relation *copy_relation(struct builder *b, const struct fact_relation *from, const char *schema,
					   const char *name)
{
	struct fact_relation *copy = ARENA_NEW(&b->ruleset->arena, struct fact_relation);
	*copy = *from;
	copy->name = (struct rel_name){ schema, name };
	copy->owned = copy->owner_next = copy->hash_next = NULL;
	return copy;
}

/* The table as it would be after its move: in the other schema, its columns renamed, with all it owns. */
static void suppose_moved(struct builder *b, struct ruleset_entry *entry)
{
	enum side to = entry->physical, from = side_other(to);
	const struct fact_relation *now = entry->relation[from];
	if (entry->relation[to] || !now || !entry->names[to].name)
		return;
	struct fact_relation *moved = copy_relation(b, now, entry->names[to].schema, entry->names[to].name);
	moved->columns = ARENA_ARRAY(&b->ruleset->arena, now->column_count, struct fact_column);
	for (size_t i = 0; i < now->column_count; i++) {
		moved->columns[i] = now->columns[i];
		moved->columns[i].name = renamed_column(&entry->map->columns, now->columns[i].name, to);
	}
	for (const struct fact_relation *owned = now->owned; owned; owned = owned->owner_next) {
		struct fact_relation *copy = copy_relation(b, owned, entry->names[to].schema, owned->name.name);
		copy->owner_next = moved->owned;
		moved->owned = copy;
	}
	entry->relation[to] = moved;
	entry->relation[from] = NULL;
}

/* Of two tables that both have rows. Whoever has set the fence has set the flag; it may be known later. */
static enum side place_by_fence(const struct ruleset_entry *entry)
{
	bool old_side = entry->relation[SIDE_OLD]->fenced, new_side = entry->relation[SIDE_NEW]->fenced;
	return old_side == new_side ? entry->physical : old_side ? SIDE_NEW : SIDE_OLD;
}

static void place_entry(struct builder *b, struct ruleset_entry *entry)
{
	for (int side = SIDE_OLD; side <= SIDE_NEW; side++)
		entry->relation[side] = find_relation(b->ruleset, entry->names[side]);
	entry->physical = stage_side(entry->stage);
	if (entry->kind == MAP_MOVE && b->supposed == entry->id) {
		suppose_moved(b, entry);
		return;
	}
	if (entry->kind == MAP_DROPPED)
		entry->physical = SIDE_OLD;
	if (entry->kind != MAP_MOVE && entry->kind != MAP_TRANSFORM)
		return;
	enum presence old_side = presence(entry->relation[SIDE_OLD]), new_side = presence(entry->relation[SIDE_NEW]);
	entry->two_tables = old_side == HAS_ROWS && new_side == HAS_ROWS;
	if (entry->two_tables && b->supposed != entry->id)
		entry->physical = place_by_fence(entry);
	else if (entry->kind == MAP_MOVE && old_side != new_side)
		entry->physical = new_side > old_side ? SIDE_NEW : SIDE_OLD;
	entry->drift = entry->physical != stage_side(entry->stage);
	if (entry->drift)
		warn_drift(b, entry);
}

static void shape_entry(struct builder *b, struct ruleset_entry *entry)
{
	const struct map_entry *map = entry->map;
	bool differs = map->columns.count || map->shape.count || map->new_shape.count || map->read.count ||
		       map->write.count || map->kind == MAP_TRANSFORM;
	enum side there = entry->physical;
	if (!differs || entry->kind == MAP_DROPPED || entry->kind == MAP_IDENTITY)
		return;
	struct shape *shape = shape_build(&b->ruleset->arena, map, there, entry->relation[there],
					  entry->relation[side_other(there)]);
	entry->shape = shape->same ? NULL : shape;
}

/* ---- interface ---- */

static bool fill(struct builder *b)
{
	struct ruleset *rs = b->ruleset;
	add_entries(b);
	for (size_t i = 0; b->flags && i < b->flags->count; i++) {
		if (!apply_flag(b, &b->flags->items[i]))
			return false;
	}
	for (size_t i = 0; i < rs->entry_count; i++)
		place_entry(b, &rs->entries[i]);
	for (size_t i = 0; i < rs->entry_count; i++)
		shape_entry(b, &rs->entries[i]);
	return ruleset_names_fill(rs, b->error_out);
}

static bool build(struct builder *b, struct map *map, struct facts *facts, struct policy policy, uint64_t version,
		  struct ruleset **ruleset_out)
{
	struct ruleset *rs = memory_zalloc(sizeof(*rs));
	b->ruleset = rs;
	ref_init(&rs->ref);
	arena_init(&rs->arena);
	rs->version = version;
	rs->map = map_ref(map);
	rs->facts = facts_ref(facts);
	rs->policy = policy;
	bool ok = fill(b);
	name_index_deinit(&b->by_old_name);
	name_index_deinit(&b->explicit);
	if (!ok) {
		ruleset_unref(rs);
		return false;
	}
	rs->names_nothing = !rs->entry_count && !rs->has_patterns;
	*ruleset_out = rs;
	return true;
}

bool ruleset_build(struct map *map, const struct flags *flags, struct facts *facts, struct policy policy,
		   uint64_t version, ruleset_warn_fn *warn, void *warn_context, struct ruleset **ruleset_out,
		   struct error *error_out)
{
	struct builder b = { .flags = flags, .warn = warn, .warn_context = warn_context, .error_out = error_out,
			     .supposed = -1 };
	return build(&b, map, facts, policy, version, ruleset_out);
}

bool ruleset_next_stage(const struct ruleset_entry *entry, enum stage *stage_out)
{
	for (int stage = entry->stage + 1; stage < STAGE_COUNT; stage++) {
		if (stage_fits(entry, (enum stage)stage)) {
			*stage_out = (enum stage)stage;
			return true;
		}
	}
	return false;
}

bool ruleset_suppose(const struct ruleset *base, uint32_t entry, enum stage stage, uint64_t version,
		     struct ruleset **ruleset_out, struct error *error_out)
{
	struct flag *items = memory_zalloc((base->entry_count + 1) * sizeof(*items));
	struct flags flags = { .items = items, .count = base->entry_count };
	for (size_t i = 0; i < base->entry_count; i++)
		items[i] = (struct flag){ .table = base->entries[i].names[SIDE_OLD],
					  .stage = i == entry ? stage : base->entries[i].stage };
	struct builder b = { .flags = &flags, .error_out = error_out, .supposed = entry };
	bool ok = build(&b, base->map, base->facts, base->policy, version, ruleset_out);
	free(items);
	return ok;
}

/* ---- what a transaction keeps ---- */

static bool same_place(const struct ruleset_entry *a, const struct ruleset_entry *b)
{
	return a->physical == b->physical && rel_name_eq(a->names[a->physical], b->names[b->physical]);
}

static struct ruleset_entry *entry_by_key(const struct ruleset *ruleset, const char *key)
{
	for (size_t i = 0; i < ruleset->entry_count; i++) {
		if (strcmp(ruleset->entries[i].key, key) == 0)
			return &ruleset->entries[i];
	}
	return NULL;
}

/* Entries of before that are kept and whose place differs in now; SIZE_MAX: one is gone. */
static size_t count_kept(const struct ruleset *now, const struct ruleset *before, ruleset_keeps_fn *keeps,
			 void *context)
{
	size_t count = 0;
	for (size_t i = 0; i < before->entry_count; i++) {
		if (!keeps(context, &before->entries[i]))
			continue;
		const struct ruleset_entry *same = entry_by_key(now, before->entries[i].key);
		if (!same)
			return SIZE_MAX;
		count += !same_place(same, &before->entries[i]);
	}
	return count;
}

static void add_part(struct ruleset *rs, struct ruleset *part)
{
	for (size_t i = 0; i < rs->part_count; i++) {
		if (rs->parts[i] == part)
			return;
	}
	rs->parts[rs->part_count++] = ruleset_ref(part);
}

/* The place comes from where it was first taken, so that no chain of rulesets grows. */
static void keep_entry(struct ruleset *rs, struct ruleset *before, const struct ruleset_entry *kept)
{
	struct ruleset_entry *entry = entry_by_key(rs, kept->key);
	if (same_place(entry, kept))
		return;
	uint32_t id = entry->id;
	*entry = *kept;
	entry->id = id;
	entry->origin = kept->origin ? kept->origin : before;
	add_part(rs, entry->origin);
}

struct ruleset *ruleset_keep(struct ruleset *now, struct ruleset *before, ruleset_keeps_fn *keeps, void *context)
{
	size_t count = count_kept(now, before, keeps, context);
	if (count == 0 || count == SIZE_MAX)
		return ruleset_ref(count ? before : now);
	struct error error;
	struct ruleset *rs = memory_zalloc(sizeof(*rs));
	ref_init(&rs->ref);
	arena_init(&rs->arena);
	rs->version = now->version;
	rs->map = map_ref(now->map);
	rs->facts = facts_ref(now->facts);
	rs->policy = now->policy;
	rs->has_patterns = now->has_patterns;
	rs->parts = ARENA_ARRAY(&rs->arena, count + 1, struct ruleset *);
	add_part(rs, now);
	rs->entries = ARENA_ARRAY(&rs->arena, now->entry_count, struct ruleset_entry);
	memcpy(rs->entries, now->entries, now->entry_count * sizeof(*rs->entries));
	rs->entry_count = now->entry_count;
	for (size_t i = 0; i < before->entry_count; i++) {
		if (keeps(context, &before->entries[i]))
			keep_entry(rs, before, &before->entries[i]);
	}
	if (ruleset_names_fill(rs, &error))
		return rs;
	ruleset_unref(rs); /* the places kept and the new map do not go together */
	return ruleset_ref(before);
}

struct ruleset *ruleset_ref(struct ruleset *ruleset)
{
	if (ruleset)
		ref_take(&ruleset->ref);
	return ruleset;
}

void ruleset_unref(struct ruleset *ruleset)
{
	if (!ruleset || !ref_drop(&ruleset->ref))
		return;
	for (size_t i = 0; i < ruleset->part_count; i++)
		ruleset_unref(ruleset->parts[i]);
	map_unref(ruleset->map);
	facts_unref(ruleset->facts);
	arena_deinit(&ruleset->arena);
	free(ruleset);
}

/* The old name of a completed entry is no longer there to be found, unless nothing else is. */
static bool is_retired(const struct ruleset_name *name)
{
	return name->side == SIDE_OLD && name->entry->stage == STAGE_COMPLETE &&
	       name->entry->kind != MAP_IDENTITY;
}

bool ruleset_relation_exists(const struct ruleset *ruleset, const char *schema, const char *name,
			     const struct session_state *state)
{
	enum session_relation own = state ? session_state_relation(state, schema, name) : SESSION_RELATION_UNTOUCHED;
	if (own == SESSION_RELATION_UNTOUCHED)
		return facts_find(ruleset->facts, schema, name) != NULL;
	return own == SESSION_RELATION_CREATED;
}

const struct ruleset_name *ruleset_resolve(const struct ruleset *ruleset, const struct name_list *search_path,
					   const char *user, const char *name,
					   const struct session_state *state)
{
	const struct ruleset_name *retired = NULL;
	for (size_t i = 0; i < search_path->count; i++) {
		const char *schema = search_path->names[i];
		if (strcmp(schema, "$user") == 0)
			schema = user;
		if (!schema || !facts_may_use(ruleset->facts, user, schema))
			continue;
		const struct ruleset_name *mapped = ruleset_find(ruleset, schema, name);
		if (mapped && is_retired(mapped))
			retired = retired ? retired : mapped;
		else if (mapped)
			return mapped;
		else if (ruleset_relation_exists(ruleset, schema, name, state))
			return NULL;
	}
	return retired;
}

const struct ruleset_entry *ruleset_entry_by_key(const struct ruleset *ruleset, const char *key)
{
	return entry_by_key(ruleset, key);
}
