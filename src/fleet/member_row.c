/* A member's connections, its row among the proxies, and its answers to those who ask who is there. */
#include "fleet/member_parts.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/log.h"
#include "fleet/digest.h"
#include "fleet/process_mark.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { SESSIONS_MAX = 20000, DEAD_POLL_MS = 200 };

struct catalog_connection *member_shared(struct member *member)
{
	return member->standby ? member->primary : member->own;
}

void member_append_text(struct member *member, struct buf *sql, const char *text)
{
	catalog_append_literal(member_shared(member), sql, text);
}

bool member_execute(struct member *member, struct buf *sql, struct error *error_out)
{
	bool ok = catalog_execute(member_shared(member), buf_cstr(sql), MEMBER_QUERY_MS, error_out);
	buf_deinit(sql);
	return ok;
}

/* ---- our row ---- */

static void append_sessions(struct member *member, struct buf *sql)
{
	size_t count;
	uint32_t *pids = proxy_server_pids(member->settings.proxy, &count);
	buf_append_str(sql, "'{");
	for (size_t i = 0; i < count && i < SESSIONS_MAX; i++)
		buf_printf(sql, "%s%d", i ? "," : "", (int)pids[i]);
	buf_append_str(sql, "}'");
	free(pids);
}

static void append_map(struct member *member, struct buf *sql)
{
	char digest[DIGEST_BYTES];
	struct ruleset *rules = member->callbacks.rules(member->callbacks.context);
	if (!rules) {
		buf_append_str(sql, "NULL");
		return;
	}
	digest_map(rules->map, digest);
	ruleset_unref(rules);
	buf_printf(sql, "'%s'", digest);
}

static void append_process(struct member *member, struct buf *sql)
{
	char mark[PROCESS_MARK_BYTES];
	process_mark_own(mark);
	if (mark[0])
		member_append_text(member, sql, mark);
	else
		buf_append_str(sql, "NULL");
}

static bool renew(struct member *member, struct error *error_out)
{
	uint64_t now_us = clock_monotonic_us();
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "INSERT INTO crossfade.proxies (id, name, address, version, standby, map, process, sessions, lease_until)"
			     " VALUES (");
	member_append_text(member, &sql, member->id);
	buf_append_str(&sql, ", ");
	member_append_text(member, &sql, member->settings.name);
	buf_append_str(&sql, ", pg_catalog.host(pg_catalog.inet_client_addr()), ");
	member_append_text(member, &sql, CROSSFADE_VERSION);
	buf_append_str(&sql, member->standby ? ", true, " : ", false, ");
	append_map(member, &sql);
	buf_append_str(&sql, ", ");
	append_process(member, &sql);
	buf_append_str(&sql, ", ");
	append_sessions(member, &sql);
	buf_printf(&sql,
		   ", pg_catalog.clock_timestamp() + interval '%u ms') ON CONFLICT (id) DO UPDATE SET lease_until = "
		   "excluded.lease_until, standby = excluded.standby, map = coalesce(excluded.map, proxies.map), sessions = "
		   "excluded.sessions",
		   member->settings.lease_ms);
	if (!member_execute(member, &sql, error_out))
		return false;
	member->renewed_us = now_us; /* the server's lease began later: ours is over first */
	return true;
}

bool member_renew_if_due(struct member *member, struct error *error_out)
{
	uint64_t since_ms = (clock_monotonic_us() - member->renewed_us) / 1000;
	return since_ms < member->settings.lease_ms / 4 || renew(member, error_out);
}

/* ---- others that have ended ---- */

/* Its sessions are still looked for: the server may not have noticed yet. */
static void end_lease(struct member *member, const char *id, const char *name)
{
	struct error ignored;
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "UPDATE crossfade.proxies SET lease_until = pg_catalog.clock_timestamp() WHERE lease_until > "
			     "pg_catalog.clock_timestamp() AND id = ");
	member_append_text(member, &sql, id);
	if (member_execute(member, &sql, &ignored))
		LOG(LOG_INFO, "fleet_proxy_ended", LOG_STR("database", member->settings.database), LOG_STR("proxy", name));
}

/* Nobody need wait for the lease of one of which the kernel says that it is no more. */
void member_end_dead(struct member *member)
{
	PGresult *result;
	struct error ignored;
	uint64_t now_us = clock_monotonic_us();
	if (now_us - member->looked_for_dead_us < DEAD_POLL_MS * UINT64_C(1000))
		return;
	member->looked_for_dead_us = now_us;
	if (!catalog_query(member_shared(member),
			   "SELECT id, name, process FROM crossfade.proxies WHERE lease_until > pg_catalog.clock_timestamp() AND "
			   "process IS NOT NULL",
			   MEMBER_QUERY_MS, &result, 1, &ignored))
		return;
	for (int row = 0; row < PQntuples(result); row++) {
		if (process_mark_has_ended(PQgetvalue(result, row, 2)))
			end_lease(member, PQgetvalue(result, row, 0), PQgetvalue(result, row, 1));
	}
	PQclear(result);
}

