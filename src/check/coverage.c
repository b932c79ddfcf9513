#include "check/coverage.h"

#include "config/suggest.h"
#include "model/name_index.h"

#include <string.h>

struct coverage {
	const struct ruleset *ruleset;
	struct findings *findings;
	struct arena arena;
	struct name_index parts;   /* tables that go where another goes */
	struct name_index derived; /* keys of `derived` */
};

static const char *print(struct coverage *c, struct rel_name name)
{
	return rel_name_print(&c->arena, name);
}

/* ---- tables without an entry ---- */

/* Of an entry, on this side; not the new side of a table that has none. */
static bool is_schema_of(const struct coverage *c, enum side side, const char *schema)
{
	const struct map *map = c->ruleset->map;
	for (size_t i = 0; i < map->entry_count; i++) {
		struct rel_name name = side == SIDE_OLD ? map->entries[i].old_name : map->entries[i].new_name;
		if (name.schema && strcmp(name.schema, schema) == 0)
			return true;
	}
	return false;
}

static bool is_table(const struct coverage *c, const struct fact_relation *relation)
{
	bool holds = relation->kind == FACT_TABLE || relation->kind == FACT_PARTITIONED || relation->kind == FACT_FOREIGN;
	return holds && name_index_find(&c->parts, relation->name) == NAME_INDEX_NONE;
}

static const char *near_entry(struct coverage *c, const char *table)
{
	const struct ruleset *rs = c->ruleset;
	const char **keys = ARENA_ARRAY(&c->arena, rs->entry_count + 1, const char *);
	for (size_t i = 0; i < rs->entry_count; i++)
		keys[i] = rs->entries[i].key;
	return suggest_word(table, keys, rs->entry_count);
}

static void say_unmapped(struct coverage *c, struct rel_name name)
{
	const char *table = print(c, name), *near = near_entry(c, table);
	bool both = is_schema_of(c, SIDE_NEW, name.schema);
	struct finding *finding = findings_add(c->findings, FINDING_ERROR, NULL, "unmapped", table,
					       "table %s has no entry in the map", table);
	if (near)
		finding_hint(c->findings, finding, "Is it meant by the entry %s? Otherwise say where it goes, or "
						   "`%s: {to: null, reason: …}`.", near, table);
	else
		finding_hint(c->findings, finding, "Say where it goes, or `%s: {to: null, reason: …}`%s.", table,
			     both ? "; a table of the new schema belongs to `derived`: null there if nothing old fills it" : "");
}

static void say_no_source(struct coverage *c, const char *table, const char *hint)
{
	struct finding *note = findings_add(c->findings, FINDING_NOTE, NULL, "no source", table,
					    "new table %s comes from no old table", table);
	if (hint)
		finding_hint(c->findings, note, "%s", hint);
}

static void check_relation(struct coverage *c, const struct fact_relation *relation)
{
	bool known = ruleset_find(c->ruleset, relation->name.schema, relation->name.name) ||
		     name_index_find(&c->derived, relation->name) != NAME_INDEX_NONE;
	if (known || !is_table(c, relation))
		return;
	if (is_schema_of(c, SIDE_OLD, relation->name.schema)) {
		say_unmapped(c, relation->name);
	} else if (is_schema_of(c, SIDE_NEW, relation->name.schema)) {
		say_no_source(c, print(c, relation->name),
			      "Nothing to do if new code fills it; a computed table belongs to `derived`.");
	}
}

static void check_relations(struct coverage *c)
{
	const struct facts *facts = c->ruleset->facts;
	for (size_t i = 0; i < facts->relation_count; i++)
		check_relation(c, facts->relations[i]);
}

/* ---- entries ---- */

static void check_pattern(struct coverage *c, const struct map_entry *pattern)
{
	const struct ruleset *rs = c->ruleset;
	for (size_t i = 0; i < rs->entry_count; i++) {
		if (rs->entries[i].map == pattern)
			return;
	}
	struct finding *finding = findings_add(c->findings, FINDING_WARNING, NULL, "shadowed",
					       arena_printf(&c->arena, "%s.*", pattern->old_name.schema),
					       "pattern %s.* stands for no table: there is none, or all have entries of their own",
					       pattern->old_name.schema);
	finding->line = pattern->line;
	finding->column = pattern->column;
	finding_hint(c->findings, finding, "Remove it, or look at the schema's name.");
}

/* The first schema of the path that holds the name. */
static const char *holder(struct coverage *c, const struct name_list *path, const char *user, const char *name)
{
	for (size_t i = 0; i < path->count; i++) {
		const char *schema = strcmp(path->names[i], "$user") == 0 ? user : path->names[i];
		if (schema && (facts_find(c->ruleset->facts, schema, name) || ruleset_find(c->ruleset, schema, name)))
			return schema;
	}
	return NULL;
}

static bool is_on(const struct name_list *path, const char *schema)
{
	for (size_t i = 0; i < path->count; i++) {
		if (strcmp(path->names[i], schema) == 0)
			return true;
	}
	return false;
}

