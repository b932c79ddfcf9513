/* libpq's non-blocking interface, one step at a time, with poll between the steps. */
#include "catalog/connection.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct catalog_connection {
	PGconn *pg;
	int stop_fd;
	uint64_t number;
};

enum wait_outcome { WAIT_READY, WAIT_TIMEOUT, WAIT_STOPPED };

static uint64_t deadline_after(uint32_t timeout_ms)
{
	return clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
}

/* Milliseconds that are left, rounded up so that poll does not spin. */
static int left_ms(uint64_t deadline_us)
{
	uint64_t now = clock_monotonic_us();
	uint64_t left = deadline_us > now ? (deadline_us - now + 999) / 1000 : 0;
	return left > 3600000 ? 3600000 : (int)left;
}

static enum wait_outcome wait_for(const struct catalog_connection *connection, short events, uint64_t deadline_us)
{
	struct pollfd fds[2] = {
		{ .fd = PQsocket(connection->pg), .events = events },
		{ .fd = connection->stop_fd, .events = POLLIN },
	};
	for (;;) {
		int ready = poll(fds, 2, left_ms(deadline_us));
		if (ready < 0 && errno == EINTR)
			continue;
		if (fds[1].revents)
			return WAIT_STOPPED;
		if (ready > 0)
			return WAIT_READY;
		return WAIT_TIMEOUT;
	}
}

/* libpq ends its messages with a newline and may write several lines. */
static void take_message(const PGconn *pg, char *out, size_t size)
{
	snprintf(out, size, "%s", PQerrorMessage(pg));
	size_t len = strlen(out);
	while (len && (out[len - 1] == '\n' || out[len - 1] == ' '))
		out[--len] = '\0';
	for (char *c = out; *c; c++)
		*c = *c == '\n' ? ' ' : *c;
}

static bool fail_connection(const struct catalog_connection *connection, struct error *error_out)
{
	char message[400];
	take_message(connection->pg, message, sizeof(message));
	error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "%s", message[0] ? message : "the connection was lost");
	return false;
}

static bool fail_wait(enum wait_outcome outcome, const char *doing, uint32_t timeout_ms, struct error *error_out)
{
	if (outcome == WAIT_STOPPED)
		error_set(error_out, SQLSTATE_ADMIN_SHUTDOWN, "stopped while %s", doing);
	else
		error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "no answer within %u ms while %s", timeout_ms, doing);
	return false;
}

/* ---- connecting ---- */

static PGconn *start(const char *dsn)
{
	/* Before dbname, so that the connection string may say otherwise. */
	static const char *const keys[] = { "application_name", "dbname", "client_encoding", NULL };
	const char *const values[] = { "crossfade", dsn, "UTF8", NULL };
	return PQconnectStartParams(keys, values, 1);
}

static bool finish_connecting(struct catalog_connection *connection, uint32_t timeout_ms, struct error *error_out)
{
	uint64_t deadline_us = deadline_after(timeout_ms);
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	while (status != PGRES_POLLING_OK) {
		if (PQstatus(connection->pg) == CONNECTION_BAD || status == PGRES_POLLING_FAILED)
			return fail_connection(connection, error_out);
		short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		enum wait_outcome outcome = wait_for(connection, events, deadline_us);
		if (outcome != WAIT_READY)
			return fail_wait(outcome, "connecting", timeout_ms, error_out);
		status = PQconnectPoll(connection->pg);
	}
	return PQsetnonblocking(connection->pg, 1) == 0 || fail_connection(connection, error_out);
}

static void ignore_notice(void *context, const PGresult *result)
{
}

bool catalog_connect(const char *dsn, int stop_fd, uint32_t timeout_ms, struct catalog_connection **connection_out,
		     struct error *error_out)
{
	struct catalog_connection *connection = memory_zalloc(sizeof(*connection));
	static _Atomic uint64_t last_number;
	connection->stop_fd = stop_fd;
	connection->number = atomic_fetch_add(&last_number, 1) + 1;
	connection->pg = start(dsn);
	if (!connection->pg)
		memory_exhausted(0);
	PQsetNoticeReceiver(connection->pg, ignore_notice, NULL);
	if (!finish_connecting(connection, timeout_ms, error_out)) {
		catalog_connection_free(connection);
		return false;
	}
	*connection_out = connection;
	return true;
}

