/*
 * A libpq connection for a thread of its own, whose every wait ends when its
 * time is over or when the thread is told to stop: a frozen server can hold
 * up nobody. (Only resolving a host name is out of our hands.)
 */
#ifndef CROSSFADE_CATALOG_CONNECTION_H
#define CROSSFADE_CATALOG_CONNECTION_H

#include "base/buf.h"
#include "base/error.h"

struct pg_result;

struct catalog_connection;

/* stop_fd: readable once all waiting is to end (an eventfd or pipe that nobody reads); -1: none. */
bool catalog_connect(const char *dsn, int stop_fd, uint32_t timeout_ms, struct catalog_connection **connection_out,
		     struct error *error_out);
void catalog_connection_free(struct catalog_connection *connection);

/* False when it is lost and only to be freed. */
bool catalog_connection_is_alive(const struct catalog_connection *connection);
/* To poll while idle; readable means that catalog_connection_listen has something to look at. */
int catalog_connection_fd(const struct catalog_connection *connection);
/* Takes what the server sent unasked; false when it has gone. What was notified, catalog_connection_notified tells. */
bool catalog_connection_listen(struct catalog_connection *connection);
/* Whether a NOTIFY has come, perhaps among the answers to a query; each is told once. */
bool catalog_connection_notified(struct catalog_connection *connection);
/* From now on that ends its waits. */
void catalog_connection_set_stop(struct catalog_connection *connection, int stop_fd);
/* No two connections of this process have the same one. */
uint64_t catalog_connection_number(const struct catalog_connection *connection);
int catalog_connection_server_version(const struct catalog_connection *connection);
/* The process that the other side said it was when we logged in: a pooler says something else than the server. */
int catalog_connection_pid(const struct catalog_connection *connection);

/*
 * Runs the statements of sql as one simple Query. results_out: one for each
 * statement, in order, at most max; the caller PQclears them.
 */
bool catalog_query(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
		   struct pg_result **results_out, size_t max, struct error *error_out);
/* Of statements of any number the results of the last `count`. */
bool catalog_query_last(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
			struct pg_result **results_out, size_t count, struct error *error_out);
/* Runs statements whose answers nobody needs, of any number. */
bool catalog_execute(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
		     struct error *error_out);
/* A single statement with one text for its $1. The caller PQclears the result. */
bool catalog_query_for(struct catalog_connection *connection, const char *sql, const char *parameter,
		       uint32_t timeout_ms, struct pg_result **result_out, struct error *error_out);
/* Whether the server takes a single statement with one text for its $1, whatever it answers. */
bool catalog_try(struct catalog_connection *connection, const char *sql, const char *parameter, uint32_t timeout_ms,
		 struct error *error_out);
/* Appends text as a string literal. */
void catalog_append_literal(struct catalog_connection *connection, struct buf *sql, const char *text);

#endif