/* Rows of proxies that are long gone, and of pauses long over. */
static bool tidy(struct member *member, struct error *error_out)
{
	return catalog_execute(member_shared(member),
			       "DELETE FROM crossfade.proxies WHERE lease_until < pg_catalog.clock_timestamp() - interval "
			       "'1 day';"
			       "DELETE FROM crossfade.pauses WHERE expires_at < pg_catalog.clock_timestamp() - interval '1 day';"
			       "DELETE FROM crossfade.calls WHERE expires_at < pg_catalog.clock_timestamp()",
			       MEMBER_QUERY_MS, error_out);
}

/*
 * A cutover that counted the proxies before our row was there has locked the
 * row of its pause, or will find us: so nobody who joins serves a table in the
 * middle of its move.
 */
static bool await_movers(struct member *member, struct error *error_out)
{
	return catalog_execute(member_shared(member),
			       "BEGIN; SET LOCAL lock_timeout = 2000; SELECT FROM crossfade.pauses WHERE ended_at IS NULL FOR "
			       "SHARE; COMMIT",
			       MEMBER_QUERY_MS, error_out);
}

/* ---- connections ---- */

void member_give_back(struct member *member)
{
	catalog_link_give(member->link, member->own);
	member->own = NULL;
}

void member_disconnect(struct member *member)
{
	member_give_back(member);
	catalog_connection_free(member->primary);
	member->primary = NULL;
	member->joined = false;
}

static bool take_own(struct member *member, struct error *error_out)
{
	if (member->own && catalog_connection_is_alive(member->own))
		return true;
	member_give_back(member);
	if (!catalog_link_take(member->link, member->stop_fd, MEMBER_CONNECT_MS, &member->own, error_out))
		return false;
	if (catalog_connection_number(member->own) != member->joined_by)
		member->joined = false; /* nobody listens there */
	return true;
}

static bool take_primary(struct member *member, struct error *error_out)
{
	if (member->primary && catalog_connection_is_alive(member->primary))
		return true;
	catalog_connection_free(member->primary);
	member->primary = NULL;
	member->joined = false;
	return catalog_connect(member->settings.primary_dsn, member->stop_fd, MEMBER_CONNECT_MS, &member->primary, error_out) &&
	       catalog_execute(member->primary, "SET search_path = pg_catalog", MEMBER_QUERY_MS, error_out);
}

static bool ask_standby(struct catalog_connection *connection, bool *standby_out, struct error *error_out)
{
	PGresult *result = NULL;
	if (!catalog_query(connection, "SELECT pg_catalog.pg_is_in_recovery()", MEMBER_QUERY_MS, &result, 1, error_out))
		return false;
	*standby_out = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	return true;
}

static bool connect_own(struct member *member, struct error *error_out)
{
	bool standby;
	if (!take_own(member, error_out) ||
	    !ask_standby(member->own, &standby, error_out))
		return false;
	if (standby != member->standby)
		member->joined = false; /* it was promoted, or another server answers there now */
	member->standby = standby;
	return true;
}

static bool connect_primary(struct member *member, struct error *error_out)
{
	bool standby;
	if (!member->settings.primary_dsn) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "the server of `admin` is a standby");
		error_hint(error_out, "Let admin.primary say how to reach its primary: a cutover there does not wait for this "
				      "proxy otherwise.");
		return false;
	}
	if (!take_primary(member, error_out) ||
	    !ask_standby(member->primary, &standby, error_out))
		return false;
	if (standby) {
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "the server of admin.primary is a standby too");
		catalog_connection_free(member->primary);
		member->primary = NULL;
	}
	return !standby;
}

bool member_join(struct member *member, struct error *error_out)
{
	if (!connect_own(member, error_out) || (member->standby && !connect_primary(member, error_out)))
		return false;
	if (member->joined)
		return true;
	member->joined = state_ensure(member_shared(member), MEMBER_QUERY_MS, error_out) && tidy(member, error_out) &&
			 renew(member, error_out) && await_movers(member, error_out) &&
			 catalog_execute(member_shared(member), "LISTEN crossfade", MEMBER_QUERY_MS, error_out);
	member->joined_by = catalog_connection_number(member->own);
	if (member->joined)
		member_end_dead(member);
	return member->joined;
}

