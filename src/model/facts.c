#include "model/facts.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct facts *facts_new(void)
{
	struct facts *facts = memory_zalloc(sizeof(*facts));
	ref_init(&facts->ref);
	arena_init(&facts->arena);
	return facts;
}

struct facts *facts_ref(struct facts *facts)
{
	if (facts)
		ref_take(&facts->ref);
	return facts;
}

void facts_unref(struct facts *facts)
{
	if (!facts || !ref_drop(&facts->ref))
		return;
	arena_deinit(&facts->arena);
	free(facts->relations);
	free(facts->schemas);
	free(facts->denied);
	free(facts->code);
	free(facts->constraints);
	free(facts->buckets);
	free(facts);
}

static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return items;
	*capacity = *capacity ? *capacity * 2 : 64;
	return memory_realloc(items, *capacity * size);
}

struct fact_relation *facts_add_relation(struct facts *facts, struct rel_name name, enum fact_kind kind,
					 uint32_t oid)
{
	struct fact_relation *relation = ARENA_NEW(&facts->arena, struct fact_relation);
	relation->name = rel_name_copy(&facts->arena, name);
	relation->kind = kind;
	relation->oid = oid;
	facts->relations = grow(facts->relations, facts->relation_count, &facts->relation_capacity,
				sizeof(*facts->relations));
	facts->relations[facts->relation_count++] = relation;
	return relation;
}

void facts_set_columns(struct facts *facts, struct fact_relation *relation, const struct fact_column *columns,
		       size_t count)
{
	relation->columns = ARENA_ARRAY(&facts->arena, count, struct fact_column);
	relation->column_count = count;
	for (size_t i = 0; i < count; i++) {
		relation->columns[i] = columns[i];
		relation->columns[i].name = arena_strdup(&facts->arena, columns[i].name);
		relation->columns[i].type = arena_strdup(&facts->arena, columns[i].type);
		relation->columns[i].default_text = arena_strdup(&facts->arena, columns[i].default_text);
	}
}

void facts_set_owner(struct facts *facts, struct fact_relation *relation, struct rel_name table)
{
	relation->owned_by = rel_name_copy(&facts->arena, table);
}

void facts_add_schema(struct facts *facts, const char *schema)
{
	facts->schemas = grow(facts->schemas, facts->schema_count, &facts->schema_capacity,
			      sizeof(*facts->schemas));
	facts->schemas[facts->schema_count++] = arena_strdup(&facts->arena, schema);
}

void facts_add_setting(struct facts *facts, const char *role, bool this_database, const char *search_path)
{
	struct fact_setting *setting = ARENA_NEW(&facts->arena, struct fact_setting);
	setting->role = arena_strdup(&facts->arena, role);
	setting->this_database = this_database;
	setting->search_path = arena_strdup(&facts->arena, search_path);
	setting->next = facts->settings;
	facts->settings = setting;
}

void facts_add_denied(struct facts *facts, const char *role, const char *schema)
{
	facts->denied =
		grow(facts->denied, facts->denied_count, &facts->denied_capacity, sizeof(*facts->denied));
	facts->denied[facts->denied_count++] = (struct fact_denied){
		arena_strdup(&facts->arena, role), arena_strdup(&facts->arena, schema)
	};
}

void facts_add_code(struct facts *facts, const char *function, unsigned flags)
{
	facts->code = grow(facts->code, facts->code_count, &facts->code_capacity, sizeof(*facts->code));
	facts->code[facts->code_count++] = (struct fact_code){ arena_strdup(&facts->arena, function), flags };
}

void facts_add_constraint(struct facts *facts, struct rel_name table, const char *name)
{
	facts->constraints = grow(facts->constraints, facts->constraint_count, &facts->constraint_capacity,
				  sizeof(*facts->constraints));
	facts->constraints[facts->constraint_count++] = (struct fact_constraint){
		.name = arena_strdup(&facts->arena, name), .table = rel_name_copy(&facts->arena, table)
	};
}

void facts_add_key(struct facts *facts, struct rel_name table, const char *name, const char *const *columns, size_t count)
{
	facts_add_constraint(facts, table, name);
	struct fact_constraint *key = &facts->constraints[facts->constraint_count - 1];
	key->columns = ARENA_ARRAY(&facts->arena, count, const char *);
	key->column_count = count;
	for (size_t i = 0; i < count; i++)
		key->columns[i] = arena_strdup(&facts->arena, columns[i]);
}

