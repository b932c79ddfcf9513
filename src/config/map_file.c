/*
 * From YAML to a struct map: each entry is read by itself here; what must
 * hold between entries is map_check's.
 */
#include "config/map_file.h"

#include "config/map_check.h"
#include "config/sql_name.h"
#include "config/suggest.h"
#include "config/yaml_tree.h"

#include <stdlib.h>

enum { MAP_MAX_COLUMNS = 1600 }; /* PostgreSQL's own limit */

struct loader {
	const struct yaml_doc *doc;
	struct map *map;
	struct error *error;
};

#define FAIL(loader, value, ...) yaml_fail((loader)->doc, (value), (loader)->error, __VA_ARGS__)

static const char *keep(struct loader *loader, const char *text)
{
	return arena_strdup(&loader->map->arena, text);
}

/* ---- names ---- */

static bool read_table_name(struct loader *loader, const struct yaml_value *value, struct sql_name *name_out)
{
	const char *why;
	if (!sql_name_parse(&loader->map->arena, value->text, name_out, &why)) {
		FAIL(loader, value, "table name `%s` %s", value->text, why);
		error_hint(loader->error, "Write schema.table as in SQL, such as public.prices or "
					  "'public.\"Order Items\"' (with the outer quotes for YAML).");
		return false;
	}
	if (name_out->name.schema)
		return true;
	FAIL(loader, value, "table name `%s` has no schema", value->text);
	error_hint(loader->error, "Write schema.table, such as public.%s.", value->text);
	return false;
}

static bool read_column_name(struct loader *loader, const struct yaml_value *value, const char **name_out)
{
	const char *why;
	if (!yaml_expect(loader->doc, value, YAML_TEXT, "a column name", loader->error))
		return false;
	if (sql_name_parse_single(&loader->map->arena, value->text, name_out, &why))
		return true;
	FAIL(loader, value, "column name `%s` %s", value->text, why);
	error_hint(loader->error, "Write it as in SQL, such as code or '\"Order No\"' (with the outer quotes for YAML).");
	return false;
}

static bool read_plain_text(struct loader *loader, const struct yaml_value *value, const char **text_out)
{
	if (!yaml_expect(loader->doc, value, YAML_TEXT, "the value", loader->error))
		return false;
	if (!value->text[strspn(value->text, " \t\r\n")])
		return FAIL(loader, value, "the value must not be empty");
	*text_out = keep(loader, value->text);
	return true;
}

/* ---- pairs and lists ---- */

typedef bool read_fn(struct loader *loader, const struct yaml_value *value, const char **text_out);

static int compare_pairs(const void *a, const void *b)
{
	const struct map_pair *x = *(const struct map_pair *const *)a, *y = *(const struct map_pair *const *)b;
	int order = strcmp(x->key, y->key);
	return order ? order : (x > y) - (x < y);
}

/* `code` and `CODE` are one column. */
static bool check_distinct(struct loader *loader, const struct map_pairs *pairs, const char *what)
{
	const struct map_pair **sorted = ARENA_ARRAY(&loader->map->arena, pairs->count + 1, const struct map_pair *);
	for (size_t i = 0; i < pairs->count; i++)
		sorted[i] = &pairs->items[i];
	if (pairs->count)
		qsort(sorted, pairs->count, sizeof(*sorted), compare_pairs);
	for (size_t i = 1; i < pairs->count; i++) {
		struct yaml_value at = { .line = sorted[i]->line, .column = sorted[i]->column };
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			return FAIL(loader, &at, "%s is in %s twice", sorted[i]->key, what);
	}
	return true;
}