void member_leave(struct member *member)
{
	bool knows_row = member->renewed_us && !member->troubled;
	const char *dsn = member->standby ? member->settings.primary_dsn : member->settings.dsn;
	struct catalog_connection *connection = NULL;
	struct error ignored;
	struct buf sql;
	member_disconnect(member);
	/* stop_fd ends the waits of the old ones. */
	if (!knows_row || !catalog_connect(dsn, -1, MEMBER_BACKOFF_MS, &connection, &ignored))
		return;
	buf_init(&sql);
	buf_append_str(&sql, "DELETE FROM crossfade.proxies WHERE id = ");
	catalog_append_literal(connection, &sql, member->id);
	catalog_execute(connection, buf_cstr(&sql), MEMBER_BACKOFF_MS, &ignored);
	buf_deinit(&sql);
	catalog_connection_free(connection);
}

/* ---- calls ---- */

static bool entry_agrees(const struct ruleset *rules, const char *table, const char *digest, struct error *error_out)
{
	char ours[DIGEST_BYTES] = "";
	const struct ruleset_entry *entry = ruleset_entry_by_key(rules, table);
	if (entry)
		digest_entry(entry, ours);
	if (entry && strcmp(ours, digest) == 0)
		return true;
	if (entry)
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "its map says something else of %s", table);
	else
		error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "its map has no %s", table);
	return false;
}

static bool rules_agree(const struct ruleset *rules, char *tables, char *digests, struct error *error_out)
{
	char *next_table, *next_digest;
	char *table = strtok_r(tables, "\n", &next_table), *digest = strtok_r(digests, "\n", &next_digest);
	while (table && digest) {
		if (!entry_agrees(rules, table, digest, error_out))
			return false;
		table = strtok_r(NULL, "\n", &next_table);
		digest = strtok_r(NULL, "\n", &next_digest);
	}
	return true;
}

bool member_agrees(struct member *member, const char *tables, const char *digests, struct error *error_out)
{
	struct ruleset *rules = member->callbacks.rules(member->callbacks.context);
	if (!rules) {
		error_set(error_out, SQLSTATE_ADMIN_SHUTDOWN, "it is starting or ending");
		return false;
	}
	char *table_copy = memory_strdup(tables), *digest_copy = memory_strdup(digests);
	bool agrees = rules_agree(rules, table_copy, digest_copy, error_out);
	free(table_copy);
	free(digest_copy);
	ruleset_unref(rules);
	return agrees;
}

static bool answer(struct member *member, const PGresult *result, int row, struct error *error_out)
{
	struct error refusal;
	struct buf sql;
	bool agrees = member_agrees(member, PQgetvalue(result, row, 1), PQgetvalue(result, row, 2), &refusal);
	if (!agrees && strcmp(refusal.sqlstate, SQLSTATE_ADMIN_SHUTDOWN) == 0)
		return true; /* not yet, or no more */
	buf_init(&sql);
	buf_append_str(&sql, "INSERT INTO crossfade.answers (call, proxy, refusal) SELECT id, ");
	member_append_text(member, &sql, member->id);
	buf_append_str(&sql, ", ");
	if (agrees)
		buf_append_str(&sql, "NULL");
	else
		member_append_text(member, &sql, refusal.message);
	buf_append_str(&sql, " FROM crossfade.calls WHERE id = ");
	member_append_text(member, &sql, PQgetvalue(result, row, 0));
	buf_append_str(&sql, " ON CONFLICT DO NOTHING");
	/* A cutover that has just ended takes its call back. */
	return member_execute(member, &sql, error_out) || strcmp(error_out->sqlstate, "23503") == 0;
}

bool member_answer_calls(struct member *member, struct error *error_out)
{
	PGresult *result = NULL;
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql,
		       "SELECT c.id, pg_catalog.array_to_string(c.tables, E'\\n'), pg_catalog.array_to_string(c.digests, E'\\n'),"
		       " EXISTS (SELECT FROM crossfade.answers a WHERE a.call = c.id AND a.proxy = ");
	member_append_text(member, &sql, member->id);
	buf_append_str(&sql, ") FROM crossfade.calls c WHERE c.expires_at > pg_catalog.clock_timestamp()");
	bool ok = catalog_query(member_shared(member), buf_cstr(&sql), MEMBER_QUERY_MS, &result, 1, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	bool was_called = member->called;
	member->called = PQntuples(result) > 0;
	for (int row = 0; ok && row < PQntuples(result); row++) {
		if (PQgetvalue(result, row, 3)[0] != 't')
			ok = renew(member, error_out) && answer(member, result, row, error_out);
	}
	if (ok && member->called && !was_called)
		member_change_warm_up(member);
	PQclear(result);
	return ok;
}
