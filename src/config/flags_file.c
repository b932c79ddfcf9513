/* flags.yaml: one mapping from old table names to stages. */
#include "config/flags_file.h"

#include "config/sql_name.h"
#include "config/suggest.h"
#include "config/yaml_tree.h"

#include <stdlib.h>

static bool parse_table(const struct yaml_doc *doc, const struct yaml_value *key, struct arena *arena,
			struct rel_name *table_out, struct error *error_out)
{
	struct sql_name name;
	const char *why;
	if (!sql_name_parse(arena, key->text, &name, &why))
		return yaml_fail(doc, key, error_out, "table name `%s` %s", key->text, why);
	if (!name.name.schema) {
		yaml_fail(doc, key, error_out, "table name `%s` has no schema", key->text);
		error_hint(error_out, "Write the old name with its schema, such as public.%s.", key->text);
		return false;
	}
	if (name.star)
		return yaml_fail(doc, key, error_out, "`%s` is a pattern; a flag belongs to one table", key->text);
	*table_out = name.name;
	return true;
}

static bool parse_stage(const struct yaml_doc *doc, const struct yaml_value *value, const char *table,
			enum stage *stage_out, struct error *error_out)
{
	const char *names[STAGE_COUNT];
	if (!yaml_expect(doc, value, YAML_TEXT, "a stage", error_out))
		return false;
	if (stage_parse(value->text, stage_out))
		return true;
	for (int i = 0; i < STAGE_COUNT; i++)
		names[i] = stage_name((enum stage)i);
	const char *near = suggest_word(value->text, names, STAGE_COUNT);
	yaml_fail(doc, value, error_out, "unknown stage `%s` for %s", value->text, table);
	if (near)
		error_hint(error_out, "Did you mean `%s`?", near);
	else
		error_hint(error_out, "Stages are old, dualwrite, shadow, live, rampdown and complete.");
	return false;
}

static int compare_flags(const void *a, const void *b)
{
	const struct flag *x = *(const struct flag *const *)a, *y = *(const struct flag *const *)b;
	int by_schema = strcmp(x->table.schema, y->table.schema);
	int by_name = by_schema ? by_schema : strcmp(x->table.name, y->table.name);
	return by_name ? by_name : (x > y) - (x < y);
}

/* Two spellings of one name: YAML's own check sees only equal texts. */
static bool check_distinct(const struct yaml_doc *doc, struct arena *arena, struct flags *flags,
			   struct error *error_out)
{
	struct flag **sorted = ARENA_ARRAY(arena, flags->count, struct flag *);
	if (!flags->count)
		return true;
	for (size_t i = 0; i < flags->count; i++)
		sorted[i] = &flags->items[i];
	qsort(sorted, flags->count, sizeof(*sorted), compare_flags);
	for (size_t i = 1; i < flags->count; i++) {
		if (!rel_name_eq(sorted[i - 1]->table, sorted[i]->table))
			continue;
		struct yaml_value at = { .line = sorted[i]->line, .column = sorted[i]->column };
		return yaml_fail(doc, &at, error_out, "%s.%s has two flags, the first in line %u",
				 sorted[i]->table.schema, sorted[i]->table.name, sorted[i - 1]->line);
	}
	return true;
}

static bool load_items(const struct yaml_doc *doc, const struct yaml_value *map, struct arena *arena,
		       struct flags *flags, struct error *error_out)
{
	flags->items = ARENA_ARRAY(arena, map->count, struct flag);
	for (size_t i = 0; i < map->count; i++) {
		struct flag *flag = &flags->items[i];
		flag->line = map->keys[i].line;
		flag->column = map->keys[i].column;
		if (!parse_table(doc, &map->keys[i], arena, &flag->table, error_out) ||
		    !parse_stage(doc, &map->items[i], map->keys[i].text, &flag->stage, error_out))
			return false;
		flags->count++;
	}
	return check_distinct(doc, arena, flags, error_out);
}

static bool load_doc(const struct yaml_doc *doc, struct arena *arena, struct flags *flags,
		     struct error *error_out)
{
	static const char *const keys[] = { "flags" };
	if (yaml_is_null(&doc->root))
		return true;
	if (!yaml_expect(doc, &doc->root, YAML_MAP, "a flags file", error_out) ||
	    !yaml_check_keys(doc, &doc->root, keys, 1, "a flags file", error_out))
		return false;
	const struct yaml_value *items = yaml_get(&doc->root, "flags");
	if (!items || yaml_is_null(items))
		return true;
	return yaml_expect(doc, items, YAML_MAP, "`flags`", error_out) &&
	       load_items(doc, items, arena, flags, error_out);
}

static bool finish(struct yaml_doc *doc, struct arena *arena, struct flags *flags_out, struct error *error_out)
{
	struct flags flags = { .file = arena_strdup(arena, doc->file) };
	bool ok = load_doc(doc, arena, &flags, error_out);
	if (ok)
		*flags_out = flags;
	yaml_doc_deinit(doc);
	return ok;
}

bool flags_file_parse(struct slice text, const char *file, struct arena *arena, struct flags *flags_out,
		      struct error *error_out)
{
	struct yaml_doc doc;
	return yaml_load_text(text, file, &doc, error_out) && finish(&doc, arena, flags_out, error_out);
}

bool flags_file_load(const char *path, struct arena *arena, struct flags *flags_out, struct error *error_out)
{
	struct yaml_doc doc;
	return yaml_load_file(path, &doc, error_out) && finish(&doc, arena, flags_out, error_out);
}
