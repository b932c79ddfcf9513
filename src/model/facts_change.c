#include "model/facts_change.h"

#include <stdlib.h>
#include <string.h>

/* ---- which are left out ---- */

struct oid_set {
	uint32_t *oids; /* sorted */
	size_t count;
};

static int compare_oids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* What was read again replaces what was there, whether it was named or not. */
static struct oid_set make_set(struct arena *arena, const struct facts_change *change)
{
	struct oid_set set = { ARENA_ARRAY(arena, change->gone_count + change->fresh->relation_count + 1, uint32_t), 0 };
	for (size_t i = 0; i < change->gone_count; i++)
		set.oids[set.count++] = change->gone[i];
	for (size_t i = 0; i < change->fresh->relation_count; i++)
		set.oids[set.count++] = change->fresh->relations[i]->oid;
	qsort(set.oids, set.count, sizeof(*set.oids), compare_oids);
	return set;
}

static bool is_out(const struct oid_set *set, const struct fact_relation *relation)
{
	return relation && relation->oid && set->count &&
	       bsearch(&relation->oid, set->oids, set->count, sizeof(*set->oids), compare_oids);
}

static bool is_listed(const struct facts_change *change, const char *schema)
{
	for (size_t i = 0; i < change->schema_count; i++) {
		if (strcmp(change->schemas[i], schema) == 0)
			return true;
	}
	return false;
}

/* ---- copying ---- */

static void copy_relation(struct facts *out, const struct fact_relation *relation)
{
	struct fact_relation *copy = facts_add_relation(out, relation->name, relation->kind, relation->oid);
	copy->fenced = relation->fenced;
	if (relation->owned_by.name)
		facts_set_owner(out, copy, relation->owned_by);
	if (relation->column_count)
		facts_set_columns(out, copy, relation->columns, relation->column_count);
}

static void copy_constraint(struct facts *out, const struct fact_constraint *constraint)
{
	if (constraint->column_count)
		facts_add_key(out, constraint->table, constraint->name, constraint->columns, constraint->column_count);
	else
		facts_add_constraint(out, constraint->table, constraint->name);
}

/* In the same order: the list grows at its head. */
static void copy_settings(struct facts *out, const struct facts *base)
{
	const struct fact_setting **all;
	struct arena scratch;
	size_t count = 0;
	arena_init(&scratch);
	for (const struct fact_setting *setting = base->settings; setting; setting = setting->next)
		count++;
	all = ARENA_ARRAY(&scratch, count + 1, const struct fact_setting *);
	for (const struct fact_setting *setting = base->settings; setting; setting = setting->next)
		all[--count] = setting;
	for (const struct fact_setting *setting = base->settings; setting; setting = setting->next, count++)
		facts_add_setting(out, all[count]->role, all[count]->this_database, all[count]->search_path);
	arena_deinit(&scratch);
}

static void copy_rest(struct facts *out, const struct facts *base)
{
	out->version = base->version + 1;
	out->database = arena_strdup(&out->arena, base->database);
	out->search_path = arena_strdup(&out->arena, base->search_path);
	out->server_version = base->server_version;
	for (size_t i = 0; i < base->schema_count; i++)
		facts_add_schema(out, base->schemas[i]);
	copy_settings(out, base);
	for (size_t i = 0; i < base->code_count; i++)
		facts_add_code(out, base->code[i].function, base->code[i].flags);
}

static void copy_relations(struct facts *out, const struct facts *base, const struct oid_set *set)
{
	for (size_t i = 0; i < base->relation_count; i++) {
		if (!is_out(set, base->relations[i]))
			copy_relation(out, base->relations[i]);
	}
	for (size_t i = 0; i < base->constraint_count; i++) {
		const struct fact_constraint *constraint = &base->constraints[i];
		if (!is_out(set, facts_find(base, constraint->table.schema, constraint->table.name)))
			copy_constraint(out, constraint);
	}
}

static void copy_fresh(struct facts *out, const struct facts *fresh)
{
	for (size_t i = 0; i < fresh->relation_count; i++)
		copy_relation(out, fresh->relations[i]);
	for (size_t i = 0; i < fresh->constraint_count; i++)
		copy_constraint(out, &fresh->constraints[i]);
	for (size_t i = 0; i < fresh->denied_count; i++)
		facts_add_denied(out, fresh->denied[i].role, fresh->denied[i].schema);
}

