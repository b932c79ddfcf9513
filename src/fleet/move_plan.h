/*
 * The plan of moving one table, or a group of them, to its other side: what
 * must hold, the exact statements in order, and whose locks they wait for.
 * Nothing here changes anything.
 */
#ifndef CROSSFADE_FLEET_MOVE_PLAN_H
#define CROSSFADE_FLEET_MOVE_PLAN_H

#include "catalog/changes.h"
#include "fleet/move_read.h"
#include "fleet/state.h"
#include "model/ruleset.h"

struct move_wish {
	const char *const *tables; /* keys of map entries */
	size_t table_count;
	const char *group; /* NULL: those tables */
	bool reverse;
	bool view;  /* leave a view under the old name */
	bool force; /* stage rules do not bind */
	bool flip;  /* nothing moves: the one table goes to stage `to`, at which its other side has the rows */
	enum stage to;
	bool shared; /* … and that stage is kept in the database, for many proxies */
};

struct move_statement {
	const char *sql;
	const char *locks; /* what it locks, for people */
};

struct move_plan {
	struct arena arena;
	bool reverse;
	bool flips;  /* see move_wish; … */
	bool fenced; /* … and the table that gets the rows has a fence now */
	struct move_statement *statements; /* the first ones lock */
	size_t statement_count, lock_count;
	uint32_t *watched; /* relations whose other users must be gone */
	size_t watched_count;
	struct changed_relations changed; /* what is to be read again afterwards */
	const char **keys; /* entries to pause; a partition that is an entry of its own is one of them */
	size_t key_count;
	struct state_stage *stages;
	size_t stage_count; /* 0: everything is there already */
	struct error *problems; /* any of them forbids it */
	size_t problem_count;
	struct error *warnings;
	size_t warning_count;
};

/* False: the wish cannot be understood (an unknown table, a transform), or the catalog not be read.
 * What the catalog forbids is in the plan's problems. */
bool move_plan_make(struct catalog_connection *connection, const struct ruleset *ruleset, const struct move_wish *wish,
		    uint32_t timeout_ms, struct move_plan **plan_out, struct error *error_out);
/* Something else that forbids it. */
void move_plan_problem(struct move_plan *plan, const struct error *problem);
void move_plan_free(struct move_plan *plan);

#endif
