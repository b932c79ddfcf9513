/*
 * The schema in which crossfade keeps stages, journal and ledger belongs to
 * the role of `admin`. The database's owner must be able to read it, or his
 * nightly pg_dump of the whole database would fail from the first cutover on.
 */
#ifndef CROSSFADE_CATALOG_OWN_SCHEMA_H
#define CROSSFADE_CATALOG_OWN_SCHEMA_H

#include "catalog/connection.h"

/* Whoever changes the schema takes this lock for a transaction: several proxies may start at once. */
#define OWN_SCHEMA_LOCK "SELECT pg_catalog.pg_advisory_xact_lock(1668834917);"

/* Lets the owner of the database read what the current role owns in the schema.
 * schema: as SQL spells it, quoted if need be. */
bool own_schema_grant(struct catalog_connection *connection, const char *schema, uint32_t timeout_ms,
		      struct error *error_out);

#endif
