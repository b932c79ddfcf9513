#include "check/grants.h"

#include <stdlib.h>
#include <string.h>

#define OBSERVER "crossfade_observer"
#define MOVER "crossfade_mover"

struct grants {
	const struct ruleset *ruleset;
	const struct dependents *dependents;
	struct findings *findings;
	struct arena arena;
};

static const char *print(struct grants *g, struct rel_name name)
{
	return rel_name_print(&g->arena, name);
}

static const char *grantee_of(struct grants *g, const char *grantee)
{
	return grantee ? name_print_quoted(&g->arena, grantee) : "PUBLIC";
}

/* ---- what is missing ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_owner(const struct grants *g, struct rel_name table, const char *role)
{
	for (size_t i = 0; role && i < g->dependents->owner_count; i++) {
		const struct dependent_owner *owner = &g->dependents->owners[i];
		if (rel_name_eq(owner->table, table))
			return strcmp(owner->owner, role) == 0;
	}
	return false;
}

static bool has_grant(const struct grants *g, struct rel_name table, const struct dependent_grant *like)
{
	for (size_t i = 0; i < g->dependents->grant_count; i++) {
		const struct dependent_grant *grant = &g->dependents->grants[i];
		bool covers = !grant->grantee || same_text(grant->grantee, like->grantee);
		if (covers && rel_name_eq(grant->table, table) && strcmp(grant->privilege, like->privilege) == 0)
			return true;
	}
	return is_owner(g, table, like->grantee);
}

static void say_grant(struct grants *g, const struct ruleset_entry *entry, struct rel_name table, const char *object,
		      const struct dependent_grant *grant)
{
	const char *who = grantee_of(g, grant->grantee), *name = print(g, table);
	struct finding *finding = findings_add(g->findings, FINDING_WARNING, entry->key, "grant", name,
					       "%s may %s %s and not %s", who, grant->privilege, print(g, grant->table), name);
	finding_hint(g->findings, finding, "GRANT %s ON %s %s TO %s;", grant->privilege, object, name, who);
}

/* The sequence of the same column on the other side; NULLs: none. */
static struct rel_name sequence_of(const struct fact_relation *table, size_t number)
{
	for (const struct fact_relation *owned = table ? table->owned : NULL; owned; owned = owned->owner_next) {
		if (owned->kind == FACT_SEQUENCE && number-- == 0)
			return owned->name;
	}
	return (struct rel_name){ NULL, NULL };
}

static void check_grant(struct grants *g, const struct ruleset_entry *entry, const struct dependent_grant *grant)
{
	const struct fact_relation *old_table = entry->relation[SIDE_OLD], *new_table = entry->relation[SIDE_NEW];
	if (!new_table || !fact_kind_holds_rows(new_table->kind) || !old_table || !fact_kind_holds_rows(old_table->kind))
		return;
	if (rel_name_eq(grant->table, entry->names[SIDE_OLD]) && !has_grant(g, entry->names[SIDE_NEW], grant))
		say_grant(g, entry, entry->names[SIDE_NEW], "TABLE", grant);
	for (size_t i = 0; grant->is_sequence; i++) {
		struct rel_name old_one = sequence_of(old_table, i), new_one = sequence_of(new_table, i);
		if (!old_one.name || !new_one.name)
			break;
		if (rel_name_eq(old_one, grant->table) && !has_grant(g, new_one, grant))
			say_grant(g, entry, new_one, "SEQUENCE", grant);
	}
}

