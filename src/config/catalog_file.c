/* Facts from a file instead of a server. */
#include "config/catalog_file.h"

#include "config/sql_name.h"
#include "config/suggest.h"
#include "config/yaml_tree.h"

#include <errno.h>
#include <stdlib.h>

struct catalog_reader {
	const struct yaml_doc *doc;
	struct facts *facts;
	struct arena arena;
	struct error *error_out;
};

static const char *const kind_words[] = {
	[FACT_TABLE] = "table",	  [FACT_PARTITIONED] = "partitioned", [FACT_FOREIGN] = "foreign",
	[FACT_VIEW] = "view",	  [FACT_MATVIEW] = "matview",	      [FACT_SEQUENCE] = "sequence",
	[FACT_INDEX] = "index",	  [FACT_COMPOSITE] = "composite",
};
enum { KIND_COUNT = sizeof(kind_words) / sizeof(kind_words[0]) };

static bool read_kind(struct catalog_reader *r, const struct yaml_value *value, enum fact_kind *kind_out)
{
	if (!yaml_expect(r->doc, value, YAML_TEXT, "a kind of relation", r->error_out))
		return false;
	for (int i = 0; i < KIND_COUNT; i++) {
		if (strcmp(kind_words[i], value->text) == 0) {
			*kind_out = (enum fact_kind)i;
			return true;
		}
	}
	const char *near = suggest_word(value->text, kind_words, KIND_COUNT);
	yaml_fail(r->doc, value, r->error_out, "unknown kind of relation `%s`", value->text);
	if (near)
		error_hint(r->error_out, "Did you mean `%s`?", near);
	return false;
}

static bool read_name(struct catalog_reader *r, const struct yaml_value *value, struct rel_name *name_out)
{
	struct sql_name name;
	const char *why;
	if (!yaml_expect(r->doc, value, YAML_TEXT, "a relation's name", r->error_out))
		return false;
	if (!sql_name_parse(&r->arena, value->text, &name, &why))
		return yaml_fail(r->doc, value, r->error_out, "relation name `%s` %s", value->text, why);
	if (!name.name.schema || name.star)
		return yaml_fail(r->doc, value, r->error_out, "relation name `%s` needs a schema and a name", value->text);
	*name_out = name.name;
	return true;
}

static bool read_columns(struct catalog_reader *r, struct fact_relation *relation, const struct yaml_value *columns)
{
	if (!yaml_expect(r->doc, columns, YAML_MAP, "`columns`", r->error_out))
		return false;
	struct fact_column *items = ARENA_ARRAY(&r->arena, columns->count, struct fact_column);
	for (size_t i = 0; i < columns->count; i++) {
		const char *why;
		if (!yaml_expect(r->doc, &columns->items[i], YAML_TEXT, "a column's type", r->error_out))
			return false;
		if (!sql_name_parse_single(&r->arena, columns->keys[i].text, &items[i].name, &why))
			return yaml_fail(r->doc, &columns->keys[i], r->error_out, "column name `%s` %s",
					 columns->keys[i].text, why);
		items[i].type = columns->items[i].text;
		items[i].typmod = -1;
		items[i].attnum = (int16_t)(i + 1);
	}
	facts_set_columns(r->facts, relation, items, columns->count);
	return true;
}

static bool read_relation(struct catalog_reader *r, const struct yaml_value *key, const struct yaml_value *value)
{
	static const char *const keys[] = { "kind", "owned_by", "columns" };
	struct rel_name name, owner;
	enum fact_kind kind = FACT_TABLE;
	if (!read_name(r, key, &name))
		return false;
	bool brief = value->kind == YAML_TEXT;
	if (!brief && !yaml_expect(r->doc, value, YAML_MAP, "a relation", r->error_out))
		return false;
	if (!brief && !yaml_check_keys(r->doc, value, keys, 3, "a relation", r->error_out))
		return false;
	const struct yaml_value *kind_value = brief ? value : yaml_get(value, "kind");
	if (kind_value && !read_kind(r, kind_value, &kind))
		return false;
	const struct yaml_value *owned_by = brief ? NULL : yaml_get(value, "owned_by");
	const struct yaml_value *columns = brief ? NULL : yaml_get(value, "columns");
	if (owned_by && !read_name(r, owned_by, &owner))
		return false;
	struct fact_relation *relation = facts_add_relation(r->facts, name, kind, 0);
	if (owned_by)
		facts_set_owner(r->facts, relation, owner);
	facts_add_schema(r->facts, name.schema);
	return !columns || read_columns(r, relation, columns);
}

