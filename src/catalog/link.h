/*
 * The one connection that this process holds to a database for purposes of
 * its own. Whoever needs it takes it, has it alone, and gives it back. Who
 * finds it taken waits for a moment, and then gets another one, which ends
 * when it is given back: a slow user holds up nobody for long.
 *
 * search_path is pg_catalog; any other setting of the session must be as it
 * was when it is given back.
 */
#ifndef CROSSFADE_CATALOG_LINK_H
#define CROSSFADE_CATALOG_LINK_H

#include "catalog/connection.h"

struct catalog_link;

/* The same for all that name the database with the same words; a reference of the caller's. */
struct catalog_link *catalog_link_for(const char *dsn);
/* Accepts NULL. */
void catalog_link_unref(struct catalog_link *link);
/* Who polls so seldom holds no connection in between. */
enum { CATALOG_LINK_HOLD_MS = 5000 };
/* False: between two uses the connection is closed. True at first. */
void catalog_link_hold(struct catalog_link *link, bool held);

bool catalog_link_take(struct catalog_link *link, int stop_fd, uint32_t timeout_ms,
		       struct catalog_connection **connection_out, struct error *error_out);
/* A lost one is closed. Accepts NULL. */
void catalog_link_give(struct catalog_link *link, struct catalog_connection *connection);
/* It will not be given back soon: nobody waits for it. */
void catalog_link_keep(struct catalog_link *link, const struct catalog_connection *connection);

/* ---- while nobody has it ---- */

/* To poll; -1: somebody has it, or there is none. */
int catalog_link_fd(struct catalog_link *link);
/* It was readable: takes what the server sent unasked; false when the server has gone. */
bool catalog_link_listen(struct catalog_link *link);

/* For one who listens: readable when somebody gave it back, or something was notified. */
int catalog_link_wake_fd(const struct catalog_link *link);
/* Whether a NOTIFY has come since this was last asked, whoever had the connection then. */
bool catalog_link_notified(struct catalog_link *link);

#endif