struct facts *facts_changed(const struct facts *base, const struct facts_change *change)
{
	struct facts *out = facts_new();
	struct arena scratch;
	arena_init(&scratch);
	struct oid_set set = make_set(&scratch, change);
	copy_rest(out, base);
	copy_relations(out, base, &set);
	for (size_t i = 0; i < base->denied_count; i++) {
		if (!is_listed(change, base->denied[i].schema))
			facts_add_denied(out, base->denied[i].role, base->denied[i].schema);
	}
	copy_fresh(out, change->fresh);
	facts_seal(out);
	arena_deinit(&scratch);
	return out;
}

/* ---- comparing ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_column(const struct fact_column *a, const struct fact_column *b)
{
	return same_text(a->name, b->name) && same_text(a->type, b->type) && a->type_oid == b->type_oid &&
	       a->typmod == b->typmod && a->attnum == b->attnum && a->not_null == b->not_null &&
	       a->has_default == b->has_default && a->in_key == b->in_key && a->identity == b->identity &&
	       a->generated == b->generated && same_text(a->default_text, b->default_text);
}

static bool same_relation(const struct fact_relation *a, const struct fact_relation *b)
{
	if (!b || a->kind != b->kind || a->oid != b->oid || a->fenced != b->fenced || a->column_count != b->column_count ||
	    !same_text(a->owned_by.schema, b->owned_by.schema) || !same_text(a->owned_by.name, b->owned_by.name))
		return false;
	for (size_t i = 0; i < a->column_count; i++) {
		if (!same_column(&a->columns[i], &b->columns[i]))
			return false;
	}
	return true;
}

static bool same_relations(const struct facts *a, const struct facts *b)
{
	if (a->relation_count != b->relation_count)
		return false;
	for (size_t i = 0; i < a->relation_count; i++) {
		struct rel_name name = a->relations[i]->name;
		if (!same_relation(a->relations[i], facts_find(b, name.schema, name.name)))
			return false;
	}
	return true;
}

static bool same_settings(const struct fact_setting *a, const struct fact_setting *b)
{
	for (; a && b; a = a->next, b = b->next) {
		if (!same_text(a->role, b->role) || a->this_database != b->this_database ||
		    !same_text(a->search_path, b->search_path))
			return false;
	}
	return !a && !b;
}

static bool same_constraint(const struct fact_constraint *a, const struct fact_constraint *b)
{
	bool same = strcmp(a->name, b->name) == 0 && rel_name_eq(a->table, b->table) && a->column_count == b->column_count;
	for (size_t i = 0; same && i < a->column_count; i++)
		same = strcmp(a->columns[i], b->columns[i]) == 0;
	return same;
}

/* All of these are sorted. */
static bool same_lists(const struct facts *a, const struct facts *b)
{
	bool same = a->schema_count == b->schema_count && a->denied_count == b->denied_count &&
		    a->code_count == b->code_count && a->constraint_count == b->constraint_count;
	for (size_t i = 0; same && i < a->schema_count; i++)
		same = strcmp(a->schemas[i], b->schemas[i]) == 0;
	for (size_t i = 0; same && i < a->denied_count; i++)
		same = same_text(a->denied[i].role, b->denied[i].role) &&
		       strcmp(a->denied[i].schema, b->denied[i].schema) == 0;
	for (size_t i = 0; same && i < a->code_count; i++)
		same = strcmp(a->code[i].function, b->code[i].function) == 0 && a->code[i].flags == b->code[i].flags;
	for (size_t i = 0; same && i < a->constraint_count; i++)
		same = same_constraint(&a->constraints[i], &b->constraints[i]);
	return same;
}

bool facts_same(const struct facts *a, const struct facts *b)
{
	return a && b && same_text(a->database, b->database) && same_text(a->search_path, b->search_path) &&
	       a->server_version == b->server_version && same_settings(a->settings, b->settings) && same_lists(a, b) &&
	       same_relations(a, b);
}
