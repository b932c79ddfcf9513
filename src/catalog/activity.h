/* Who is connected to the server, as pg_stat_activity shows it. */
#ifndef CROSSFADE_CATALOG_ACTIVITY_H
#define CROSSFADE_CATALOG_ACTIVITY_H

#include "base/arena.h"
#include "catalog/connection.h"

struct activity_session {
	uint32_t pid;
	bool is_here; /* in our database */
	const char *user, *application, *address; /* address NULL: we may not see it; "local": a unix socket */
	const char *kind; /* client backend, walsender, …; NULL: we may not see it */
	int64_t age_ms;	  /* -1: we may not see it */
};

struct activity {
	struct arena arena;
	const char *database;
	struct activity_session *sessions; /* without our own and the server's housekeeping */
	size_t count;
};

/* activity_out is to be ended with activity_deinit only after success. */
bool activity_load(struct catalog_connection *connection, uint32_t timeout_ms, struct activity *activity_out,
		   struct error *error_out);
void activity_deinit(struct activity *activity);

#endif
