/*
 * What a cutover has made of the relations it moved, read within its own
 * transaction: those, what was made in their place, and what mentions them in
 * its columns (their row types, their sequences in defaults).
 */
#ifndef CROSSFADE_CATALOG_CHANGES_H
#define CROSSFADE_CATALOG_CHANGES_H

#include "catalog/connection.h"
#include "model/facts_change.h"

struct changed_relations {
	const uint32_t *oids; /* that were there before */
	size_t oid_count;
	const struct rel_name *names; /* that may have been made */
	size_t name_count;
	const char *const *schemas; /* on which privileges may have been granted */
	size_t schema_count;
};

enum { CHANGES_RESULTS = 4 };

/* Appends as many statements; search_path is pg_catalog. */
void changes_append(struct catalog_connection *connection, const struct changed_relations *relations, struct buf *sql);
/* Their results as facts for facts_change.fresh. */
struct facts *changes_take(struct pg_result *const results[CHANGES_RESULTS]);

#endif
