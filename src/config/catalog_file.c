/* Reading a catalog from YAML. catalog_writer.c is its counterpart. */
#include "config/catalog_file.h"

#include "config/catalog_words.h"
#include "config/sql_name.h"
#include "config/suggest.h"
#include "config/yaml_tree.h"

#include <stdlib.h>

struct loader {
	const struct yaml_doc *doc;
	struct arena *scratch; /* the facts copy what they take */
	struct facts *facts;
	struct error *error;
	const char **schemas; /* as listed */
	size_t schema_count;
};

enum { MAX_COLUMNS = 1600 };

#define FAIL(loader, value, ...) yaml_fail((loader)->doc, (value), (loader)->error, __VA_ARGS__)

static bool is_given(const struct yaml_value *value)
{
	return value && !yaml_is_null(value);
}

static bool read_text(struct loader *loader, const struct yaml_value *value, const char *what,
		      const char **text_out)
{
	if (!yaml_expect(loader->doc, value, YAML_TEXT, what, loader->error))
		return false;
	*text_out = arena_strdup(&loader->facts->arena, value->text);
	return true;
}

static bool read_bool(struct loader *loader, const struct yaml_value *value, const char *what, bool *flag_out)
{
	bool yes = value->kind == YAML_TEXT && strcmp(value->text, "true") == 0;
	if (!yes && (value->kind != YAML_TEXT || strcmp(value->text, "false") != 0))
		return FAIL(loader, value, "%s must be true or false", what);
	*flag_out = yes;
	return true;
}

static bool read_word(struct loader *loader, const struct yaml_value *value, const char *what,
		      const char *const *words, size_t count, size_t *index_out)
{
	if (!yaml_expect(loader->doc, value, YAML_TEXT, what, loader->error))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(value->text, words[i]) == 0) {
			*index_out = i;
			return true;
		}
	}
	const char *near = suggest_word(value->text, words, count);
	FAIL(loader, value, "%s cannot be `%s`", what, value->text);
	if (near)
		error_hint(loader->error, "Did you mean `%s`?", near);
	return false;
}

static bool read_table(struct loader *loader, const struct yaml_value *value, struct rel_name *name_out)
{
	struct sql_name name;
	const char *why = "needs schema.name";
	if (!yaml_expect(loader->doc, value, YAML_TEXT, "a relation's name", loader->error))
		return false;
	if (!sql_name_parse(loader->scratch, value->text, &name, &why) || !name.name.schema || name.star)
		return FAIL(loader, value, "relation name `%s` %s", value->text, why);
	*name_out = name.name;
	return true;
}

static bool read_single(struct loader *loader, const struct yaml_value *value, const char *what,
			const char **name_out)
{
	const char *why;
	if (!yaml_expect(loader->doc, value, YAML_TEXT, what, loader->error))
		return false;
	return sql_name_parse_single(loader->scratch, value->text, name_out, &why) ||
	       FAIL(loader, value, "%s `%s` %s", what, value->text, why);
}

/* ---- columns ---- */

static bool read_identity(struct loader *loader, const struct yaml_value *value, struct fact_column *column)
{
	size_t index;
	if (!read_word(loader, value, "`identity`", catalog_identity_words, 2, &index))
		return false;
	column->identity = index == 0 ? 'a' : 'd';
	return true;
}

static bool read_column_map(struct loader *loader, const struct yaml_value *map, struct fact_column *column)
{
	static const char *const keys[] = { "type", "not_null", "default", "identity", "generated", "primary_key" };
	const struct yaml_value *type = yaml_get(map, "type"), *not_null = yaml_get(map, "not_null");
	const struct yaml_value *initial = yaml_get(map, "default"), *identity = yaml_get(map, "identity");
	const struct yaml_value *generated = yaml_get(map, "generated"), *key = yaml_get(map, "primary_key");
	bool is_generated = false;
	if (!yaml_check_keys(loader->doc, map, keys, 6, "a column", loader->error))
		return false;
	if (!type)
		return FAIL(loader, map, "column %s has no `type`", column->name);
	if (!read_text(loader, type, "`type`", &column->type) ||
	    (is_given(not_null) && !read_bool(loader, not_null, "`not_null`", &column->not_null)) ||
	    (is_given(initial) && !read_text(loader, initial, "`default`", &column->default_text)) ||
	    (is_given(identity) && !read_identity(loader, identity, column)) ||
	    (is_given(key) && !read_bool(loader, key, "`primary_key`", &column->in_key)) ||
	    (is_given(generated) && !read_bool(loader, generated, "`generated`", &is_generated)))
		return false;
	column->generated = is_generated ? 's' : 0;
	column->has_default = column->default_text != NULL;
	return true;
}