/* A role that reaches the table and cannot enter the schema it will be in. */
static void check_schema(struct grants *g, const struct ruleset_entry *entry, const struct dependent_grant *grant)
{
	const char *schema = entry->names[SIDE_NEW].schema;
	if (!rel_name_eq(grant->table, entry->names[SIDE_OLD]) || !grant->has_usage ||
	    !facts_has_schema(g->ruleset->facts, schema))
		return;
	bool may = grant->grantee ? facts_may_use(g->ruleset->facts, grant->grantee, schema) : true;
	if (may)
		return;
	struct finding *finding = findings_add(
		g->findings, entry->kind == MAP_MOVE ? FINDING_NOTE : FINDING_WARNING, entry->key, "grant",
		arena_printf(&g->arena, "%s for %s", name_print_quoted(&g->arena, schema), grantee_of(g, grant->grantee)),
		"%s may use %s and not the schema %s", grantee_of(g, grant->grantee), entry->key, name_print_quoted(&g->arena, schema));
	finding_hint(g->findings, finding, "GRANT USAGE ON SCHEMA %s TO %s;%s", name_print_quoted(&g->arena, schema),
		     grantee_of(g, grant->grantee), entry->kind == MAP_MOVE ? " (a cutover does this)" : "");
}

/* Of several grants on one table to one role the first speaks for the schema. */
static bool is_first_for_role(const struct grants *g, size_t number)
{
	const struct dependent_grant *grant = &g->dependents->grants[number];
	if (number == 0)
		return true;
	const struct dependent_grant *before = grant - 1;
	return !rel_name_eq(before->table, grant->table) || !same_text(before->grantee, grant->grantee);
}

static const struct ruleset_entry *entry_of(const struct grants *g, struct rel_name name)
{
	const struct ruleset_name *found = ruleset_find(g->ruleset, name.schema, name.name);
	bool moves = found && found->side == SIDE_OLD && found->entry->physical == SIDE_OLD &&
		     (found->entry->kind == MAP_MOVE || found->entry->kind == MAP_TRANSFORM);
	return moves ? found->entry : NULL;
}

void grants_check(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings)
{
	struct grants g = { .ruleset = ruleset, .dependents = dependents, .findings = findings };
	arena_init(&g.arena);
	for (size_t i = 0; i < dependents->grant_count; i++) {
		const struct dependent_grant *grant = &dependents->grants[i];
		const struct ruleset_entry *entry = entry_of(&g, grant->table);
		if (!entry)
			continue;
		check_grant(&g, entry, grant);
		if (is_first_for_role(&g, i))
			check_schema(&g, entry, grant);
	}
	arena_deinit(&g.arena);
}

/* ---- crossfade's own roles ---- */

