/*
 * The way of a batch:
 *
 *   workers → ledger in memory ──BEGIN on both sides──▶ rows sent ──COMMIT there──▶ forgotten here
 *                                                                     │ no answer
 *                                                                     ▼
 *                     nothing is added here until the number of the batch, which our row of
 *                     observations holds there, says whether it was done
 */
#include "shared/parts.h"

#include "base/clock.h"
#include "base/memory.h"
#include "model/name.h"
#include "usage/schema.h"
#include "usage/store_db.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- the place ---- */

bool shared_split_place(const char *place, char **schema_out, char **dsn_out)
{
	const char *name = strchr(place, ':') + 1, *dsn = strchr(name, '\n');
	if (!dsn)
		return false;
	char *plain = memory_copy(name, (size_t)(dsn - name));
	struct buf quoted;
	buf_init(&quoted);
	name_append_quoted(&quoted, plain);
	*schema_out = memory_strdup(buf_cstr(&quoted));
	*dsn_out = memory_strdup(dsn + 1);
	buf_deinit(&quoted);
	free(plain);
	return true;
}

struct usage_shared *shared_open(const char *place, const struct usage_settings *settings)
{
	struct usage_shared *shared = memory_zalloc(sizeof(*shared));
	shared->settings = *settings;
	if (!shared_split_place(place, &shared->schema, &shared->dsn)) {
		shared->schema = memory_strdup("crossfade");
		shared->dsn = memory_strdup("");
	}
	return shared;
}

static struct usage_shared *open_held(const char *place, const struct usage_settings *settings)
{
	struct usage_shared *shared = shared_open(place, settings);
	shared->link = catalog_link_for(shared->dsn);
	return shared;
}

void shared_close(struct usage_shared *shared)
{
	if (!shared)
		return;
	shared_disconnect(shared);
	catalog_link_unref(shared->link);
	free(shared->schema);
	free(shared->dsn);
	free(shared);
}

/* ---- the connection ---- */

void shared_disconnect(struct usage_shared *shared)
{
	struct error ignored;
	if (shared->link && shared->connection) {
		if (catalog_connection_is_alive(shared->connection))
			catalog_execute(shared->connection, "RESET ALL; SET search_path = pg_catalog", SHARED_QUERY_MS, &ignored);
		catalog_link_give(shared->link, shared->connection);
	} else {
		catalog_connection_free(shared->connection);
	}
	shared->connection = NULL;
}

static bool open_connection(struct usage_shared *shared, struct error *error_out)
{
	return shared->link ? catalog_link_take(shared->link, -1, SHARED_CONNECT_MS, &shared->connection, error_out) :
			      catalog_connect(shared->dsn, -1, SHARED_CONNECT_MS, &shared->connection, error_out);
}

bool shared_run(struct usage_shared *shared, const char *sql, struct pg_result **result_out, struct error *error_out)
{
	PGresult *result;
	bool ok = catalog_query(shared->connection, sql, SHARED_QUERY_MS, &result, 1, error_out);
	if (ok && result_out)
		*result_out = result;
	else if (ok)
		PQclear(result);
	return ok;
}

static bool set_up(struct usage_shared *shared, struct error *error_out)
{
	char sql[512];
	snprintf(sql, sizeof(sql),
		 "SELECT set_config('lock_timeout', '%d', false), set_config('statement_timeout', '%d', false),"
		 " set_config('idle_in_transaction_session_timeout', '%d', false), set_config('search_path', 'pg_catalog', false),"
		 " set_config('synchronous_commit', 'off', false)",
		 SHARED_LOCK_MS, SHARED_QUERY_MS, 4 * SHARED_QUERY_MS);
	return shared_run(shared, sql, NULL, error_out);
}

bool shared_connect(struct usage_shared *shared, struct error *error_out)
{
	if (shared->connection && catalog_connection_is_alive(shared->connection))
		return true;
	shared_disconnect(shared);
	if (!open_connection(shared, error_out))
		return false;
	if (set_up(shared, error_out))
		return true;
	shared_disconnect(shared);
	return false;
}

/* ---- memory ---- */

static bool exec(struct usage_store *store, const char *sql, struct error *error_out)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	usage_schema_error(store->db, "in memory", "write to", error_out);
	return false;
}

/* Ids of the server's rows, by ids of ours. */
static bool make_ids(struct usage_store *store, struct error *error_out)
{
	return exec(store, "CREATE TABLE IF NOT EXISTS shared_ids (kind TEXT, local INTEGER, remote INTEGER,"
			   " PRIMARY KEY (kind, local)) WITHOUT ROWID", error_out);
}

/* Another ledger in the same place: what we know of its rows is wrong. */
static bool take_ledger(struct usage_shared *shared, struct usage_store *store, const char *ledger, struct error *error_out)
{
	if (strcmp(shared->ledger, ledger) == 0)
		return true;
	snprintf(shared->ledger, sizeof(shared->ledger), "%s", ledger);
	shared->observation = 0;
	shared->entries_hash = 0;
	return exec(store, "DELETE FROM shared_ids", error_out);
}

static bool connect_and_prepare(struct usage_shared *shared, struct usage_store *store, struct error *error_out)
{
	char ledger[64];
	return shared_connect(shared, error_out) && shared_prepare(shared, true, ledger, error_out) &&
	       make_ids(store, error_out) && take_ledger(shared, store, ledger, error_out);
}

/* ---- in doubt ---- */

static void undo(struct usage_shared *shared)
{
	shared->observation = shared->before.observation;
	shared->entries_hash = shared->before.entries_hash;
}