static bool read_column(struct loader *loader, const struct yaml_value *key, const struct yaml_value *value,
			struct fact_column *column)
{
	if (!read_single(loader, key, "column name", &column->name))
		return false;
	column->typmod = -1;
	if (value->kind == YAML_MAP)
		return read_column_map(loader, value, column);
	return read_text(loader, value, "a column's type", &column->type);
}

static bool read_columns(struct loader *loader, const struct yaml_value *map, struct fact_relation *relation)
{
	if (!yaml_expect(loader->doc, map, YAML_MAP, "`columns`", loader->error))
		return false;
	if (map->count > MAX_COLUMNS)
		return FAIL(loader, map, "a relation has %d columns at most", MAX_COLUMNS);
	struct fact_column *columns = ARENA_ARRAY(loader->scratch, map->count + 1, struct fact_column);
	for (size_t i = 0; i < map->count; i++) {
		columns[i].attnum = (int16_t)(i + 1);
		if (!read_column(loader, &map->keys[i], &map->items[i], &columns[i]))
			return false;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(columns[j].name, columns[i].name) == 0)
				return FAIL(loader, &map->keys[i], "column %s is given twice", columns[i].name);
		}
	}
	facts_set_columns(loader->facts, relation, columns, map->count);
	return true;
}

/* ---- relations ---- */

static bool read_constraints(struct loader *loader, const struct yaml_value *list, struct rel_name table)
{
	const char *name;
	if (!yaml_expect(loader->doc, list, YAML_LIST, "`constraints`", loader->error))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (!read_single(loader, &list->items[i], "constraint", &name))
			return false;
		facts_add_constraint(loader->facts, table, name);
	}
	return true;
}

static bool read_key(struct loader *loader, const struct yaml_value *name, const struct yaml_value *list,
		     struct rel_name table)
{
	const char *constraint, **columns;
	if (!read_single(loader, name, "constraint", &constraint) ||
	    !yaml_expect(loader->doc, list, YAML_LIST, "the columns of a key", loader->error))
		return false;
	columns = ARENA_ARRAY(loader->scratch, list->count + 1, const char *);
	for (size_t i = 0; i < list->count; i++) {
		if (!read_single(loader, &list->items[i], "column", &columns[i]))
			return false;
	}
	facts_add_key(loader->facts, table, constraint, columns, list->count);
	return true;
}

static bool read_keys(struct loader *loader, const struct yaml_value *map, struct rel_name table)
{
	if (!yaml_expect(loader->doc, map, YAML_MAP, "`keys`", loader->error))
		return false;
	for (size_t i = 0; i < map->count; i++) {
		if (!read_key(loader, &map->keys[i], &map->items[i], table))
			return false;
	}
	return true;
}

static bool read_relation(struct loader *loader, const struct yaml_value *key, const struct yaml_value *value)
{
	static const char *const keys[] = { "kind", "owned_by", "columns", "constraints", "keys" };
	struct rel_name name, owner = { 0 };
	size_t kind = FACT_TABLE;
	if (!read_table(loader, key, &name))
		return false;
	bool is_map = value->kind == YAML_MAP;
	if (is_map && !yaml_check_keys(loader->doc, value, keys, 5, "a relation", loader->error))
		return false;
	const struct yaml_value *kind_value = is_map ? yaml_get(value, "kind") : value;
	const struct yaml_value *owned_by = yaml_get(value, "owned_by"), *columns = yaml_get(value, "columns");
	if (is_given(kind_value) && !read_word(loader, kind_value, "a relation's kind", catalog_kind_words,
					       CATALOG_KIND_COUNT, &kind))
		return false;
	if (is_given(owned_by) && !read_table(loader, owned_by, &owner))
		return false;
	struct fact_relation *relation = facts_add_relation(loader->facts, name, (enum fact_kind)kind, 0);
	const struct yaml_value *constraints = yaml_get(value, "constraints"), *unique = yaml_get(value, "keys");
	if (owner.name)
		facts_set_owner(loader->facts, relation, owner);
	if (is_given(constraints) && !read_constraints(loader, constraints, name))
		return false;
	if (is_given(unique) && !read_keys(loader, unique, name))
		return false;
	return !is_given(columns) || read_columns(loader, columns, relation);
}

