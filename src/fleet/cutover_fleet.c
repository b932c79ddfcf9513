/*
 * The other proxies of the database:
 *
 *   gather     before anybody is held up: all that are alive answer a call
 *   announce   the row of a pause; each of them pauses the tables as well (member.h)
 *   drain      … and has nothing under way any more
 *   fence      first in the transaction the row is locked, so that nobody can end
 *              the pause while it runs; its COMMIT does
 */
#include "fleet/cutover_parts.h"

#include "base/clock.h"
#include "fleet/digest.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum {
	SPARE_MS = 1500,
	ASK_AGAIN_MS = 3,
	ANSWER_POLL_MS = 10,
	LOST_POLL_MS = 200,
	CALL_MS = 30000,
	SAY_EVERY_MS = 2000,
};

static void append_text(struct cutover *cutover, struct buf *sql, const char *text)
{
	catalog_append_literal(cutover->connection, sql, text);
}

/* Proxies that are alive, but for ourselves. */
static void append_others(struct cutover *cutover, struct buf *sql)
{
	buf_append_str(sql, " FROM crossfade.proxies p WHERE p.lease_until > pg_catalog.clock_timestamp()");
	if (cutover->request.member) {
		buf_append_str(sql, " AND p.id <> ");
		append_text(cutover, sql, cutover->request.member);
	}
}

/* … that have not said yet that they paused. */
static void append_unready(struct cutover *cutover, struct buf *sql)
{
	append_others(cutover, sql);
	buf_append_str(sql, " AND NOT EXISTS (SELECT FROM crossfade.acknowledgements a WHERE a.proxy = p.id AND a.pause = ");
	append_text(cutover, sql, cutover->pause_id);
	buf_append_str(sql, ")");
}

/* The number in the first column, and the text in the second. */
static bool ask(struct cutover *cutover, struct buf *sql, long *count_out, char *name_out, size_t name_size,
		struct error *error_out)
{
	PGresult *result = NULL;
	bool ok = catalog_query(cutover->connection, buf_cstr(sql), POLL_MS, &result, 1, error_out);
	buf_deinit(sql);
	if (!ok)
		return false;
	*count_out = strtol(PQgetvalue(result, 0, 0), NULL, 10);
	snprintf(name_out, name_size, "%s", PQgetvalue(result, 0, 1));
	PQclear(result);
	return true;
}

static bool execute(struct cutover *cutover, struct buf *sql, struct error *error_out)
{
	bool ok = catalog_execute(cutover->connection, buf_cstr(sql), POLL_MS, error_out);
	buf_deinit(sql);
	return ok;
}

static void append_tables(struct cutover *cutover, struct buf *sql)
{
	const struct move_plan *plan = cutover->plan;
	buf_append_str(sql, "ARRAY[");
	for (size_t i = 0; i < plan->key_count; i++) {
		buf_append_str(sql, i ? ", " : "");
		append_text(cutover, sql, plan->keys[i]);
	}
	buf_append_str(sql, "]::text[], ARRAY[");
	for (size_t i = 0; i < plan->key_count; i++) {
		char digest[DIGEST_BYTES] = "";
		const struct ruleset_entry *entry = ruleset_entry_by_key(cutover->request.ruleset, plan->keys[i]);
		if (entry)
			digest_entry(entry, digest);
		buf_printf(sql, "%s'%s'", i ? ", " : "", digest);
	}
	buf_append_str(sql, "]::text[]");
}

/* ---- gathering ---- */

static bool call_all(struct cutover *cutover, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "DELETE FROM crossfade.calls WHERE id = ");
	append_text(cutover, &sql, cutover->status.id);
	buf_append_str(&sql, "; INSERT INTO crossfade.calls (id, tables, digests, expires_at) VALUES (");
	append_text(cutover, &sql, cutover->status.id);
	buf_append_str(&sql, ", ");
	append_tables(cutover, &sql);
	buf_printf(&sql, ", pg_catalog.clock_timestamp() + interval '%d ms'); NOTIFY crossfade", CALL_MS);
	cutover->called = execute(cutover, &sql, error_out);
	return cutover->called;
}

void cutover_dismiss(struct cutover *cutover)
{
	struct error ignored;
	struct buf sql;
	if (!cutover->called || !cutover->connection || !catalog_connection_is_alive(cutover->connection))
		return; /* it expires */
	buf_init(&sql);
	buf_append_str(&sql, "DELETE FROM crossfade.calls WHERE id = ");
	append_text(cutover, &sql, cutover->status.id);
	execute(cutover, &sql, &ignored);
}

