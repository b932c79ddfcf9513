/*
 * The other proxies of the database: a cutover begins when each of them that
 * is alive has paused the tables as well (member.h). The row of its pause is
 * locked first in the transaction, so that nobody can end the pause while it
 * runs, and is ended by its COMMIT.
 */
#include "fleet/cutover_parts.h"

#include "base/clock.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum { SPARE_MS = 1500, ASK_AGAIN_MS = 3 };

static void append_text(struct cutover *cutover, struct buf *sql, const char *text)
{
	catalog_append_literal(cutover->connection, sql, text);
}

/* Proxies that are alive, but for ourselves. */
static void append_others(struct cutover *cutover, struct buf *sql)
{
	buf_append_str(sql, " FROM crossfade.proxies p WHERE p.lease_until > pg_catalog.clock_timestamp() AND NOT p.standby");
	if (cutover->request.member) {
		buf_append_str(sql, " AND p.id <> ");
		append_text(cutover, sql, cutover->request.member);
	}
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

static bool count_others(struct cutover *cutover, bool unacknowledged, long *count_out, char *name_out, size_t name_size,
			 struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "SELECT count(*), coalesce(min(p.name), '')");
	append_others(cutover, &sql);
	if (unacknowledged) {
		buf_append_str(&sql, " AND NOT EXISTS (SELECT FROM crossfade.acknowledgements a WHERE a.proxy = p.id AND a.pause = ");
		append_text(cutover, &sql, cutover->pause_id);
		buf_append_str(&sql, ")");
	}
	return ask(cutover, &sql, count_out, name_out, name_size, error_out);
}

static bool insert_pause(struct cutover *cutover, struct error *error_out)
{
	const struct move_plan *plan = cutover->plan;
	struct buf sql;
	buf_init(&sql);
	state_make_id(cutover->pause_id);
	buf_append_str(&sql, "INSERT INTO crossfade.pauses (id, tables, owner, expires_at) VALUES (");
	append_text(cutover, &sql, cutover->pause_id);
	buf_append_str(&sql, ", ARRAY[");
	for (size_t i = 0; i < plan->key_count; i++) {
		buf_append_str(&sql, i ? ", " : "");
		append_text(cutover, &sql, plan->keys[i]);
	}
	buf_printf(&sql, "]::text[], '%s', pg_catalog.clock_timestamp() + interval '%u ms');",
		   cutover->request.wish.reverse ? "reverse" : "cutover", cutover->request.max_stall_ms + SPARE_MS);
	if (cutover->request.member) { /* we need not hear of it ourselves */
		buf_append_str(&sql, "INSERT INTO crossfade.acknowledgements (pause, proxy) SELECT ");
		append_text(cutover, &sql, cutover->pause_id);
		buf_append_str(&sql, "::uuid, id FROM crossfade.proxies WHERE id = ");
		append_text(cutover, &sql, cutover->request.member);
		buf_append_str(&sql, ";");
	}
	buf_append_str(&sql, "NOTIFY crossfade");
	bool ok = catalog_execute(cutover->connection, buf_cstr(&sql), POLL_MS, error_out);
	buf_deinit(&sql);
	return ok;
}

bool cutover_announce(struct cutover *cutover, struct error *error_out)
{
	char name[128];
	long left;
	cutover->announced = false;
	if (!count_others(cutover, false, &left, name, sizeof(name), error_out))
		return false;
	if (!left)
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

void cutover_append_fence(struct cutover *cutover, struct buf *sql)
{
	if (!cutover->announced)
		return;
	/* Fails when somebody has ended the pause. */
	buf_append_str(sql, "SELECT 1 / count(*) FROM (SELECT FROM crossfade.pauses WHERE ended_at IS NULL AND id = ");
	append_text(cutover, sql, cutover->pause_id);
	buf_append_str(sql, " FOR UPDATE) still_ours;");
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
	if (!catalog_connection_is_alive(cutover->connection))
		return; /* it expires */
	buf_init(&sql);
	append_end(cutover, &sql, "given up");
	catalog_execute(cutover->connection, buf_cstr(&sql), POLL_MS, &ignored);
	buf_deinit(&sql);
}