static int compare_relations(const void *a, const void *b)
{
	const struct fact_relation *x = *(struct fact_relation *const *)a, *y = *(struct fact_relation *const *)b;
	int order = strcmp(x->name.schema, y->name.schema);
	return order ? order : strcmp(x->name.name, y->name.name);
}

/* Also two spellings of one name, which YAML's own check cannot see. */
static bool check_distinct(struct loader *loader, const struct yaml_value *map)
{
	size_t count = loader->facts->relation_count;
	struct fact_relation **sorted = ARENA_ARRAY(loader->scratch, count + 1, struct fact_relation *);
	if (count)
		memcpy(sorted, loader->facts->relations, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_relations);
	for (size_t i = 1; i < count; i++) {
		if (rel_name_eq(sorted[i - 1]->name, sorted[i]->name))
			return FAIL(loader, map, "relation %s.%s is given twice", sorted[i]->name.schema,
				    sorted[i]->name.name);
	}
	return true;
}

static bool read_relations(struct loader *loader, const struct yaml_value *map)
{
	if (!yaml_expect(loader->doc, map, YAML_MAP, "`relations`", loader->error))
		return false;
	for (size_t i = 0; i < map->count; i++) {
		if (!read_relation(loader, &map->keys[i], &map->items[i]))
			return false;
	}
	return check_distinct(loader, map);
}

/* ---- the rest ---- */

static bool read_schemas(struct loader *loader, const struct yaml_value *list)
{
	if (!yaml_expect(loader->doc, list, YAML_LIST, "`schemas`", loader->error))
		return false;
	loader->schemas = ARENA_ARRAY(loader->scratch, list->count + 1, const char *);
	for (size_t i = 0; i < list->count; i++) {
		if (!read_single(loader, &list->items[i], "schema", &loader->schemas[i]))
			return false;
		loader->schema_count++;
	}
	return true;
}

static bool read_setting(struct loader *loader, const struct yaml_value *map)
{
	static const char *const keys[] = { "role", "this_database", "search_path" };
	const char *role = NULL, *path;
	bool this_database = false;
	if (!yaml_expect(loader->doc, map, YAML_MAP, "an item of `settings`", loader->error) ||
	    !yaml_check_keys(loader->doc, map, keys, 3, "`settings`", loader->error))
		return false;
	const struct yaml_value *role_value = yaml_get(map, "role"), *value = yaml_get(map, "search_path");
	const struct yaml_value *database = yaml_get(map, "this_database");
	if (!value)
		return FAIL(loader, map, "an item of `settings` has no `search_path`");
	if (!read_text(loader, value, "`search_path`", &path) ||
	    (is_given(role_value) && !read_single(loader, role_value, "role", &role)) ||
	    (is_given(database) && !read_bool(loader, database, "`this_database`", &this_database)))
		return false;
	facts_add_setting(loader->facts, role, this_database, path);
	return true;
}

static bool read_settings(struct loader *loader, const struct yaml_value *list)
{
	if (!yaml_expect(loader->doc, list, YAML_LIST, "`settings`", loader->error))
		return false;
	for (size_t i = list->count; i > 0; i--) { /* facts put the last one first */
		if (!read_setting(loader, &list->items[i - 1]))
			return false;
	}
	return true;
}

static bool read_denied_role(struct loader *loader, const struct yaml_value *key, const struct yaml_value *list)
{
	const char *role, *schema;
	if (!read_single(loader, key, "role", &role) ||
	    !yaml_expect(loader->doc, list, YAML_LIST, "the schemas a role may not use", loader->error))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		if (!read_single(loader, &list->items[i], "schema", &schema))
			return false;
		facts_add_denied(loader->facts, role, schema);
	}
	return true;
}

static bool read_denied(struct loader *loader, const struct yaml_value *map)
{
	if (!yaml_expect(loader->doc, map, YAML_MAP, "`denied`", loader->error))
		return false;
	for (size_t i = 0; i < map->count; i++) {
		if (!read_denied_role(loader, &map->keys[i], &map->items[i]))
			return false;
	}
	return true;
}