/* An unqualified old name that means another table already. */
static void check_shadow(struct coverage *c, const struct ruleset_entry *entry, const struct name_list *path,
			 const char *user)
{
	struct rel_name name = entry->names[SIDE_OLD];
	if (!is_on(path, name.schema))
		return;
	const char *schema = holder(c, path, user, name.name);
	if (!schema || strcmp(schema, name.schema) == 0)
		return;
	const struct ruleset_name *hiding = ruleset_find(c->ruleset, schema, name.name);
	if (hiding && hiding->entry == entry)
		return;
	const char *other = print(c, (struct rel_name){ schema, name.name });
	struct finding *finding = findings_add(c->findings, FINDING_WARNING, entry->key, "shadowed", other,
					       "%s hides it: with the search_path of %s%s, %s means that table", other,
					       user ? "role " : "everybody", user ? user : "", name.name);
	finding_hint(c->findings, finding, "Unqualified statements go there, before and after the move. Qualify them, "
					   "or change the search_path, if that is not meant.");
}

static void check_path(struct coverage *c, const char *text, const char *user)
{
	struct name_list path;
	if (!name_list_parse(&c->arena, slice_str(text), &path))
		return;
	for (size_t i = 0; i < c->ruleset->entry_count; i++)
		check_shadow(c, &c->ruleset->entries[i], &path, user);
}

static void check_shadows(struct coverage *c)
{
	const struct facts *facts = c->ruleset->facts;
	check_path(c, facts_default_search_path(facts, NULL), NULL);
	for (const struct fact_setting *setting = facts->settings; setting; setting = setting->next) {
		if (setting->role)
			check_path(c, facts_default_search_path(facts, setting->role), setting->role);
	}
}

/* ---- derived ---- */

static bool split(struct coverage *c, const char *text, struct rel_name *name_out)
{
	struct name_list parts;
	char *dotted = arena_strdup(&c->arena, text);
	bool quoted = false;
	for (char *at = dotted; *at; at++) {
		quoted ^= *at == '"';
		if (*at == '.' && !quoted)
			*at = ',';
	}
	if (!name_list_parse(&c->arena, slice_str(dotted), &parts) || parts.count != 2)
		return false;
	*name_out = (struct rel_name){ parts.names[0], parts.names[1] };
	return true;
}

static void index_derived(struct coverage *c)
{
	const struct map_pairs *derived = &c->ruleset->map->derived;
	for (size_t i = 0; i < derived->count; i++) {
		struct rel_name name;
		if (split(c, derived->items[i].key, &name))
			name_index_add(&c->derived, name, (int32_t)i);
	}
}

static void say_derived(struct coverage *c, const struct map_pair *pair, const char *kind, const char *text)
{
	struct finding *finding = findings_add(c->findings, FINDING_ERROR, NULL, kind, pair->key, "%s %s", pair->key, text);
	finding->line = pair->line;
	finding->column = pair->column;
}

static bool is_cyclic(struct coverage *c, size_t start)
{
	const struct map_pairs *derived = &c->ruleset->map->derived;
	int32_t at = (int32_t)start;
	for (size_t steps = 0; steps < derived->count; steps++) {
		struct rel_name from;
		if (!derived->items[at].value || !split(c, derived->items[at].value, &from))
			return false;
		at = name_index_find(&c->derived, from);
		if (at == NAME_INDEX_NONE)
			return false;
		if ((size_t)at == start)
			return true;
	}
	return false;
}

static void check_derived(struct coverage *c, size_t i)
{
	const struct map_pair *pair = &c->ruleset->map->derived.items[i];
	struct rel_name key, from = { 0 };
	if (!split(c, pair->key, &key) || (pair->value && !split(c, pair->value, &from)))
		return;
	const struct ruleset_name *entry = ruleset_find(c->ruleset, key.schema, key.name);
	bool known = !pair->value || facts_find(c->ruleset->facts, from.schema, from.name) ||
		     ruleset_find(c->ruleset, from.schema, from.name) ||
		     name_index_find(&c->derived, from) != NAME_INDEX_NONE;
	if (entry)
		say_derived(c, pair, "colliding", arena_printf(&c->arena, "is in `derived`, and is also a table of the entry %s",
							       entry->entry->key));
	else if (!pair->value && facts_find(c->ruleset->facts, key.schema, key.name))
		say_no_source(c, pair->key, NULL);
	else if (is_cyclic(c, i))
		say_derived(c, pair, "cyclic",
			    arena_printf(&c->arena, "is derived from %s, which in the end is derived from it", pair->value));
	else if (!known)
		say_derived(c, pair, "dangling",
			    arena_printf(&c->arena, "is derived from %s, which neither the map nor the database knows",
					 pair->value));
}

void coverage_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings)
{
	struct coverage c = { .ruleset = ruleset, .findings = findings };
	arena_init(&c.arena);
	name_index_init(&c.parts);
	name_index_init(&c.derived);
	for (size_t i = 0; i < dependents->owner_count; i++) {
		if (dependents->owners[i].is_part)
			name_index_add(&c.parts, dependents->owners[i].table, (int32_t)i);
	}
	index_derived(&c);
	check_relations(&c);
	for (size_t i = 0; i < ruleset->map->entry_count; i++) {
		if (ruleset->map->entries[i].wildcard)
			check_pattern(&c, &ruleset->map->entries[i]);
	}
	check_shadows(&c);
	for (size_t i = 0; i < ruleset->map->derived.count; i++)
		check_derived(&c, i);
	name_index_deinit(&c.parts);
	name_index_deinit(&c.derived);
	arena_deinit(&c.arena);
}