static size_t bucket_of(const struct facts *facts, const char *schema, const char *name)
{
	uint64_t hash = hash_of_bytes(name, strlen(name), hash_of_bytes(schema, strlen(schema), 0));
	return (size_t)hash & (facts->bucket_count - 1);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_code(const void *a, const void *b)
{
	return strcmp(((const struct fact_code *)a)->function, ((const struct fact_code *)b)->function);
}

static int compare_constraint(const void *a, const void *b)
{
	return strcmp(((const struct fact_constraint *)a)->name, ((const struct fact_constraint *)b)->name);
}

static int order_constraints(const void *a, const void *b)
{
	const struct fact_constraint *x = a, *y = b;
	int by_name = compare_constraint(a, b);
	int by_schema = by_name ? by_name : strcmp(x->table.schema, y->table.schema);
	return by_schema ? by_schema : strcmp(x->table.name, y->table.name);
}

/* Of several functions of one name, what any of them does. */
static void merge_code(struct facts *facts)
{
	size_t kept = 0;
	qsort(facts->code, facts->code_count, sizeof(*facts->code), compare_code);
	for (size_t i = 0; i < facts->code_count; i++) {
		if (kept && compare_code(&facts->code[kept - 1], &facts->code[i]) == 0)
			facts->code[kept - 1].flags |= facts->code[i].flags;
		else
			facts->code[kept++] = facts->code[i];
	}
	facts->code_count = kept;
}

static int compare_denied(const void *a, const void *b)
{
	const struct fact_denied *x = a, *y = b;
	int by_role = strcmp(x->role, y->role);
	return by_role ? by_role : strcmp(x->schema, y->schema);
}

static void link_owned(struct facts *facts)
{
	for (size_t i = 0; i < facts->relation_count; i++) {
		struct fact_relation *relation = facts->relations[i];
		if (!relation->owned_by.name)
			continue;
		struct fact_relation *owner = (struct fact_relation *)facts_find(
			facts, relation->owned_by.schema, relation->owned_by.name);
		if (!owner)
			continue;
		relation->owner_next = owner->owned;
		owner->owned = relation;
	}
}

void facts_seal(struct facts *facts)
{
	facts->bucket_count = 64;
	while (facts->bucket_count < facts->relation_count * 2)
		facts->bucket_count *= 2;
	free(facts->buckets);
	facts->buckets = memory_zalloc(facts->bucket_count * sizeof(*facts->buckets));
	for (size_t i = 0; i < facts->relation_count; i++) {
		struct fact_relation *relation = facts->relations[i];
		size_t bucket = bucket_of(facts, relation->name.schema, relation->name.name);
		relation->hash_next = facts->buckets[bucket];
		facts->buckets[bucket] = relation;
	}
	link_owned(facts);
	if (facts->schema_count)
		qsort(facts->schemas, facts->schema_count, sizeof(*facts->schemas), compare_text);
	if (facts->code_count)
		merge_code(facts);
	if (facts->constraint_count)
		qsort(facts->constraints, facts->constraint_count, sizeof(*facts->constraints), order_constraints);
	if (facts->denied_count)
		qsort(facts->denied, facts->denied_count, sizeof(*facts->denied), compare_denied);
}

const struct fact_relation *facts_find(const struct facts *facts, const char *schema, const char *name)
{
	if (!facts || !facts->buckets)
		return NULL;
	struct fact_relation *relation = facts->buckets[bucket_of(facts, schema, name)];
	while (relation && !rel_name_eq(relation->name, (struct rel_name){ schema, name }))
		relation = relation->hash_next;
	return relation;
}

bool facts_has_schema(const struct facts *facts, const char *schema)
{
	return facts && facts->schema_count &&
	       bsearch(&schema, facts->schemas, facts->schema_count, sizeof(*facts->schemas), compare_text);
}

unsigned facts_code_flags(const struct facts *facts, const char *function)
{
	struct fact_code wanted = { function, 0 };
	const struct fact_code *found =
		facts && facts->code_count
			? bsearch(&wanted, facts->code, facts->code_count, sizeof(wanted), compare_code)
			: NULL;
	return found ? found->flags : 0;
}

const struct fact_constraint *facts_constraints(const struct facts *facts, const char *name, size_t *count_out)
{
	struct fact_constraint wanted = { .name = name };
	const struct fact_constraint *first, *last, *end;
	if (!facts || !facts->constraint_count)
		return NULL;
	end = facts->constraints + facts->constraint_count;
	first = bsearch(&wanted, facts->constraints, facts->constraint_count, sizeof(wanted), compare_constraint);
	if (!first)
		return NULL;
	for (last = first + 1; last < end && compare_constraint(last, &wanted) == 0; last++)
		;
	while (first > facts->constraints && compare_constraint(first - 1, &wanted) == 0)
		first--;
	*count_out = (size_t)(last - first);
	return first;
}

const struct fact_constraint *facts_key(const struct facts *facts, struct rel_name table, const char *name)
{
	size_t count = 0;
	const struct fact_constraint *known = facts_constraints(facts, name, &count);
	for (size_t i = 0; known && i < count; i++) {
		if (known[i].column_count && rel_name_eq(known[i].table, table))
			return &known[i];
	}
	return NULL;
}

bool facts_may_use(const struct facts *facts, const char *role, const char *schema)
{
	struct fact_denied wanted = { role, schema };
	return !facts || !facts->denied_count ||
	       !bsearch(&wanted, facts->denied, facts->denied_count, sizeof(wanted), compare_denied);
}

/* The server's order: role in database, role, database, postgresql.conf. */
static int setting_rank(const struct fact_setting *setting, const char *role)
{
	if (setting->role && (!role || strcmp(setting->role, role) != 0))
		return 0;
	return (setting->role ? 2 : 0) + (setting->this_database ? 1 : 0) + 1;
}

const char *facts_default_search_path(const struct facts *facts, const char *role)
{
	const char *best = facts && facts->search_path ? facts->search_path : "\"$user\", public";
	int best_rank = 0;
	for (const struct fact_setting *s = facts ? facts->settings : NULL; s; s = s->next) {
		int rank = setting_rank(s, role);
		if (rank > best_rank) {
			best_rank = rank;
			best = s->search_path;
		}
	}
	return best;
}

bool fact_kind_holds_rows(enum fact_kind kind)
{
	return kind == FACT_TABLE || kind == FACT_PARTITIONED || kind == FACT_FOREIGN || kind == FACT_MATVIEW;
}
