/* What pg_stat_statements of the database we are connected to holds. */
#ifndef CROSSFADE_CATALOG_STATEMENTS_H
#define CROSSFADE_CATALOG_STATEMENTS_H

#include "catalog/connection.h"

struct catalog_statement {
	const char *sql, *user, *database;
	uint64_t calls, rows;
};
typedef void catalog_statement_fn(void *context, const struct catalog_statement *statement);

/* hidden_out: statements of other roles whose text we may not see. */
bool catalog_statements(struct catalog_connection *connection, uint32_t timeout_ms, catalog_statement_fn *each,
			void *context, uint64_t *hidden_out, struct error *error_out);

#endif