static bool batch_is_there(struct usage_shared *shared, struct usage_store *store, bool *there_out, struct error *error_out)
{
	PGresult *result;
	struct buf sql;
	char host[256] = "";
	gethostname(host, sizeof(host) - 1);
	buf_init(&sql);
	buf_printf(&sql, "SELECT id FROM %s.usage_observations WHERE batch >= %lld AND pid = %d AND started_ms = %lld AND host = ",
		   shared->schema, (long long)shared->batch, (int)getpid(), (long long)store->observation->started_ms);
	catalog_append_literal(shared->connection, &sql, host);
	bool ok = shared_run(shared, buf_cstr(&sql), &result, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	*there_out = PQntuples(result) > 0;
	if (*there_out)
		shared->observation = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return true;
}

static bool settle(struct usage_shared *shared, struct usage_store *store, struct error *error_out)
{
	bool there = false;
	char ledger[64];
	if (!shared->in_doubt)
		return true;
	if (!shared_connect(shared, error_out) || !shared_prepare(shared, true, ledger, error_out) ||
	    !batch_is_there(shared, store, &there, error_out))
		return false;
	shared->in_doubt = false;
	if (!there)
		undo(shared);
	if (!there)
		return exec(store, "ROLLBACK", error_out);
	return shared_forget(store, error_out) && exec(store, "COMMIT", error_out) && store_recount(store);
}

/* ---- a batch ---- */

static bool commit(struct usage_shared *shared, struct usage_store *store, struct error *error_out)
{
	if (shared_run(shared, "COMMIT", NULL, error_out)) {
		struct error ignored;
		bool ok = shared_forget(store, &ignored) && exec(store, "COMMIT", &ignored) && store_recount(store);
		store->broken |= !ok;
		return true;
	}
	/* An error that the server sent is an answer: it was rolled back. */
	bool answered = shared->connection && catalog_connection_is_alive(shared->connection);
	shared->in_doubt = !answered;
	if (answered) {
		undo(shared);
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	}
	return false;
}

/* Nobody may tidy up, which makes ids that we know wrong, before this batch is done. */
static bool hold_ledger(struct usage_shared *shared, struct error *error_out)
{
	PGresult *result;
	char sql[256];
	snprintf(sql, sizeof(sql), "SELECT value FROM %s.usage_meta WHERE key = 'ledger' FOR SHARE", shared->schema);
	if (!shared_run(shared, sql, &result, error_out))
		return false;
	bool same = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), shared->ledger) == 0;
	PQclear(result);
	if (!same)
		error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "the usage ledger has just been tidied up");
	return same;
}

static bool ship(struct usage_shared *shared, struct usage_store *store, struct error *error_out)
{
	if (!connect_and_prepare(shared, store, error_out) || !exec(store, "BEGIN", error_out))
		return false;
	shared->batch++;
	shared->before.observation = shared->observation;
	shared->before.entries_hash = shared->entries_hash;
	if (shared_run(shared, "BEGIN", NULL, error_out) && hold_ledger(shared, error_out) &&
	    shared_send(shared, store, error_out))
		return commit(shared, store, error_out);
	sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	undo(shared);
	shared_disconnect(shared);
	return false;
}

static bool stop(struct usage_shared *shared, int64_t now_ms, uint64_t lost, struct error *error_out)
{
	char sql[512];
	if (!shared->observation)
		return true; /* nobody has heard of it */
	if (!shared_connect(shared, error_out))
		return false;
	snprintf(sql, sizeof(sql),
		 "UPDATE %s.usage_observations SET stopped_ms = %lld, heartbeat_ms = %lld, lost = lost + %llu WHERE id = %lld",
		 shared->schema, (long long)now_ms, (long long)now_ms, (unsigned long long)lost,
		 (long long)shared->observation);
	if (!shared_run(shared, sql, NULL, error_out))
		return false;
	shared->observation = 0; /* what comes later is another one */
	return true;
}

static bool check(const char *place, struct error *error_out)
{
	struct usage_settings settings = usage_settings_default();
	struct usage_shared *shared = shared_open(place, &settings);
	struct error unreachable;
	char ledger[64];
	bool ok = true;
	if (shared_connect(shared, &unreachable)) {
		ok = shared_prepare(shared, false, ledger, error_out) || strstr(error_out->message, "holds no usage ledger");
	}
	shared_close(shared);
	return ok;
}

/* ---- for whoever holds a ledger: between two calls others of this process have the connection ---- */

static bool settle_now(struct usage_shared *shared, struct usage_store *store, struct error *error_out)
{
	bool ok = settle(shared, store, error_out);
	shared_disconnect(shared);
	return ok;
}

static bool ship_now(struct usage_shared *shared, struct usage_store *store, struct error *error_out)
{
	bool ok = ship(shared, store, error_out);
	shared_disconnect(shared);
	return ok;
}

static bool stop_now(struct usage_shared *shared, int64_t now_ms, uint64_t lost, struct error *error_out)
{
	bool ok = stop(shared, now_ms, lost, error_out);
	shared_disconnect(shared);
	return ok;
}

static bool maintain_now(struct usage_shared *shared, struct error *error_out)
{
	bool ok = shared_maintain(shared, error_out);
	shared_disconnect(shared);
	return ok;
}

const struct usage_shared_ops *shared_ops(void)
{
	static const struct usage_shared_ops ops = { open_held, shared_close,  settle_now,  ship_now,
						     stop_now,	maintain_now, shared_read, check };
	return &ops;
}
