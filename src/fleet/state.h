/*
 * The schema `crossfade` of a database: what a cutover writes in the same
 * transaction as its DDL, so that neither is there without the other, and
 * what the proxies of one database tell each other.
 *
 *   about             the version of this schema, and the oldest crossfade that can use it
 *   stages            one row per map entry that was ever changed
 *   journal           every change: who, when, from, to, why, and how it ended
 *   pauses            one row per pause of tables; it ends when its row says so. That of a cutover names what has
 *                     to be read again then: relations (watched), names that may be new (made), schemas
 *   proxies           one row per running proxy, with its lease and the server's processes of its sessions
 *   acknowledgements  which proxy has taken up which pause, and whether nothing of it is under way any more
 *   calls             a cutover asks who is there, before anybody is held up …
 *   answers           … and each proxy says that it is, or why it cannot take part
 *
 * Versions only add columns with defaults, and tables: a crossfade of the
 * version before works with all of it.
 */
#ifndef CROSSFADE_FLEET_STATE_H
#define CROSSFADE_FLEET_STATE_H

#include "base/error.h"
#include "catalog/connection.h"
#include "model/stage.h"

enum { STATE_VERSION = 3, STATE_ID_BYTES = 37 };

/* The advisory lock that whoever moves tables holds meanwhile: "cxfd", and its database by the lock's own scope. */
#define STATE_MOVER_LOCK "1668834916"

/* A random UUID, as text. */
void state_make_id(char id_out[STATE_ID_BYTES]);

/* Whether the role may make the schema, or write to it. Changes nothing. */
bool state_check(struct catalog_connection *connection, uint32_t timeout_ms, struct error *error_out);
/* Makes the schema where it is missing; fails when a newer crossfade has left one that this cannot use. */
bool state_ensure(struct catalog_connection *connection, uint32_t timeout_ms, struct error *error_out);

struct state_stage {
	const char *table; /* the entry's key */
	enum stage from, to;
};

struct state_change {
	const char *id;	    /* state_make_id */
	const char *kind;   /* "cutover", "reverse", "flag", "rewrite" */
	const struct state_stage *stages;
	size_t stage_count;
	const char *who, *reason; /* NULL: none given */
	const char *outcome;	  /* "done", or why it was not */
	const char *detail;	  /* NULL: none */
	bool forced;		  /* against the rules of stages */
};

/* Statements that write a change's journal row; those that also set the stages, when it is done. */
void state_append_journal(struct catalog_connection *connection, struct buf *sql, const struct state_change *change);
void state_append_stages(struct catalog_connection *connection, struct buf *sql, const struct state_change *change);
/*
 * Writes a change of stages in a transaction of its own, and tells all
 * proxies. Fails with 40001 when a stage is no longer what it should be before.
 */
bool state_store(struct catalog_connection *connection, const struct state_change *change, uint32_t timeout_ms,
		 struct error *error_out);
/* The stages as the text of a flags file; where the schema is not there yet, none. */
bool state_read_stages(struct catalog_connection *connection, uint32_t timeout_ms, struct buf *out,
		       struct error *error_out);
/* Whether that change was committed. */
bool state_has_journal(struct catalog_connection *connection, const char *id, uint32_t timeout_ms, bool *found_out,
		       struct error *error_out);

#endif