/* One of them that has not answered, or has refused. Those of the version before us answer no calls. */
static bool find_silent(struct cutover *cutover, bool refused, long *count_out, char *name_out, size_t name_size,
			struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, "SELECT count(*), coalesce(min(p.name%s), '')",
		   refused ? " || ' cannot take part: ' || (SELECT refusal FROM crossfade.answers a WHERE a.proxy = p.id AND a.call "
			     "= c.id)" :
			     "");
	buf_append_str(&sql, " FROM (SELECT ");
	append_text(cutover, &sql, cutover->status.id);
	buf_append_str(&sql, "::uuid AS id) c CROSS JOIN LATERAL (SELECT p.*");
	append_others(cutover, &sql);
	buf_printf(&sql, " AND p.map IS NOT NULL) p WHERE %s (SELECT FROM crossfade.answers a WHERE a.proxy = p.id AND a.call = "
			 "c.id%s)",
		   refused ? "EXISTS" : "NOT EXISTS", refused ? " AND a.refusal IS NOT NULL" : "");
	return ask(cutover, &sql, count_out, name_out, name_size, error_out);
}

/* Says what is waited for now and then, and waits a moment; false: the time is over. */
static bool wait_on(struct cutover *cutover, const char *text, uint64_t *said_us, uint32_t ms)
{
	uint64_t now_us = clock_monotonic_us();
	if (now_us - *said_us > SAY_EVERY_MS * UINT64_C(1000)) {
		struct holders holders;
		cutover_say(cutover, CUTOVER_LINE_STEP, "waiting: %s", text);
		cutover_blockers(cutover, &holders);
		cutover_say_holders(cutover, &holders);
		holders_free(&holders);
		*said_us = now_us;
	}
	return now_us < cutover->deadline_us && cutover_sleep(cutover, ms);
}

static enum gathered await_answers(struct cutover *cutover, uint64_t *said_us, struct error *error_out)
{
	char text[400], name[256];
	long count;
	uint64_t until_us = clock_monotonic_us() + CALL_MS * UINT64_C(1000);
	do {
		if (!find_silent(cutover, true, &count, name, sizeof(name), error_out))
			return GATHER_AGAIN;
		if (count) {
			error_set(error_out, "55000", "proxy %s", name);
			error_hint(error_out, "All proxies need the same map for a table that moves: bring it up to date there, and "
					      "RELOAD. SHOW PROXIES lists them.");
			return GATHER_REFUSED;
		}
		if (!find_silent(cutover, false, &count, name, sizeof(name), error_out))
			return GATHER_AGAIN;
		if (!count)
			return GATHERED;
		snprintf(text, sizeof(text), "proxy %s has not answered; if it is gone, it is not waited for once its lease is over",
			 name);
		error_set(error_out, "55P03", "proxy %s has not answered", name);
		error_hint(error_out, "SHOW PROXIES lists all proxies, and until when each has its lease.");
	} while (clock_monotonic_us() < until_us && wait_on(cutover, text, said_us, ANSWER_POLL_MS));
	return GATHER_AGAIN;
}

