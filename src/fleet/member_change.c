#include "fleet/member_parts.h"

#include "base/memory.h"
#include "catalog/changes.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { RESULTS = CHANGES_RESULTS + 2 /* BEGIN and COMMIT */ };

struct member_change {
	struct arena arena;
	struct changed_relations relations;
};

static void take_oids(struct member_change *change, const PGresult *rows)
{
	uint32_t *oids = ARENA_ARRAY(&change->arena, (size_t)PQntuples(rows) + 1, uint32_t);
	for (int row = 0; row < PQntuples(rows); row++)
		oids[row] = (uint32_t)strtoul(PQgetvalue(rows, row, 0), NULL, 10);
	change->relations.oids = oids;
	change->relations.oid_count = (size_t)PQntuples(rows);
}

static void take_names(struct member_change *change, const PGresult *rows)
{
	size_t count = (size_t)PQntuples(rows) / 2;
	struct rel_name *names = ARENA_ARRAY(&change->arena, count + 1, struct rel_name);
	for (size_t i = 0; i < count; i++) {
		names[i].schema = arena_strdup(&change->arena, PQgetvalue(rows, (int)(2 * i), 0));
		names[i].name = arena_strdup(&change->arena, PQgetvalue(rows, (int)(2 * i + 1), 0));
	}
	change->relations.names = names;
	change->relations.name_count = count;
}

static void take_schemas(struct member_change *change, const PGresult *rows)
{
	const char **schemas = ARENA_ARRAY(&change->arena, (size_t)PQntuples(rows) + 1, const char *);
	for (int row = 0; row < PQntuples(rows); row++)
		schemas[row] = arena_strdup(&change->arena, PQgetvalue(rows, row, 0));
	change->relations.schemas = schemas;
	change->relations.schema_count = (size_t)PQntuples(rows);
}

static void append_list(struct member *member, struct buf *sql, const char *column, const char *pause)
{
	buf_printf(sql, "SELECT e FROM crossfade.pauses p, unnest(p.%s) WITH ORDINALITY u(e, n) WHERE p.id = ", column);
	member_append_text(member, sql, pause);
	buf_append_str(sql, " ORDER BY n;");
}

struct member_change *member_change_read(struct member *member, const char *pause)
{
	PGresult *results[3];
	struct error ignored;
	struct buf sql;
	buf_init(&sql);
	append_list(member, &sql, "watched", pause);
	append_list(member, &sql, "made", pause);
	append_list(member, &sql, "schemas", pause);
	bool ok = catalog_query(member_shared(member), buf_cstr(&sql), MEMBER_QUERY_MS, results, 3, &ignored);
	buf_deinit(&sql);
	if (!ok)
		return NULL;
	struct member_change *change = memory_zalloc(sizeof(*change));
	arena_init(&change->arena);
	take_oids(change, results[0]);
	take_names(change, results[1]);
	take_schemas(change, results[2]);
	for (size_t i = 0; i < 3; i++)
		PQclear(results[i]);
	if (change->relations.oid_count && change->relations.name_count)
		return change;
	member_change_free(change);
	return NULL;
}

void member_change_free(struct member_change *change)
{
	if (!change)
		return;
	arena_deinit(&change->arena);
	free(change);
}

/* All of one moment. NULL: they could not be read. */
static struct facts *read_relations(struct member *member, const struct changed_relations *relations)
{
	PGresult *results[RESULTS];
	struct error ignored;
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;");
	changes_append(member->own, relations, &sql);
	buf_append_str(&sql, "COMMIT");
	bool ok = catalog_query(member->own, buf_cstr(&sql), MEMBER_QUERY_MS, results, RESULTS, &ignored);
	buf_deinit(&sql);
	if (!ok)
		return NULL;
	struct facts *fresh = changes_take(results + 1);
	for (size_t i = 0; i < RESULTS; i++)
		PQclear(results[i]);
	return fresh;
}

void member_change_warm_up(struct member *member)
{
	struct changed_relations none = { 0 };
	if (member->own)
		facts_unref(read_relations(member, &none));
}

bool member_change_apply(struct member *member, const struct member_change *change, const char *stages)
{
	const struct changed_relations *relations = &change->relations;
	struct facts *fresh = read_relations(member, relations);
	struct facts_change applied = { relations->oids, relations->oid_count, relations->schemas, relations->schema_count, fresh };
	bool ok = fresh && member->callbacks.change(member->callbacks.context, stages, &applied);
	facts_unref(fresh);
	return ok;
}