static bool read_pairs(struct loader *loader, const struct yaml_value *map, const char *what, read_fn *read_key,
		       read_fn *read_text, struct map_pairs *pairs_out)
{
	struct map_pairs pairs = { 0 };
	if (!yaml_expect(loader->doc, map, YAML_MAP, what, loader->error))
		return false;
	if (read_key == read_column_name && map->count > MAP_MAX_COLUMNS)
		return FAIL(loader, map, "%s has more than %d columns", what, MAP_MAX_COLUMNS);
	pairs.items = ARENA_ARRAY(&loader->map->arena, map->count, struct map_pair);
	for (size_t i = 0; i < map->count; i++) {
		struct map_pair *pair = &pairs.items[pairs.count++];
		pair->line = map->keys[i].line;
		pair->column = map->keys[i].column;
		if (!read_key(loader, &map->keys[i], &pair->key) || !read_text(loader, &map->items[i], &pair->value))
			return false;
	}
	if (!check_distinct(loader, &pairs, what))
		return false;
	*pairs_out = pairs;
	return true;
}

static bool read_column_list(struct loader *loader, const struct yaml_value *list, const char *what,
			     struct name_list *names_out)
{
	struct map_pairs pairs = { 0 }; /* for the check and its positions */
	if (!yaml_expect(loader->doc, list, YAML_LIST, what, loader->error))
		return false;
	if (list->count > MAP_MAX_COLUMNS)
		return FAIL(loader, list, "%s has more than %d columns", what, MAP_MAX_COLUMNS);
	struct name_list names = { ARENA_ARRAY(&loader->map->arena, list->count + 1, const char *), list->count };
	pairs.items = ARENA_ARRAY(&loader->map->arena, list->count + 1, struct map_pair);
	for (size_t i = 0; i < list->count; i++) {
		if (!read_column_name(loader, &list->items[i], &names.names[i]))
			return false;
		pairs.items[pairs.count++] = (struct map_pair){ .key = names.names[i],
								.line = list->items[i].line,
								.column = list->items[i].column };
	}
	if (!check_distinct(loader, &pairs, what))
		return false;
	*names_out = names;
	return true;
}

/* ---- one entry ---- */

static const char *const entry_keys[] = { "to",	  "columns", "deprecated", "shape", "new_shape",
					  "read", "write",   "lossy",	   "reason" };

static bool read_pairs_of(struct loader *loader, const struct yaml_value *body, struct map_entry *entry)
{
	const struct {
		const char *key;
		read_fn *read;
		struct map_pairs *pairs;
	} parts[] = {
		{ "columns", read_column_name, &entry->columns },
		{ "shape", read_plain_text, &entry->shape },
		{ "new_shape", read_plain_text, &entry->new_shape },
		{ "read", read_plain_text, &entry->read },
		{ "write", read_plain_text, &entry->write },
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char what[32];
		const struct yaml_value *value = yaml_get(body, parts[i].key);
		snprintf(what, sizeof(what), "`%s`", parts[i].key);
		if (value && !yaml_is_null(value) &&
		    !read_pairs(loader, value, what, read_column_name, parts[i].read, parts[i].pairs))
			return false;
	}
	return true;
}

static bool read_lists_of(struct loader *loader, const struct yaml_value *body, struct map_entry *entry)
{
	const struct yaml_value *deprecated = yaml_get(body, "deprecated"), *lossy = yaml_get(body, "lossy");
	if (deprecated && !yaml_is_null(deprecated) &&
	    !read_column_list(loader, deprecated, "`deprecated`", &entry->deprecated))
		return false;
	return !lossy || yaml_is_null(lossy) || read_column_list(loader, lossy, "`lossy`", &entry->lossy);
}

static bool read_new_name(struct loader *loader, const struct yaml_value *value, struct map_entry *entry)
{
	struct sql_name name;
	if (!yaml_expect(loader->doc, value, YAML_TEXT, "the new name", loader->error) ||
	    !read_table_name(loader, value, &name))
		return false;
	if (name.star != entry->wildcard) {
		FAIL(loader, value, entry->wildcard ? "the new name of a pattern must be a pattern too"
						    : "the new name of one table must not be a pattern");
		error_hint(loader->error, "Write schema.* on both sides, or a table on both.");
		return false;
	}
	entry->new_name = name.name;
	return true;
}

