/*
 * What became of a COMMIT that was not answered. The journal row of this
 * cutover was written by that transaction and by no other, so once the
 * transaction is over, the row is the answer. (Its number alone would not do:
 * after a crash the server may have given it away again.)
 */
#include "fleet/cutover_parts.h"

#include "base/clock.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { SETTLE_POLL_MS = 50, SETTLE_QUERY_MS = 5000 };

/* A backend that is still at it is ended: a commit that has begun is not undone by that. */
static bool is_over(struct cutover *cutover, struct error *error_out, bool *over_out)
{
	PGresult *results[2] = { NULL };
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql,
		   "SELECT count(*) FROM pg_stat_activity WHERE pid = %u AND backend_xid ="
		   " (%s::bigint & 4294967295)::text::xid;"
		   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %u AND backend_xid ="
		   " (%s::bigint & 4294967295)::text::xid",
		   cutover->commit_pid, cutover->xid, cutover->commit_pid, cutover->xid);
	bool ok = catalog_query(cutover->connection, buf_cstr(&sql), SETTLE_QUERY_MS, results, 2, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	*over_out = strcmp(PQgetvalue(results[0], 0, 0), "0") == 0;
	PQclear(results[0]);
	PQclear(results[1]);
	return true;
}

/* Asked of a transaction number that the server has not given out (again) yet, it fails: then it is over, too. */
static bool status_is(struct cutover *cutover, const char *word)
{
	struct error ignored;
	PGresult *result = NULL;
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, "SELECT txid_status(%s)", cutover->xid);
	bool is = catalog_query(cutover->connection, buf_cstr(&sql), SETTLE_QUERY_MS, &result, 1, &ignored) &&
		  !PQgetisnull(result, 0, 0) && strcmp(PQgetvalue(result, 0, 0), word) == 0;
	PQclear(result);
	buf_deinit(&sql);
	return is;
}

static bool ask(struct cutover *cutover, enum settled *settled_out)
{
	struct error error;
	bool over = false, found = false;
	if (!cutover_connect(cutover, &error) || !is_over(cutover, &error, &over) || !over ||
	    status_is(cutover, "in progress"))
		return false;
	if (!state_has_journal(cutover->connection, cutover->status.id, SETTLE_QUERY_MS, &found, &error))
		return false;
	*settled_out = found ? SETTLED_COMMITTED : SETTLED_ABORTED;
	return true;
}

enum settled cutover_settle(struct cutover *cutover)
{
	enum settled settled = SETTLED_UNKNOWN;
	uint64_t deadline_us = clock_monotonic_us() + (uint64_t)SETTLE_MS * 1000;
	catalog_connection_free(cutover->connection);
	cutover->connection = NULL;
	while (clock_monotonic_us() < deadline_us && !cutover_must_end(cutover) && !ask(cutover, &settled)) {
		struct timespec pause = { .tv_nsec = SETTLE_POLL_MS * 1000000L };
		nanosleep(&pause, NULL);
		if (cutover->pause)
			proxy_pause_renew(cutover->request.proxy, cutover->pause, SETTLE_TTL_MS);
	}
	return settled;
}
