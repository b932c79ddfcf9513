/*
 * A fence keeps a table of which the rows are on the other side of the map from
 * being written: a trigger before each statement that would, in the same
 * transaction as the stage that makes it stale. It stops those whom no pause
 * can reach: a proxy that was frozen or cut off while others changed the
 * stage, and clients that come past all proxies. What keeps both tables alike
 * may write all the same: triggers, replication, and whoever says so by
 * SET crossfade.fence = off. docs/decisions/fences.md says why it is so.
 */
#ifndef CROSSFADE_FLEET_FENCE_H
#define CROSSFADE_FLEET_FENCE_H

#include "base/buf.h"
#include "catalog/connection.h"
#include "model/name.h"

/* The trigger's function; it is made where it is missing. Needs PL/pgSQL. */
void fence_append_function(struct buf *sql);
/* rows_in: the table that has the rows. */
void fence_append_set(struct catalog_connection *connection, struct buf *sql, struct rel_name table,
		      struct rel_name rows_in);
void fence_append_drop(struct buf *sql, struct rel_name table);

#endif