/* Somebody has said that it must go on. */
static bool end_lost(struct cutover *cutover, const struct holders *lost, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT pg_terminate_backend(pid) FROM unnest('{");
	for (size_t i = 0; i < lost->count; i++)
		buf_printf(&sql, "%s%u", i ? "," : "", lost->items[i].pid);
	buf_append_str(&sql, "}'::int[]) pid");
	if (execute(cutover, &sql, error_out))
		return true;
	error_hint(error_out, "The role of `admin` needs pg_signal_backend to end sessions of other roles.");
	return false;
}

static bool look_for_lost(struct cutover *cutover, bool *found_out, struct error *error_out)
{
	struct holders lost;
	if (!holders_read_lost(cutover->connection, QUERY_MS, &lost, error_out))
		return false;
	*found_out = lost.count > 0;
	if (lost.count)
		error_set(error_out, "55P03", "proxy %s is out of reach, and the server still has sessions of it",
			  lost.items[0].proxy);
	if (lost.count)
		error_hint(error_out, "Let it go on, or end its process and those sessions; with FORCE they are ended here.");
	struct error why;
	if (lost.count && cutover->request.wish.force && !end_lost(cutover, &lost, &why))
		*error_out = why;
	cutover_set_holders(cutover, &lost);
	return true;
}

void cutover_end_lost(struct cutover *cutover)
{
	struct holders lost;
	struct error ignored;
	if (!cutover->request.member || !cutover->request.wish.force ||
	    !holders_read_lost(cutover->connection, QUERY_MS, &lost, &ignored))
		return;
	if (lost.count)
		end_lost(cutover, &lost, &ignored);
	holders_free(&lost);
}

/* What they send names the tables as they were, and nobody holds it up. */
static enum gathered await_lost(struct cutover *cutover, uint64_t *said_us, struct error *error_out)
{
	bool found;
	do {
		if (!look_for_lost(cutover, &found, error_out))
			return GATHER_AGAIN;
		if (!found)
			return GATHERED;
	} while (wait_on(cutover, error_out->message, said_us, LOST_POLL_MS));
	return GATHER_AGAIN;
}

enum gathered cutover_gather(struct cutover *cutover, struct error *error_out)
{
	uint64_t said_us = clock_monotonic_us();
	if (!cutover->request.member)
		return GATHERED;
	cutover_set_step(cutover, CUTOVER_WAIT);
	if (!call_all(cutover, error_out))
		return GATHER_AGAIN;
	enum gathered gathered = await_answers(cutover, &said_us, error_out);
	return gathered == GATHERED ? await_lost(cutover, &said_us, error_out) : gathered;
}

void cutover_say_others(struct cutover *cutover)
{
	char name[256];
	long count;
	struct error ignored;
	struct buf sql;
	if (!cutover->request.member)
		return;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT count(*), coalesce(min(p.name), '')");
	append_others(cutover, &sql);
	buf_append_str(&sql, " AND p.map IS DISTINCT FROM (SELECT map FROM crossfade.proxies o WHERE o.id = ");
	append_text(cutover, &sql, cutover->request.member);
	buf_append_str(&sql, ")");
	if (ask(cutover, &sql, &count, name, sizeof(name), &ignored) && count)
		cutover_say(cutover, CUTOVER_LINE_WARNING,
			    "%ld of the proxies have another map, such as %s; they must agree about the tables that move", count,
			    name);
}

/* ---- the pause ---- */

static bool count_others(struct cutover *cutover, bool unready, long *count_out, char *name_out, size_t name_size,
			 struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT count(*), coalesce(min(p.name), '')");
	if (unready)
		append_unready(cutover, &sql);
	else
		append_others(cutover, &sql);
	return ask(cutover, &sql, count_out, name_out, name_size, error_out);
}

static void append_watched(struct cutover *cutover, struct buf *sql)
{
	buf_append_str(sql, "'{");
	for (size_t i = 0; i < cutover->plan->watched_count; i++)
		buf_printf(sql, "%s%u", i ? "," : "", cutover->plan->watched[i]);
	buf_append_str(sql, "}'::oid[]");
}

/* What the others read again when it is over: they need not read the whole catalog while statements wait. */
static void append_changed(struct cutover *cutover, struct buf *sql)
{
	const struct changed_relations *changed = &cutover->plan->changed;
	buf_append_str(sql, "ARRAY[");
	for (size_t i = 0; i < changed->name_count; i++) {
		buf_append_str(sql, i ? ", " : "");
		append_text(cutover, sql, changed->names[i].schema);
		buf_append_str(sql, ", ");
		append_text(cutover, sql, changed->names[i].name);
	}
	buf_append_str(sql, "]::text[], ARRAY[");
	for (size_t i = 0; i < changed->schema_count; i++) {
		buf_append_str(sql, i ? ", " : "");
		append_text(cutover, sql, changed->schemas[i]);
	}
	buf_append_str(sql, "]::text[]");
}

static bool insert_pause(struct cutover *cutover, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	state_make_id(cutover->pause_id);
	buf_append_str(&sql, "INSERT INTO crossfade.pauses (id, tables, digests, owner, watched, made, schemas, expires_at) VALUES (");
	append_text(cutover, &sql, cutover->pause_id);
	buf_append_str(&sql, ", ");
	append_tables(cutover, &sql);
	buf_append_str(&sql, cutover->request.wish.reverse ? ", 'reverse', " : ", 'cutover', ");
	append_watched(cutover, &sql);
	buf_append_str(&sql, ", ");
	append_changed(cutover, &sql);
	buf_printf(&sql, ", pg_catalog.clock_timestamp() + interval '%u ms');", cutover->request.max_stall_ms + SPARE_MS);
	if (cutover->request.member) { /* we need not hear of it ourselves */
		buf_append_str(&sql, "INSERT INTO crossfade.acknowledgements (pause, proxy) SELECT ");
		append_text(cutover, &sql, cutover->pause_id);
		buf_append_str(&sql, "::uuid, id FROM crossfade.proxies WHERE id = ");
		append_text(cutover, &sql, cutover->request.member);
		buf_append_str(&sql, ";");
	}
	buf_append_str(&sql, "NOTIFY crossfade");
	return execute(cutover, &sql, error_out);
}

/* Also where there are no others now: one that is just starting looks for the row. */
bool cutover_announce(struct cutover *cutover, struct error *error_out)
{
	char name[128];
	long left;
	cutover->announced = false;
	if (cutover->alone)
		return true;
	if (!cutover->request.member && !count_others(cutover, false, &left, name, sizeof(name), error_out))
		return false;
	if (!cutover->request.member && !left)
		return true;
	if (!insert_pause(cutover, error_out))
		return false;
	cutover->announced = true;
	for (;;) {
		if (!count_others(cutover, true, &left, name, sizeof(name), error_out))
			return false;
		if (!left)
			return true;
		if (clock_monotonic_us() >= cutover->stall_deadline_us || !cutover_sleep(cutover, ASK_AGAIN_MS))
			break;
	}
	error_set(error_out, "55P03", "proxy %s has not paused the tables within %u ms", name,
		  cutover->request.max_stall_ms);
	error_hint(error_out, "If it is gone, it is not waited for once its lease is over; SHOW PROXIES lists all.");
	return false;
}

bool cutover_others_are_busy(struct cutover *cutover, bool *busy_out, struct error *error_out)
{
	long count = 0;
	struct buf sql;
	cutover->busy_proxy[0] = '\0';
	if (!cutover->announced)
		return true;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT count(*), coalesce(min(p.name), '')");
	append_others(cutover, &sql);
	buf_append_str(&sql, " AND EXISTS (SELECT FROM crossfade.acknowledgements a WHERE a.proxy = p.id AND NOT a.drained AND "
			     "a.pause = ");
	append_text(cutover, &sql, cutover->pause_id);
	buf_append_str(&sql, ")");
	if (!ask(cutover, &sql, &count, cutover->busy_proxy, sizeof(cutover->busy_proxy), error_out))
		return false;
	*busy_out = count > 0;
	return true;
}

/* ---- in the transaction ---- */

void cutover_append_fence(struct cutover *cutover, struct buf *sql)
{
	if (!cutover->announced)
		return;
	/* Fails when somebody has ended the pause, or has joined since without a word about it. */
	buf_append_str(sql, "SELECT 1 / count(*) FROM (SELECT FROM crossfade.pauses WHERE ended_at IS NULL AND id = ");
	append_text(cutover, sql, cutover->pause_id);
	buf_append_str(sql, " FOR UPDATE) still_ours; SELECT 1 / (count(*) = 0)::int");
	append_unready(cutover, sql);
	buf_append_str(sql, ";");
}

void cutover_explain_fence(struct error *error)
{
	if (strcmp(error->sqlstate, "22012") == 0)
		error_set(error, "55P03", "the pause was ended by somebody else, or another proxy has just started");
}

static void append_end(struct cutover *cutover, struct buf *sql, const char *outcome)
{
	buf_printf(sql,
		   "UPDATE crossfade.pauses SET ended_at = pg_catalog.clock_timestamp(), outcome = '%s' WHERE ended_at IS "
		   "NULL AND id = ",
		   outcome);
	append_text(cutover, sql, cutover->pause_id);
	buf_append_str(sql, "; NOTIFY crossfade;");
}

void cutover_append_end(struct cutover *cutover, struct buf *sql)
{
	if (cutover->announced)
		append_end(cutover, sql, "done");
}

void cutover_withdraw(struct cutover *cutover)
{
	struct error ignored;
	struct buf sql;
	if (!cutover->announced)
		return;
	cutover->announced = false;
	if (!cutover->connection || !catalog_connection_is_alive(cutover->connection))
		return; /* it expires */
	buf_init(&sql);
	append_end(cutover, &sql, "given up");
	execute(cutover, &sql, &ignored);
}
