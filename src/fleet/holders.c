#include "fleet/holders.h"

#include "base/memory.h"
#include "rewrite/lexer.h"
#include "rewrite/normalise.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { HOLDERS_MAX = 50 };

void holders_free(struct holders *holders)
{
	free(holders->items);
	*holders = (struct holders){ 0 };
}

static void append_oids(struct buf *sql, const uint32_t *oids, size_t count)
{
	buf_append_str(sql, "'{");
	for (size_t i = 0; i < count; i++)
		buf_printf(sql, "%s%u", i ? "," : "", oids[i]);
	buf_append_str(sql, "}'::oid[]");
}

/* ---- in full, for people ---- */

static void append_read(struct buf *sql, const uint32_t *oids, size_t count, uint32_t except)
{
	buf_append_str(sql,
		       "SELECT l.pid, p.gid, coalesce(a.usename, p.owner), a.application_name,"
		       " coalesce(a.client_addr::text || ':' || a.client_port, ''), a.state, a.backend_type,"
		       " l.relation::regclass, l.mode, left(a.query, 4000),"
		       " (extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)) * 1000)::bigint,"
		       " a.wait_event_type IS NOT DISTINCT FROM 'Lock', '' FROM"
		       " (SELECT DISTINCT ON (pid, virtualtransaction) pid, virtualtransaction, relation, mode, database"
		       " FROM pg_locks WHERE locktype = 'relation' AND granted AND database ="
		       " (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation = ANY (");
	append_oids(sql, oids, count);
	buf_printf(sql,
		   ") AND pid IS DISTINCT FROM pg_backend_pid() AND pid IS DISTINCT FROM %u"
		   " ORDER BY pid, virtualtransaction, relation) l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
		   /* A prepared transaction keeps the virtual number that it had. */
		   " LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'"
		   " AND x.granted AND x.virtualtransaction = l.virtualtransaction"
		   " LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid"
		   " ORDER BY coalesce(a.xact_start, p.prepared) NULLS LAST LIMIT %d;",
		   except, HOLDERS_MAX + 1);
}

static void copy_text(char *out, size_t size, const PGresult *result, int row, int column)
{
	snprintf(out, size, "%s", PQgetisnull(result, row, column) ? "" : PQgetvalue(result, row, column));
}

/* What others wrote may hold literals: nothing but its shape leaves here. */
static void copy_statement(struct holder *holder, const char *text)
{
	struct slice sql = slice_str(text);
	struct token_list tokens;
	struct buf shape;
	token_list_init(&tokens);
	buf_init(&shape);
	lexer_run(sql, true, &tokens);
	normalise(sql, &tokens, 0, tokens.count, sizeof(holder->statement) - 4, &shape);
	snprintf(holder->statement, sizeof(holder->statement), "%s", buf_cstr(&shape));
	buf_deinit(&shape);
	token_list_deinit(&tokens);
}

static void take_holder(struct holder *holder, const PGresult *result, int row)
{
	holder->pid = (uint32_t)strtoul(PQgetvalue(result, row, 0), NULL, 10);
	copy_text(holder->gid, sizeof(holder->gid), result, row, 1);
	copy_text(holder->user, sizeof(holder->user), result, row, 2);
	copy_text(holder->application, sizeof(holder->application), result, row, 3);
	copy_text(holder->address, sizeof(holder->address), result, row, 4);
	copy_text(holder->state, sizeof(holder->state), result, row, 5);
	copy_text(holder->kind, sizeof(holder->kind), result, row, 6);
	copy_text(holder->relation, sizeof(holder->relation), result, row, 7);
	copy_text(holder->mode, sizeof(holder->mode), result, row, 8);
	if (!PQgetisnull(result, row, 9))
		copy_statement(holder, PQgetvalue(result, row, 9));
	holder->age_ms = strtoull(PQgetvalue(result, row, 10), NULL, 10);
	holder->waits = *PQgetvalue(result, row, 11) == 't';
	copy_text(holder->proxy, sizeof(holder->proxy), result, row, 12);
}

