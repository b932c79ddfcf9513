#include "config/map_live.h"

#include "model/type_name.h"

#include <stdarg.h>
#include <string.h>

struct live {
	const struct map *map;
	const struct facts *facts;
	map_live_fn *report;
	void *context;
	size_t problems;
};

static void report(struct live *live, uint32_t line, uint32_t column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void report(struct live *live, uint32_t line, uint32_t column, const char *format, ...)
{
	struct error problem;
	char message[sizeof(problem.message)];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	error_set(&problem, SQLSTATE_CONFIG_FILE_ERROR, "%s", message);
	error_at(&problem, live->map->file ? live->map->file : "", line, column);
	live->report(live->context, &problem);
	live->problems++;
}

/* Whether its columns are known; a sequence has none. */
static const struct fact_relation *find(const struct live *live, struct rel_name name)
{
	const struct fact_relation *relation = name.name ? facts_find(live->facts, name.schema, name.name) : NULL;
	return relation && relation->column_count ? relation : NULL;
}

static const struct fact_column *find_column(const struct fact_relation *relation, const char *name)
{
	for (size_t i = 0; i < relation->column_count; i++) {
		if (strcmp(relation->columns[i].name, name) == 0)
			return &relation->columns[i];
	}
	return NULL;
}

static bool has_column(struct live *live, const struct fact_relation *relation, const char *name, const char *where,
		       uint32_t line, uint32_t column)
{
	if (!relation || find_column(relation, name))
		return true;
	report(live, line, column, "table %s.%s has no column %s, which is in `%s`", relation->name.schema,
	       relation->name.name, name, where);
	return false;
}

static void check_keys(struct live *live, const struct fact_relation *relation, const struct map_pairs *pairs,
		       const char *where)
{
	for (size_t i = 0; i < pairs->count; i++)
		has_column(live, relation, pairs->items[i].key, where, pairs->items[i].line, pairs->items[i].column);
}

static void check_list(struct live *live, const struct map_entry *entry, const struct fact_relation *relation,
		       const struct name_list *names, const char *where)
{
	for (size_t i = 0; i < names->count; i++)
		has_column(live, relation, names->names[i], where, entry->line, entry->column);
}

/* lossy: columns of the new side, as a rule; of the old one for what is written back. */
static void check_lossy(struct live *live, const struct map_entry *entry, const struct fact_relation *old_table,
			const struct fact_relation *new_table)
{
	for (size_t i = 0; i < entry->lossy.count; i++) {
		const char *name = entry->lossy.names[i];
		if (old_table && new_table && !find_column(old_table, name))
			has_column(live, new_table, name, "lossy", entry->line, entry->column);
	}
}

static void check_types(struct live *live, const struct fact_relation *relation, const struct map_pairs *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct map_pair *pair = &shape->items[i];
		const struct fact_column *column = find_column(relation, pair->key);
		if (column && column->type && !type_name_same(column->type, pair->value))
			report(live, pair->line, pair->column, "column %s of %s.%s is %s, not %s", pair->key,
			       relation->name.schema, relation->name.name, column->type, pair->value);
	}
}

static bool lists(const struct map_pairs *shape, const char *name)
{
	for (size_t i = 0; i < shape->count; i++) {
		if (strcmp(shape->items[i].key, name) == 0)
			return true;
	}
	return false;
}

static void check_shape(struct live *live, const struct map_entry *entry, const struct fact_relation *relation,
			const struct map_pairs *shape, const char *where)
{
	if (!relation || shape->count == 0)
		return;
	check_keys(live, relation, shape, where);
	check_types(live, relation, shape);
	for (size_t i = 0; i < relation->column_count; i++) {
		if (!lists(shape, relation->columns[i].name))
			report(live, entry->line, entry->column, "column %s of %s.%s is missing in `%s`",
			       relation->columns[i].name, relation->name.schema, relation->name.name, where);
	}
}

static void check_entry(struct live *live, const struct map_entry *entry)
{
	const struct fact_relation *old_table = find(live, entry->old_name), *new_table = find(live, entry->new_name);
	if (!old_table && !new_table && entry->kind != MAP_DROPPED) {
		report(live, entry->line, entry->column, "there is neither a table %s.%s nor %s.%s in the database",
		       entry->old_name.schema, entry->old_name.name, entry->new_name.schema, entry->new_name.name);
		return;
	}
	check_keys(live, old_table, &entry->columns, "columns");
	for (size_t i = 0; i < entry->columns.count; i++)
		has_column(live, new_table, entry->columns.items[i].value, "columns", entry->columns.items[i].line,
			   entry->columns.items[i].column);
	check_shape(live, entry, old_table, &entry->shape, "shape");
	check_shape(live, entry, new_table, &entry->new_shape, "new_shape");
	check_keys(live, old_table, &entry->read, "read");
	check_keys(live, new_table, &entry->write, "write");
	check_list(live, entry, old_table, &entry->deprecated, "deprecated");
	check_lossy(live, entry, old_table, new_table);
}

size_t map_live_check(const struct map *map, const struct facts *facts, map_live_fn *report_fn, void *context)
{
	struct live live = { map, facts, report_fn, context, 0 };
	for (size_t i = 0; i < map->entry_count; i++) {
		if (!map->entries[i].wildcard)
			check_entry(&live, &map->entries[i]);
	}
	return live.problems;
}