static bool read_function(struct loader *loader, const struct yaml_value *key, const struct yaml_value *list)
{
	const char *function;
	unsigned flags = 0;
	if (!read_single(loader, key, "function", &function) ||
	    !yaml_expect(loader->doc, list, YAML_LIST, "what a function changes", loader->error))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		size_t index;
		if (!read_word(loader, &list->items[i], "what a function changes", catalog_code_words, 2, &index))
			return false;
		flags |= 1u << index;
	}
	facts_add_code(loader->facts, function, flags);
	return true;
}

static bool read_functions(struct loader *loader, const struct yaml_value *map)
{
	if (!yaml_expect(loader->doc, map, YAML_MAP, "`functions`", loader->error))
		return false;
	for (size_t i = 0; i < map->count; i++) {
		if (!read_function(loader, &map->keys[i], &map->items[i]))
			return false;
	}
	return true;
}

static bool read_database(struct loader *loader, const struct yaml_value *value)
{
	return read_text(loader, value, "`database`", &loader->facts->database);
}

static bool read_search_path(struct loader *loader, const struct yaml_value *value)
{
	return read_text(loader, value, "`search_path`", &loader->facts->search_path);
}

static bool read_version(struct loader *loader, const struct yaml_value *value)
{
	char *end = NULL;
	long number = value->kind == YAML_TEXT ? strtol(value->text, &end, 10) : -1;
	if (!end || *end || end == value->text || number < 0 || number > 9999999)
		return FAIL(loader, value, "`server_version` must be a number such as 150004");
	loader->facts->server_version = (int)number;
	return true;
}

static const char *const root_keys[] = { "database", "server_version", "search_path", "schemas",
					 "relations", "settings",	"denied",      "functions" };

static bool (*const root_readers[])(struct loader *, const struct yaml_value *) = {
	read_database, read_version, read_search_path, read_schemas, read_relations, read_settings, read_denied,
	read_functions,
};

enum { ROOT_COUNT = sizeof(root_keys) / sizeof(root_keys[0]) };

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A relation's schema exists without being listed. */
static void add_schemas(struct loader *loader)
{
	struct facts *facts = loader->facts;
	size_t count = 0;
	const char **names = ARENA_ARRAY(loader->scratch, loader->schema_count + facts->relation_count + 1,
					 const char *);
	for (size_t i = 0; i < loader->schema_count; i++)
		names[count++] = loader->schemas[i];
	for (size_t i = 0; i < facts->relation_count; i++)
		names[count++] = facts->relations[i]->name.schema;
	qsort(names, count, sizeof(*names), compare_text);
	for (size_t i = 0; i < count; i++) {
		if (!i || strcmp(names[i - 1], names[i]) != 0)
			facts_add_schema(facts, names[i]);
	}
}

static bool read_root(struct loader *loader)
{
	const struct yaml_value *root = &loader->doc->root;
	if (yaml_is_null(root))
		return true;
	if (!yaml_expect(loader->doc, root, YAML_MAP, "a catalog", loader->error) ||
	    !yaml_check_keys(loader->doc, root, root_keys, ROOT_COUNT, "a catalog", loader->error))
		return false;
	for (size_t i = 0; i < ROOT_COUNT; i++) {
		const struct yaml_value *value = yaml_get(root, root_keys[i]);
		if (is_given(value) && !root_readers[i](loader, value))
			return false;
	}
	add_schemas(loader);
	return true;
}

static bool finish(struct yaml_doc *doc, struct facts **facts_out, struct error *error_out)
{
	struct arena scratch;
	struct loader loader = { .doc = doc, .scratch = &scratch, .facts = facts_new(), .error = error_out };
	arena_init(&scratch);
	bool ok = read_root(&loader);
	arena_deinit(&scratch);
	yaml_doc_deinit(doc);
	if (!ok) {
		facts_unref(loader.facts);
		return false;
	}
	loader.facts->version = 1;
	facts_seal(loader.facts);
	*facts_out = loader.facts;
	return true;
}

bool catalog_file_parse(struct slice text, const char *file, struct facts **facts_out, struct error *error_out)
{
	struct yaml_doc doc;
	return yaml_load_text(text, file, &doc, error_out) && finish(&doc, facts_out, error_out);
}

bool catalog_file_load(const char *path, struct facts **facts_out, struct error *error_out)
{
	struct yaml_doc doc;
	return yaml_load_file(path, &doc, error_out) && finish(&doc, facts_out, error_out);
}