static bool read_all(struct catalog_connection *connection, const char *sql, uint32_t timeout_ms,
		     struct holders *holders_out, struct error *error_out)
{
	PGresult *result = NULL;
	if (!catalog_query(connection, sql, timeout_ms, &result, 1, error_out))
		return false;
	int rows = PQntuples(result);
	struct holders holders = { .cut = rows > HOLDERS_MAX };
	holders.count = (size_t)(holders.cut ? HOLDERS_MAX : rows);
	holders.items = memory_zalloc((holders.count + 1) * sizeof(*holders.items));
	for (size_t i = 0; i < holders.count; i++)
		take_holder(&holders.items[i], result, (int)i);
	PQclear(result);
	*holders_out = holders;
	return true;
}

bool holders_read(struct catalog_connection *connection, const uint32_t *oids, size_t oid_count, uint32_t except,
		  uint32_t timeout_ms, struct holders *holders_out, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	append_read(&sql, oids, oid_count, except);
	bool ok = read_all(connection, buf_cstr(&sql), timeout_ms, holders_out, error_out);
	buf_deinit(&sql);
	return ok;
}

/* A process that began after the lease was over has only got the number of one that has gone. */
bool holders_read_lost(struct catalog_connection *connection, uint32_t timeout_ms, struct holders *holders_out,
		       struct error *error_out)
{
	return read_all(connection,
			"SELECT a.pid, NULL, a.usename, a.application_name, coalesce(a.client_addr::text || ':' || a.client_port, ''),"
			" a.state, a.backend_type, '', '', left(a.query, 4000), (extract(epoch FROM clock_timestamp() -"
			" coalesce(a.xact_start, a.state_change)) * 1000)::bigint, a.wait_event_type IS NOT DISTINCT FROM 'Lock',"
			" p.name FROM crossfade.proxies p JOIN pg_stat_activity a ON a.pid = ANY (p.sessions)"
			" WHERE p.lease_until <= clock_timestamp() AND NOT p.standby AND a.datname = current_database()"
			" AND a.pid <> pg_backend_pid() AND coalesce(a.backend_start <= p.lease_until, true)"
			" AND NOT EXISTS (SELECT FROM crossfade.proxies l WHERE l.lease_until > clock_timestamp()"
			" AND a.pid = ANY (l.sessions)) ORDER BY p.name, a.backend_start LIMIT 51",
			timeout_ms, holders_out, error_out);
}

/* ---- in short, while draining ---- */

static void append_poll(struct buf *sql, const uint32_t *oids, size_t count)
{
	buf_append_str(sql,
		       "WITH RECURSIVE held AS MATERIALIZED (SELECT DISTINCT coalesce(pid, 0) AS pid FROM pg_locks WHERE"
		       " locktype = 'relation' AND granted AND database ="
		       " (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation = ANY (");
	append_oids(sql, oids, count);
	buf_append_str(sql,
		       ") AND pid IS DISTINCT FROM pg_backend_pid()),"
		       " waiting AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'),"
		       " chain(pid) AS (SELECT b.pid FROM held h JOIN waiting w ON w.pid = h.pid"
		       " CROSS JOIN LATERAL unnest(pg_blocking_pids(h.pid)) b(pid)"
		       " UNION SELECT b.pid FROM chain c JOIN waiting w ON w.pid = c.pid"
		       " CROSS JOIN LATERAL unnest(pg_blocking_pids(c.pid)) b(pid))"
		       " SELECT pid, true FROM held UNION ALL SELECT pid, false FROM chain");
}

static void take_pids(const PGresult *result, bool holders, struct pid_list *list)
{
	list->pids = memory_alloc(((size_t)PQntuples(result) + 1) * sizeof(*list->pids));
	for (int row = 0; row < PQntuples(result); row++) {
		if ((*PQgetvalue(result, row, 1) == 't') == holders)
			list->pids[list->count++] = (uint32_t)strtoul(PQgetvalue(result, row, 0), NULL, 10);
	}
}

bool holders_poll(struct catalog_connection *connection, const uint32_t *oids, size_t oid_count, uint32_t timeout_ms,
		  struct pid_list *holders_out, struct pid_list *blockers_out, struct error *error_out)
{
	PGresult *result = NULL;
	struct pid_list holders = { 0 }, blockers = { 0 };
	struct buf sql;
	buf_init(&sql);
	append_poll(&sql, oids, oid_count);
	bool ok = catalog_query(connection, buf_cstr(&sql), timeout_ms, &result, 1, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	take_pids(result, true, &holders);
	take_pids(result, false, &blockers);
	PQclear(result);
	*holders_out = holders;
	*blockers_out = blockers;
	return true;
}
