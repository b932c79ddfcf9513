/*
 * Who is connected to the server, as pg_stat_activity shows it, and which of
 * them are sessions of a proxy. Each proxy writes down in the schema crossfade,
 * where there is one it may write to, which server processes serve its own
 * sessions: nothing else about a session tells.
 */
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
	bool of_proxy;	  /* some proxy has said that it is its, maybe one that has gone */
};

struct activity {
	struct arena arena;
	const char *database;
	struct activity_session *sessions; /* without our own and the server's housekeeping */
	size_t count;
	int64_t told_ms; /* so long ago every proxy had said which are its; 0: there is none but us */
};

/* What one proxy says of itself. */
struct activity_presence {
	const char *id;	       /* of the proxy */
	const char *name;      /* for people */
	uint32_t every_ms;     /* how often it says so */
	const uint32_t *pids;  /* of the server processes that serve its sessions */
	size_t count;
};

/* Where there is no schema crossfade, or it may not be written to, nothing is done, and that is no error. */
bool activity_tell(struct catalog_connection *connection, const struct activity_presence *presence, uint32_t timeout_ms,
		   struct error *error_out);
/* own: the id we have told by; NULL: none. activity_out is to be ended with activity_deinit only after success. */
bool activity_load(struct catalog_connection *connection, const char *own, uint32_t timeout_ms,
		   struct activity *activity_out, struct error *error_out);
void activity_deinit(struct activity *activity);

#endif