void catalog_connection_free(struct catalog_connection *connection)
{
	if (!connection)
		return;
	PQfinish(connection->pg);
	free(connection);
}

bool catalog_connection_is_alive(const struct catalog_connection *connection)
{
	return PQstatus(connection->pg) == CONNECTION_OK && PQtransactionStatus(connection->pg) == PQTRANS_IDLE;
}

int catalog_connection_fd(const struct catalog_connection *connection)
{
	return PQsocket(connection->pg);
}

bool catalog_connection_listen(struct catalog_connection *connection)
{
	return PQconsumeInput(connection->pg) && PQstatus(connection->pg) == CONNECTION_OK;
}

void catalog_connection_set_stop(struct catalog_connection *connection, int stop_fd)
{
	connection->stop_fd = stop_fd;
}

uint64_t catalog_connection_number(const struct catalog_connection *connection)
{
	return connection->number;
}

int catalog_connection_pid(const struct catalog_connection *connection)
{
	return PQbackendPID(connection->pg);
}

bool catalog_connection_notified(struct catalog_connection *connection)
{
	PGnotify *notify;
	bool found = false;
	while ((notify = PQnotifies(connection->pg)) != NULL) {
		PQfreemem(notify);
		found = true;
	}
	return found;
}

int catalog_connection_server_version(const struct catalog_connection *connection)
{
	return PQserverVersion(connection->pg);
}

/* ---- queries ---- */

static bool send_all(struct catalog_connection *connection, uint64_t deadline_us, uint32_t timeout_ms,
		     struct error *error_out)
{
	int flushed;
	while ((flushed = PQflush(connection->pg)) > 0) {
		enum wait_outcome outcome = wait_for(connection, POLLIN | POLLOUT, deadline_us);
		if (outcome != WAIT_READY)
			return fail_wait(outcome, "asking the catalog", timeout_ms, error_out);
		if (!PQconsumeInput(connection->pg))
			return fail_connection(connection, error_out);
	}
	return flushed == 0 || fail_connection(connection, error_out);
}

static bool await_result(struct catalog_connection *connection, uint64_t deadline_us, uint32_t timeout_ms,
			 struct error *error_out)
{
	while (PQisBusy(connection->pg)) {
		enum wait_outcome outcome = wait_for(connection, POLLIN, deadline_us);
		if (outcome != WAIT_READY)
			return fail_wait(outcome, "reading the catalog", timeout_ms, error_out);
		if (!PQconsumeInput(connection->pg))
			return fail_connection(connection, error_out);
	}
	return true;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void take_server_error(const PGresult *result, struct error *error_out)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	error_set(error_out, sqlstate ? sqlstate : SQLSTATE_CONNECTION_FAILURE, "%s",
		  or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
	error_detail(error_out, "%s", or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL)));
	error_hint(error_out, "%s", or_empty(PQresultErrorField(result, PG_DIAG_MESSAGE_HINT)));
	if (!error_out->message[0])
		error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "the connection was lost");
}