/* Where the first detail stands that makes no sense for this kind; NULL: none. */
static const struct yaml_value *find_detail(const struct yaml_value *body, const char *const *keys, size_t count)
{
	for (size_t i = 0; body->kind == YAML_MAP && i < body->count; i++) {
		for (size_t j = 0; j < count; j++) {
			if (strcmp(body->keys[i].text, keys[j]) == 0 && !yaml_is_null(&body->items[i]))
				return &body->keys[i];
		}
	}
	return NULL;
}

static const char *const table_details[] = { "columns", "shape", "new_shape", "read", "write", "lossy",
					     "deprecated" };

static bool check_details(struct loader *loader, const struct yaml_value *body, const struct map_entry *entry)
{
	const struct yaml_value *detail;
	bool same_name = rel_name_eq(entry->old_name, entry->new_name);
	if (entry->wildcard && (detail = find_detail(body, table_details, 7)))
		return FAIL(loader, detail, "`%s` needs an entry of its own for each table, not a pattern",
			    detail->text);
	if (!entry->new_name.name && (detail = find_detail(body, table_details, 6)))
		return FAIL(loader, detail, "`%s` makes no sense for a table without a new side", detail->text);
	if (same_name && (detail = find_detail(body, table_details, 6))) {
		FAIL(loader, detail, "`%s` needs a new name that differs from the old one", detail->text);
		error_hint(loader->error, "When both names are equal, nothing tells old code from new code.");
		return false;
	}
	return true;
}

static enum map_kind kind_of(const struct map_entry *entry)
{
	if (!entry->new_name.name)
		return MAP_DROPPED;
	if (rel_name_eq(entry->old_name, entry->new_name))
		return MAP_IDENTITY;
	if (entry->shape.count || entry->new_shape.count || entry->read.count || entry->write.count)
		return MAP_TRANSFORM;
	return MAP_MOVE;
}

static bool read_body(struct loader *loader, const struct yaml_value *key, const struct yaml_value *body,
		      struct map_entry *entry)
{
	if (!yaml_check_keys(loader->doc, body, entry_keys, sizeof(entry_keys) / sizeof(entry_keys[0]),
			     "an entry of `tables`", loader->error))
		return false;
	const struct yaml_value *to = yaml_get(body, "to"), *reason = yaml_get(body, "reason");
	if (!to) {
		FAIL(loader, key, "%s has no `to`", key->text);
		error_hint(loader->error, "Write `to: schema.table`, or `to: null` for a table that is not taken along.");
		return false;
	}
	if (!yaml_is_null(to) && !read_new_name(loader, to, entry))
		return false;
	if (reason && !yaml_is_null(reason) && !read_plain_text(loader, reason, &entry->reason))
		return false;
	return read_pairs_of(loader, body, entry) && read_lists_of(loader, body, entry);
}

static bool read_entry(struct loader *loader, const struct yaml_value *key, const struct yaml_value *value,
		       struct map_entry *entry)
{
	struct sql_name name;
	if (!read_table_name(loader, key, &name))
		return false;
	entry->old_name = name.name;
	entry->wildcard = name.star;
	entry->group = -1;
	entry->line = key->line;
	entry->column = key->column;
	if (yaml_is_null(value)) {
		FAIL(loader, key, "%s has no new name", key->text);
		error_hint(loader->error, "Write `{to: null, reason: …}` for a table that is not taken along.");
		return false;
	}
	if (value->kind == YAML_LIST)
		return FAIL(loader, value, "%s must be a new name or a mapping with `to`, but is a list", key->text);
	bool ok = value->kind == YAML_TEXT ? read_new_name(loader, value, entry)
					   : read_body(loader, key, value, entry);
	entry->kind = kind_of(entry);
	return ok && check_details(loader, value, entry);
}

