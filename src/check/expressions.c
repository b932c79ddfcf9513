#include "check/expressions.h"

#include <string.h>

struct asking {
	struct catalog_connection *connection;
	const struct ruleset_entry *entry;
	struct findings *findings;
	uint32_t timeout_ms;
};

static const struct map_pairs *shape_of(const struct asking *asking, enum side side)
{
	return side == SIDE_OLD ? &asking->entry->map->shape : &asking->entry->map->new_shape;
}

static const char *type_of(const struct asking *asking, enum side side, const char *column)
{
	const struct fact_relation *relation = asking->entry->relation[side];
	const struct map_pairs *shape = shape_of(asking, side);
	for (size_t i = 0; relation && i < relation->column_count; i++) {
		if (strcmp(relation->columns[i].name, column) == 0)
			return relation->columns[i].type;
	}
	for (size_t i = 0; i < shape->count; i++) {
		if (strcmp(shape->items[i].key, column) == 0)
			return shape->items[i].value;
	}
	return NULL;
}

static void append_column(struct buf *sql, bool first, const char *name, const char *type)
{
	buf_printf(sql, "%sCAST(NULL AS %s) AS ", first ? "" : ", ", type);
	name_append_quoted(sql, name);
}

/* A row of the table without the table; false: its columns are not known. */
static bool append_row(const struct asking *asking, enum side side, struct buf *sql)
{
	const struct fact_relation *relation = asking->entry->relation[side];
	const struct map_pairs *shape = shape_of(asking, side);
	size_t count = relation ? relation->column_count : shape->count;
	buf_append_str(sql, "SELECT ");
	for (size_t i = 0; i < count; i++) {
		const char *name = relation ? relation->columns[i].name : shape->items[i].key;
		const char *type = relation ? relation->columns[i].type : shape->items[i].value;
		if (!type)
			return false;
		append_column(sql, i == 0, name, type);
	}
	return count > 0;
}

/* The parameter keeps it to one statement, and to no row. */
static bool ask(const struct asking *asking, struct buf *sql, const char *what, const struct map_pair *pair,
		struct error *error_out)
{
	struct error error;
	buf_append_str(sql, " WHERE $1::text IS NULL");
	if (catalog_try(asking->connection, buf_cstr(sql), "", asking->timeout_ms, &error))
		return true;
	if (!catalog_connection_is_alive(asking->connection)) {
		*error_out = error;
		return false;
	}
	/* What has no schema may be found by the search_path of others. */
	bool unsure = strcmp(error.sqlstate, "42883") == 0 || strcmp(error.sqlstate, "42704") == 0;
	struct finding *finding = findings_add(asking->findings, unsure ? FINDING_WARNING : FINDING_ERROR,
					       asking->entry->key, "expression", pair->key, "%s %s cannot be used: %s",
					       what, pair->key, error.message);
	finding->line = pair->line;
	finding->column = pair->column;
	finding_hint(asking->findings, finding, "Statements that need it would fail. Try it in psql: %s", pair->value);
	return true;
}

static bool ask_expressions(const struct asking *asking, const struct map_pairs *pairs, enum side from,
			    const char *what, struct error *error_out)
{
	bool ok = true;
	for (size_t i = 0; i < pairs->count && ok; i++) {
		const struct map_pair *pair = &pairs->items[i];
		const char *type = type_of(asking, side_other(from), pair->key);
		struct buf sql;
		buf_init(&sql);
		buf_printf(&sql, type ? "SELECT CAST((%s) AS %s) FROM (" : "SELECT (%s) FROM (", pair->value, type);
		if (append_row(asking, from, &sql)) {
			buf_append_str(&sql, ") AS crossfade_1");
			ok = ask(asking, &sql, what, pair, error_out);
		}
		buf_deinit(&sql);
	}
	return ok;
}

static bool ask_types(const struct asking *asking, const struct map_pairs *shape, struct error *error_out)
{
	bool ok = true;
	for (size_t i = 0; i < shape->count && ok; i++) {
		struct buf sql;
		buf_init(&sql);
		buf_append_str(&sql, "SELECT ");
		append_column(&sql, true, shape->items[i].key, shape->items[i].value);
		ok = ask(asking, &sql, "the type of", &shape->items[i], error_out);
		buf_deinit(&sql);
	}
	return ok;
}

static bool ask_entry(struct asking *asking, struct error *error_out)
{
	const struct map_entry *map = asking->entry->map;
	size_t before = asking->findings->count;
	if (!ask_types(asking, &map->shape, error_out) || !ask_types(asking, &map->new_shape, error_out))
		return false;
	/* A type that is none would be said again by every expression. */
	return asking->findings->count > before ||
	       (ask_expressions(asking, &map->read, SIDE_NEW, "read of", error_out) &&
		ask_expressions(asking, &map->write, SIDE_OLD, "write of", error_out));
}

bool expressions_check(struct catalog_connection *connection, const struct ruleset *ruleset, uint32_t timeout_ms,
		       struct findings *findings, struct error *error_out)
{
	struct asking asking = { .connection = connection, .findings = findings, .timeout_ms = timeout_ms };
	for (size_t i = 0; i < ruleset->entry_count; i++) {
		asking.entry = &ruleset->entries[i];
		if (!ask_entry(&asking, error_out))
			return false;
	}
	return true;
}