static bool read_schemas(struct catalog_reader *r, const struct yaml_value *schemas)
{
	if (!yaml_expect(r->doc, schemas, YAML_LIST, "`schemas`", r->error_out))
		return false;
	for (size_t i = 0; i < schemas->count; i++) {
		const char *name, *why;
		if (!yaml_expect(r->doc, &schemas->items[i], YAML_TEXT, "a schema's name", r->error_out))
			return false;
		if (!sql_name_parse_single(&r->arena, schemas->items[i].text, &name, &why))
			return yaml_fail(r->doc, &schemas->items[i], r->error_out, "schema name `%s` %s",
					 schemas->items[i].text, why);
		facts_add_schema(r->facts, name);
	}
	return true;
}

static bool read_version(struct catalog_reader *r, const struct yaml_value *value)
{
	char *end = NULL;
	if (!yaml_expect(r->doc, value, YAML_TEXT, "`server_version`", r->error_out))
		return false;
	long version = strtol(value->text, &end, 10);
	if (*end || version < 90000 || version > 10000000)
		return yaml_fail(r->doc, value, r->error_out,
				 "`server_version` is a number as SHOW server_version_num prints it, such as 150004");
	r->facts->server_version = (int)version;
	return true;
}

static bool read_text(struct catalog_reader *r, const char *key, const char **text_out)
{
	const struct yaml_value *value = yaml_get(&r->doc->root, key);
	if (!value)
		return true;
	if (!yaml_expect(r->doc, value, YAML_TEXT, key, r->error_out))
		return false;
	*text_out = arena_strdup(&r->facts->arena, value->text);
	return true;
}

static bool read_relations(struct catalog_reader *r, const struct yaml_value *relations)
{
	if (!yaml_expect(r->doc, relations, YAML_MAP, "`relations`", r->error_out))
		return false;
	for (size_t i = 0; i < relations->count; i++) {
		if (!read_relation(r, &relations->keys[i], &relations->items[i]))
			return false;
	}
	return true;
}

static bool read_all(struct catalog_reader *r)
{
	static const char *const keys[] = { "server_version", "database", "search_path", "schemas", "relations" };
	const struct yaml_value *root = &r->doc->root;
	if (yaml_is_null(root))
		return true;
	if (!yaml_expect(r->doc, root, YAML_MAP, "a catalog", r->error_out) ||
	    !yaml_check_keys(r->doc, root, keys, 5, "a catalog", r->error_out))
		return false;
	const struct yaml_value *schemas = yaml_get(root, "schemas"), *relations = yaml_get(root, "relations");
	const struct yaml_value *version = yaml_get(root, "server_version");
	return read_text(r, "database", &r->facts->database) && read_text(r, "search_path", &r->facts->search_path) &&
	       (!version || read_version(r, version)) && (!schemas || read_schemas(r, schemas)) &&
	       (!relations || read_relations(r, relations));
}

static bool finish(struct yaml_doc *doc, struct facts **facts_out, struct error *error_out)
{
	struct catalog_reader reader = { .doc = doc, .facts = facts_new(), .error_out = error_out };
	arena_init(&reader.arena);
	bool ok = read_all(&reader);
	arena_deinit(&reader.arena);
	yaml_doc_deinit(doc);
	if (!ok) {
		facts_unref(reader.facts);
		return false;
	}
	facts_seal(reader.facts);
	*facts_out = reader.facts;
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