static bool read_tables(struct loader *loader, const struct yaml_value *root)
{
	struct map *map = loader->map;
	const struct yaml_value *tables = yaml_get(root, "tables");
	if (!tables || yaml_is_null(tables)) {
		FAIL(loader, tables ? tables : root, "`tables` is missing");
		error_hint(loader->error, "Write `tables: {}` for a map without tables.");
		return false;
	}
	if (!yaml_expect(loader->doc, tables, YAML_MAP, "`tables`", loader->error))
		return false;
	map->entries = ARENA_ARRAY(&map->arena, tables->count, struct map_entry);
	for (size_t i = 0; i < tables->count; i++) {
		map->entries[i].id = (uint32_t)i;
		if (!read_entry(loader, &tables->keys[i], &tables->items[i], &map->entries[i]))
			return false;
		map->entry_count++;
	}
	return true;
}

/* ---- groups ---- */

static int compare_old_names(const void *a, const void *b)
{
	const struct map_entry *x = *(const struct map_entry *const *)a, *y = *(const struct map_entry *const *)b;
	int order = strcmp(x->old_name.schema, y->old_name.schema);
	return order ? order : strcmp(x->old_name.name, y->old_name.name);
}

static struct map_entry **entries_by_old_name(struct map *map)
{
	struct map_entry **sorted = ARENA_ARRAY(&map->arena, map->entry_count + 1, struct map_entry *);
	for (size_t i = 0; i < map->entry_count; i++)
		sorted[i] = &map->entries[i];
	if (map->entry_count)
		qsort(sorted, map->entry_count, sizeof(*sorted), compare_old_names);
	return sorted;
}

static bool unknown_member(struct loader *loader, const struct yaml_value *member)
{
	const struct map *map = loader->map;
	const char **names = ARENA_ARRAY(&loader->map->arena, map->entry_count + 1, const char *);
	for (size_t i = 0; i < map->entry_count; i++)
		names[i] = arena_printf(&loader->map->arena, "%s.%s", map->entries[i].old_name.schema,
					map->entries[i].old_name.name);
	const char *near = suggest_word(member->text, names, map->entry_count);
	FAIL(loader, member, "`tables` has no entry %s", member->text);
	if (near)
		error_hint(loader->error, "Did you mean %s?", near);
	else
		error_hint(loader->error, "Members are old names; give a table that only a pattern covers an "
					  "entry of its own.");
	return false;
}

static bool find_member(struct loader *loader, struct map_entry **sorted, const struct yaml_value *member,
			struct map_entry **entry_out)
{
	struct sql_name name;
	if (!yaml_expect(loader->doc, member, YAML_TEXT, "a group's member", loader->error) ||
	    !read_table_name(loader, member, &name))
		return false;
	struct map_entry wanted = { .old_name = name.name }, *key = &wanted;
	struct map_entry **found = loader->map->entry_count
					   ? bsearch(&key, sorted, loader->map->entry_count, sizeof(*sorted),
						     compare_old_names)
					   : NULL;
	if (!found)
		return unknown_member(loader, member);
	*entry_out = *found;
	return true;
}

static bool read_group(struct loader *loader, struct map_entry **sorted, const struct yaml_value *members,
		       struct map_group *group)
{
	struct map *map = loader->map;
	int32_t id = (int32_t)(group - map->groups);
	if (!yaml_expect(loader->doc, members, YAML_LIST, "a group", loader->error))
		return false;
	group->entries = ARENA_ARRAY(&map->arena, members->count, uint32_t);
	for (size_t i = 0; i < members->count; i++) {
		struct map_entry *entry;
		if (!find_member(loader, sorted, &members->items[i], &entry))
			return false;
		if (entry->group == id)
			return FAIL(loader, &members->items[i], "%s is in the group twice", members->items[i].text);
		if (entry->group >= 0)
			return FAIL(loader, &members->items[i], "%s is in group %s already", members->items[i].text,
				    map->groups[entry->group].name);
		entry->group = id;
		group->entries[group->count++] = entry->id;
	}
	return true;
}