struct names {
	const char **items;
	size_t count;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_names(struct names *names)
{
	size_t kept = 0;
	if (names->count)
		qsort(names->items, names->count, sizeof(*names->items), compare_names);
	for (size_t i = 0; i < names->count; i++) {
		if (i == 0 || strcmp(names->items[i], names->items[kept - 1]) != 0)
			names->items[kept++] = names->items[i];
	}
	names->count = kept;
}

static bool moves(const struct ruleset_entry *entry)
{
	return entry->kind == MAP_MOVE || entry->kind == MAP_TRANSFORM;
}

static struct names schemas_of(struct grants *g, enum side side)
{
	struct names names = { ARENA_ARRAY(&g->arena, g->ruleset->entry_count + 1, const char *), 0 };
	for (size_t i = 0; i < g->ruleset->entry_count; i++) {
		if (moves(&g->ruleset->entries[i]))
			names.items[names.count++] = g->ruleset->entries[i].names[side].schema;
	}
	sort_names(&names);
	return names;
}

/* Of the tables that move; those that are superusers, or those that are not. */
static struct names owners_of(struct grants *g, bool is_super)
{
	struct names names = { ARENA_ARRAY(&g->arena, g->dependents->owner_count + 1, const char *), 0 };
	for (size_t i = 0; i < g->dependents->owner_count; i++) {
		const struct dependent_owner *owner = &g->dependents->owners[i];
		const struct ruleset_name *found = ruleset_find(g->ruleset, owner->table.schema, owner->table.name);
		if (found && moves(found->entry) && owner->is_super == is_super)
			names.items[names.count++] = owner->owner;
	}
	sort_names(&names);
	return names;
}

/* Whoever may use a table must be able to reach it where it goes: that is passed on. */
static void print_schemas(struct grants *g, const struct names *schemas, struct buf *out)
{
	for (size_t i = 0; i < schemas->count; i++) {
		const char *schema = name_print_quoted(&g->arena, schemas->items[i]);
		buf_printf(out, "GRANT CREATE ON SCHEMA %s TO " MOVER ";\nGRANT USAGE ON SCHEMA %s TO " MOVER " WITH GRANT OPTION;\n",
			   schema, schema);
	}
}

/* The view that a move leaves belongs to the table's owner. */
static void print_view_owners(struct grants *g, const struct names *schemas, const struct names *owners, struct buf *out)
{
	for (size_t i = 0; i < schemas->count; i++) {
		for (size_t k = 0; k < owners->count; k++)
			buf_printf(out, "GRANT CREATE ON SCHEMA %s TO %s;\n", name_print_quoted(&g->arena, schemas->items[i]),
				   name_print_quoted(&g->arena, owners->items[k]));
	}
}

/* A member of a superuser's role would be one. */
static void print_super_owners(struct grants *g, struct buf *out)
{
	struct names owners = owners_of(g, true);
	for (size_t i = 0; i < owners.count; i++)
		buf_printf(out, "-- Tables that move belong to the superuser %s. Give them an owner of their own first, by\n"
				"-- ALTER TABLE ... OWNER TO ..., and grant that role to " MOVER ".\n",
			   name_print_quoted(&g->arena, owners.items[i]));
}

static void print_mover(struct grants *g, struct buf *out)
{
	struct names owners = owners_of(g, false), old_schemas = schemas_of(g, SIDE_OLD), new_schemas = schemas_of(g, SIDE_NEW);
	buf_append_str(out, "\n-- The mover also moves tables: only its owner may give a table another name or schema,\n"
			    "-- so it is a member of the owners' roles. It sees what the observer sees.\n"
			    "CREATE ROLE " MOVER " LOGIN;\n"
			    "GRANT pg_read_all_stats TO " MOVER ";\n");
	for (size_t i = 0; i < owners.count; i++)
		buf_printf(out, "GRANT %s TO " MOVER ";\n", name_print_quoted(&g->arena, owners.items[i]));
	print_super_owners(g, out);
	for (size_t i = 0; i < new_schemas.count; i++) {
		if (!facts_has_schema(g->ruleset->facts, new_schemas.items[i]))
			buf_printf(out, "CREATE SCHEMA %s;\n", name_print_quoted(&g->arena, new_schemas.items[i]));
	}
	buf_append_str(out, "-- Where tables go:\n");
	print_schemas(g, &new_schemas, out);
	buf_append_str(out, "-- Where they come from, for the view under the old name and for the way back:\n");
	print_schemas(g, &old_schemas, out);
	print_view_owners(g, &old_schemas, &owners, out);
	buf_append_str(out, "-- Its own schema: stages, journal, and the ledger if that is in the database.\n"
			    "CREATE SCHEMA IF NOT EXISTS crossfade AUTHORIZATION " MOVER ";\n");
}

void grants_print(const struct ruleset *ruleset, const struct dependents *dependents, struct buf *out)
{
	struct grants g = { .ruleset = ruleset, .dependents = dependents };
	const char *database = ruleset->facts->database ? ruleset->facts->database : "";
	arena_init(&g.arena);
	buf_append_str(out, "-- Roles for crossfade; neither is a superuser. Run this as one, in this database, and give\n"
			    "-- both a password or a line in pg_hba.conf. admin.dsn takes the mover if crossfade is to\n"
			    "-- cut over, else the observer.\n\n"
			    "-- The observer reads the catalog and sees all sessions, and nobody's rows.\n"
			    "CREATE ROLE " OBSERVER " LOGIN;\n"
			    "GRANT pg_read_all_stats TO " OBSERVER ";\n");
	buf_printf(out, "GRANT CONNECT ON DATABASE %s TO " OBSERVER ";\n", name_print_quoted(&g.arena, database));
	print_mover(&g, out);
	buf_printf(out, "GRANT CONNECT ON DATABASE %s TO " MOVER ";\n", name_print_quoted(&g.arena, database));
	arena_deinit(&g.arena);
}