static bool is_fine(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

static void drop_first(PGresult **results, size_t *count)
{
	PQclear(results[0]);
	memmove(results, results + 1, --*count * sizeof(*results));
}

/* All results are taken, also after an error, so that the connection is idle again. results NULL: thrown away. */
static bool collect(struct catalog_connection *connection, uint64_t deadline_us, uint32_t timeout_ms,
		    PGresult **results, size_t max, bool last, size_t *count, struct error *error_out)
{
	bool ok = true;
	for (;;) {
		if (!await_result(connection, deadline_us, timeout_ms, error_out))
			return false;
		PGresult *result = PQgetResult(connection->pg);
		if (!result)
			return ok;
		if (ok && is_fine(result) && !results) {
			PQclear(result);
			continue;
		}
		if (ok && is_fine(result) && last && *count == max)
			drop_first(results, count);
		if (ok && is_fine(result) && *count < max) {
			results[(*count)++] = result;
			continue;
		}
		if (ok && !is_fine(result))
			take_server_error(result, error_out);
		else if (ok)
			error_set(error_out, SQLSTATE_INTERNAL_ERROR, "more answers than statements");
		ok = false;
		PQclear(result);
	}
}

/* A statement that failed in the middle leaves its BEGIN open. */
static void end_transaction(struct catalog_connection *connection, uint64_t deadline_us, uint32_t timeout_ms)
{
	struct error ignored;
	PGresult *result = NULL;
	size_t count = 0;
	if (PQtransactionStatus(connection->pg) != PQTRANS_INERROR || !PQsendQuery(connection->pg, "ROLLBACK"))
		return;
	if (send_all(connection, deadline_us, timeout_ms, &ignored))
		collect(connection, deadline_us, timeout_ms, &result, 1, false, &count, &ignored);
	PQclear(result);
}

static bool query(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
		  struct pg_result **results_out, size_t max, bool last, struct error *error_out)
{
	uint64_t deadline_us = deadline_after(timeout_ms);
	size_t count = 0;
	PGresult *results[16] = { NULL };
	if (max > sizeof(results) / sizeof(results[0]))
		max = sizeof(results) / sizeof(results[0]);
	if (!PQsendQuery(connection->pg, sql))
		return fail_connection(connection, error_out);
	bool ok = send_all(connection, deadline_us, timeout_ms, error_out) &&
		  collect(connection, deadline_us, timeout_ms, results, max, last, &count, error_out);
	if (ok && count < max) {
		error_set(error_out, SQLSTATE_INTERNAL_ERROR, "fewer answers than statements");
		ok = false;
	}
	if (ok) {
		memcpy(results_out, results, max * sizeof(results[0]));
		return true;
	}
	for (size_t i = 0; i < count; i++)
		PQclear(results[i]);
	end_transaction(connection, deadline_us, timeout_ms);
	return false;
}

bool catalog_query(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
		   struct pg_result **results_out, size_t max, struct error *error_out)
{
	return query(connection, sql, timeout_ms, results_out, max, false, error_out);
}

bool catalog_query_last(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
			struct pg_result **results_out, size_t count, struct error *error_out)
{
	return query(connection, sql, timeout_ms, results_out, count, true, error_out);
}

bool catalog_execute(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
		     struct error *error_out)
{
	uint64_t deadline_us = deadline_after(timeout_ms);
	size_t count = 0;
	if (!PQsendQuery(connection->pg, sql))
		return fail_connection(connection, error_out);
	if (send_all(connection, deadline_us, timeout_ms, error_out) &&
	    collect(connection, deadline_us, timeout_ms, NULL, 0, false, &count, error_out))
		return true;
	end_transaction(connection, deadline_us, timeout_ms);
	return false;
}

bool catalog_query_for(struct catalog_connection *connection, const char *sql, const char *parameter,
		       uint32_t timeout_ms, struct pg_result **result_out, struct error *error_out)
{
	uint64_t deadline_us = deadline_after(timeout_ms);
	const char *const parameters[] = { parameter };
	PGresult *result = NULL;
	size_t count = 0;
	if (!PQsendQueryParams(connection->pg, sql, 1, NULL, parameters, NULL, NULL, 0))
		return fail_connection(connection, error_out);
	if (send_all(connection, deadline_us, timeout_ms, error_out) &&
	    collect(connection, deadline_us, timeout_ms, &result, 1, false, &count, error_out) && count) {
		*result_out = result;
		return true;
	}
	PQclear(result);
	return false;
}

bool catalog_try(struct catalog_connection *connection, const char *sql, const char *parameter, uint32_t timeout_ms,
		 struct error *error_out)
{
	PGresult *result;
	if (!catalog_query_for(connection, sql, parameter, timeout_ms, &result, error_out))
		return false;
	PQclear(result);
	return true;
}

void catalog_append_literal(struct catalog_connection *connection, struct buf *sql, const char *text)
{
	char *literal = PQescapeLiteral(connection->pg, text, strlen(text));
	buf_append_str(sql, literal ? literal : "NULL"); /* NULL: bytes that are no UTF-8, so no name of the catalog */
	PQfreemem(literal);
}