static bool read_groups(struct loader *loader, const struct yaml_value *root)
{
	struct map *map = loader->map;
	const struct yaml_value *groups = yaml_get(root, "groups");
	if (!groups || yaml_is_null(groups))
		return true;
	if (!yaml_expect(loader->doc, groups, YAML_MAP, "`groups`", loader->error))
		return false;
	struct map_entry **sorted = entries_by_old_name(map);
	map->groups = ARENA_ARRAY(&map->arena, groups->count, struct map_group);
	for (size_t i = 0; i < groups->count; i++) {
		struct map_group *group = &map->groups[map->group_count++];
		if (!groups->keys[i].text[0])
			return FAIL(loader, &groups->keys[i], "a group's name must not be empty");
		group->name = keep(loader, groups->keys[i].text);
		if (!read_group(loader, sorted, &groups->items[i], group))
			return false;
	}
	return true;
}

/* ---- the rest ---- */

static bool read_derived_name(struct loader *loader, const struct yaml_value *value, const char **text_out)
{
	struct sql_name name;
	struct buf text;
	if (!yaml_expect(loader->doc, value, YAML_TEXT, "a table of `derived`", loader->error) ||
	    !read_table_name(loader, value, &name))
		return false;
	if (name.star)
		return FAIL(loader, value, "`derived` takes tables, not patterns");
	buf_init(&text);
	rel_name_append(&text, name.name);
	*text_out = keep(loader, buf_cstr(&text));
	buf_deinit(&text);
	return true;
}

/* Null: it comes from nothing, new code fills it. */
static bool read_derived_from(struct loader *loader, const struct yaml_value *value, const char **text_out)
{
	return yaml_is_null(value) || read_derived_name(loader, value, text_out);
}

static bool read_derived(struct loader *loader, const struct yaml_value *root)
{
	const struct yaml_value *derived = yaml_get(root, "derived");
	struct map_pairs *pairs = &loader->map->derived;
	if (!derived || yaml_is_null(derived))
		return true;
	if (!read_pairs(loader, derived, "`derived`", read_derived_name, read_derived_from, pairs))
		return false;
	for (size_t i = 0; i < pairs->count; i++) {
		if (pairs->items[i].value && strcmp(pairs->items[i].key, pairs->items[i].value) == 0)
			return FAIL(loader, &derived->items[i], "%s cannot be derived from itself", pairs->items[i].key);
	}
	return true;
}

static bool read_label(struct loader *loader, const struct yaml_value *root, const char *key,
		       const char **label_out)
{
	const struct yaml_value *value = yaml_get(root, key);
	return !value || yaml_is_null(value) || read_plain_text(loader, value, label_out);
}

static bool read_root(struct loader *loader)
{
	static const char *const keys[] = { "old", "new", "tables", "groups", "derived" };
	const struct yaml_value *root = &loader->doc->root;
	return yaml_expect(loader->doc, root, YAML_MAP, "a map", loader->error) &&
	       yaml_check_keys(loader->doc, root, keys, 5, "a map", loader->error) &&
	       read_label(loader, root, "old", &loader->map->old_label) &&
	       read_label(loader, root, "new", &loader->map->new_label) && read_tables(loader, root) &&
	       read_groups(loader, root) && read_derived(loader, root) && map_check(loader->map, loader->error);
}

static bool finish(struct yaml_doc *doc, struct map **map_out, struct error *error_out)
{
	struct loader loader = { .doc = doc, .map = map_new(), .error = error_out };
	loader.map->file = keep(&loader, doc->file);
	bool ok = read_root(&loader);
	yaml_doc_deinit(doc);
	if (ok)
		*map_out = loader.map;
	else
		map_unref(loader.map);
	return ok;
}

bool map_file_parse(struct slice text, const char *file, struct map **map_out, struct error *error_out)
{
	struct yaml_doc doc;
	return yaml_load_text(text, file, &doc, error_out) && finish(&doc, map_out, error_out);
}

bool map_file_load(const char *path, struct map **map_out, struct error *error_out)
{
	struct yaml_doc doc;
	return yaml_load_file(path, &doc, error_out) && finish(&doc, map_out, error_out);
}
