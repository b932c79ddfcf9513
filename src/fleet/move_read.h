/*
 * What the catalog says of one table that is to be moved, with its
 * partitions: everything that the statements of the move, the checks before
 * it and the drain need.
 */
#ifndef CROSSFADE_FLEET_MOVE_READ_H
#define CROSSFADE_FLEET_MOVE_READ_H

#include "base/arena.h"
#include "base/error.h"
#include "catalog/connection.h"
#include "model/name.h"

struct move_grant {
	const char *grantee; /* ready for SQL; PUBLIC too */
	const char *privilege;
	const char *column; /* NULL: the whole table */
	bool grantable;
};

/* The table itself, or a partition in the same schema, which a move takes along. */
struct move_relation {
	uint32_t oid;
	struct rel_name from, to;
	char kind; /* pg_class.relkind */
	const char *owner; /* ready for SQL */
	bool may_alter;	   /* our role is a member of the owner */
	bool owner_may_create; /* … which may make the view in the table's schema */
	bool row_security;
	const char **columns;
	size_t column_count;
	struct move_grant *grants;
	size_t grant_count;
	/* What bears the name that the table is to get, or, on the way back, left behind. */
	uint32_t there_oid; /* 0: nothing */
	char there_kind;
	bool there_is_ours; /* a view that a cutover made of this table */
};

struct move_table {
	struct move_relation *relations; /* the table first */
	size_t relation_count;
	struct rel_name *statistics; /* extended statistics in the table's schema */
	size_t statistics_count;
	const char *foreign_statistics; /* one of them that we may not alter; NULL: none */
	const char **without_usage; /* roles that may use the table and not its next schema; ready for SQL */
	size_t without_usage_count;
	const char **clashes; /* names of its indexes, sequences and types that the next schema has already */
	size_t clash_count;
	uint32_t *watched; /* all whose locks count: tables, sequences, indexes, what stands under the next name */
	size_t watched_count;
	bool schema_exists, may_create_there, may_create_here, may_grant_usage;
};

/* table_out lives in the arena. False only when the catalog cannot be read; a table that does not
 * exist has no relations. search_path is pg_catalog. */
bool move_read(struct catalog_connection *connection, struct arena *arena, struct rel_name from, struct rel_name to,
	       uint32_t timeout_ms, struct move_table *table_out, struct error *error_out);

#endif
