/* The statements of a plan, table by table. */
#ifndef CROSSFADE_FLEET_MOVE_SQL_H
#define CROSSFADE_FLEET_MOVE_SQL_H

#include "fleet/move_plan.h"

/* Grows a plan's list of statements. */
struct move_sql {
	struct move_plan *plan;
	size_t capacity;
	int server_version;
	bool view;
};

void move_sql_lock(struct move_sql *out, const struct move_table *table);
void move_sql_move(struct move_sql *out, const struct ruleset_entry *entry, const struct move_table *table);

#endif
