#include "fleet/member.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CONNECT_MS = 5000,
	QUERY_MS = 5000,
	END_MS = 20000,	   /* ending an expired pause waits for a cutover's transaction */
	BACKOFF_MS = 1000,
	PAUSED_POLL_MS = 50,
	PAUSE_SPARE_MS = 30000, /* should the server be out of reach, the gate opens by itself so much later */
	ACKNOWLEDGE_MS = 2000,
	REFRESH_MS = 10000,
	TABLES_MAX = 1000,
};

/* A pause that we have taken up. */
struct held {
	struct list_link link;
	char id[STATE_ID_BYTES];
	uint64_t pause; /* of the proxy */
	bool seen;	/* in this round, and not over */
};

struct member {
	struct member_settings settings;
	struct member_callbacks callbacks;
	char id[STATE_ID_BYTES];
	pthread_t thread;
	int stop_fd, poke_fd;
	_Atomic bool stopped;
	/* the thread's own */
	struct catalog_connection *connection;
	struct list_link held;
	struct buf stages; /* as last handed out */
	bool told, troubled;
	uint64_t renewed_us;
};

/* ---- our row ---- */

static void append_text(struct member *member, struct buf *sql, const char *text)
{
	catalog_append_literal(member->connection, sql, text);
}

static bool execute(struct member *member, struct buf *sql, uint32_t timeout_ms, struct error *error_out)
{
	bool ok = catalog_execute(member->connection, buf_cstr(sql), timeout_ms, error_out);
	buf_deinit(sql);
	return ok;
}

static bool renew(struct member *member, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "INSERT INTO crossfade.proxies (id, name, version, standby, lease_until) VALUES (");
	append_text(member, &sql, member->id);
	buf_append_str(&sql, ", ");
	append_text(member, &sql, member->settings.name);
	buf_append_str(&sql, ", ");
	append_text(member, &sql, CROSSFADE_VERSION);
	buf_printf(&sql,
		   ", false, pg_catalog.clock_timestamp() + interval '%u ms') ON CONFLICT (id) DO UPDATE SET lease_until = "
		   "excluded.lease_until",
		   member->settings.lease_ms);
	member->renewed_us = clock_monotonic_us();
	return execute(member, &sql, QUERY_MS, error_out);
}

static bool renew_if_due(struct member *member, struct error *error_out)
{
	uint64_t since_ms = (clock_monotonic_us() - member->renewed_us) / 1000;
	return since_ms < member->settings.lease_ms / 4 || renew(member, error_out);
}

/* Rows of proxies that are long gone, and of pauses long over. */
static bool tidy(struct member *member, struct error *error_out)
{
	return catalog_execute(member->connection,
			       "DELETE FROM crossfade.proxies WHERE lease_until < pg_catalog.clock_timestamp() - interval "
			       "'1 day';"
			       "DELETE FROM crossfade.pauses WHERE expires_at < pg_catalog.clock_timestamp() - interval '1 day'",
			       QUERY_MS, error_out);
}

static bool connect_and_join(struct member *member, struct error *error_out)
{
	if (member->connection && catalog_connection_is_alive(member->connection))
		return true;
	catalog_connection_free(member->connection);
	member->connection = NULL;
	return catalog_connect(member->settings.dsn, member->stop_fd, CONNECT_MS, &member->connection, error_out) &&
	       catalog_execute(member->connection,
			       "SET search_path = pg_catalog; SET application_name = 'crossfade member'", QUERY_MS,
			       error_out) &&
	       state_ensure(member->connection, QUERY_MS, error_out) && tidy(member, error_out) &&
	       renew(member, error_out) && catalog_execute(member->connection, "LISTEN crossfade", QUERY_MS, error_out);
}

/* ---- stages ---- */

static bool follow_stages(struct member *member, struct error *error_out)
{
	struct buf text;
	buf_init(&text);
	if (!state_read_stages(member->connection, QUERY_MS, &text, error_out)) {
		buf_deinit(&text);
		return false;
	}
	if (!member->told || !slice_eq(buf_slice(&text), buf_slice(&member->stages))) {
		member->told = true;
		member->callbacks.stages(member->callbacks.context, buf_cstr(&text));
		buf_deinit(&member->stages);
		member->stages = text;
	} else {
		buf_deinit(&text);
	}
	return true;
}

/* ---- pauses ---- */

static struct held *find_held(struct member *member, const char *id)
{
	LIST_FOR_EACH(link, &member->held)
	{
		struct held *held = LIST_ENTRY(link, struct held, link);
		if (strcmp(held->id, id) == 0)
			return held;
	}
	return NULL;
}

static bool acknowledge(struct member *member, const char *id, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "INSERT INTO crossfade.acknowledgements (pause, proxy) VALUES (");
	append_text(member, &sql, id);
	buf_append_str(&sql, ", ");
	append_text(member, &sql, member->id);
	buf_append_str(&sql, ") ON CONFLICT DO NOTHING");
	return execute(member, &sql, QUERY_MS, error_out);
}

/* One table a line: names may hold anything else. */
static size_t split_tables(char *text, const char **tables)
{
	size_t count = 0;
	for (char *line = strtok(text, "\n"); line && count < TABLES_MAX; line = strtok(NULL, "\n"))
		tables[count++] = line;
	return count;
}

static uint64_t pause_tables(struct member *member, char *text, const char *owner, uint32_t ttl_ms)
{
	const char **tables = memory_zalloc(TABLES_MAX * sizeof(*tables));
	struct proxy_pause wanted = { .database = member->settings.database, .tables = tables, .owner = owner,
				      .ttl_ms = ttl_ms };
	struct error error;
	wanted.table_count = split_tables(text, tables);
	uint64_t pause = wanted.table_count ? proxy_pause(member->settings.proxy, &wanted, &error) : 0;
	free(tables);
	return pause;
}

/* Acknowledged only when every worker holds such statements up. */
static bool take_up(struct member *member, const char *id, char *tables, const char *owner, long left_ms,
		    struct error *error_out)
{
	uint64_t pause = pause_tables(member, tables, owner, (uint32_t)left_ms + PAUSE_SPARE_MS);
	if (!pause)
		return true; /* then it is not acknowledged, and the cutover does not begin */
	struct held *held = memory_zalloc(sizeof(*held));
	snprintf(held->id, sizeof(held->id), "%s", id);
	held->pause = pause;
	held->seen = true;
	link_append(&member->held, &held->link);
	return !proxy_pause_await(member->settings.proxy, pause, PAUSE_PAUSING, ACKNOWLEDGE_MS) ||
	       acknowledge(member, id, error_out);
}

/* Waits for the transaction that holds the row, if there is one. */
static bool end_expired(struct member *member, const char *id, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "UPDATE crossfade.pauses SET ended_at = pg_catalog.clock_timestamp(), outcome = 'expired' "
			     "WHERE ended_at IS NULL AND id = ");
	append_text(member, &sql, id);
	return execute(member, &sql, END_MS, error_out);
}

static void open_again(struct member *member, struct held *held)
{
	member->callbacks.refresh(member->callbacks.context, REFRESH_MS);
	proxy_resume(member->settings.proxy, held->pause);
	link_remove(&held->link);
	free(held);
}

static void open_ended(struct member *member)
{
	LIST_FOR_EACH_SAFE(link, &member->held)
	{
		struct held *held = LIST_ENTRY(link, struct held, link);
		if (!held->seen)
			open_again(member, held);
	}
}

/* One row of a pause that is not over. */
static bool look_at_pause(struct member *member, const PGresult *result, int row, struct error *error_out)
{
	const char *id = PQgetvalue(result, row, 0), *owner = PQgetvalue(result, row, 2);
	long left_ms = strtol(PQgetvalue(result, row, 3), NULL, 10);
	bool acknowledged = PQgetvalue(result, row, 4)[0] == 't';
	struct held *held = find_held(member, id);
	if (held && left_ms <= 0)
		return end_expired(member, id, error_out); /* not seen: it opens */
	if (held)
		held->seen = true;
	if (held || acknowledged || left_ms <= 0)
		return true;
	return take_up(member, id, PQgetvalue(result, row, 1), owner, left_ms, error_out);
}

static bool follow_pauses(struct member *member, struct error *error_out)
{
	PGresult *result = NULL;
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql,
		       "SELECT p.id, pg_catalog.array_to_string(p.tables, E'\\n'), p.owner, (extract(epoch from p.expires_at "
		       "- pg_catalog.clock_timestamp()) * 1000)::bigint, EXISTS (SELECT FROM crossfade.acknowledgements a WHERE "
		       "a.pause = p.id AND a.proxy = ");
	append_text(member, &sql, member->id);
	buf_append_str(&sql, ") FROM crossfade.pauses p WHERE p.ended_at IS NULL");
	bool ok = catalog_query(member->connection, buf_cstr(&sql), QUERY_MS, &result, 1, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	LIST_FOR_EACH(link, &member->held)
	LIST_ENTRY(link, struct held, link)->seen = false;
	for (int row = 0; ok && row < PQntuples(result); row++)
		ok = look_at_pause(member, result, row, error_out);
	PQclear(result);
	if (ok)
		open_ended(member);
	return ok;
}

/* ---- the thread ---- */

static bool round_once(struct member *member, struct error *error_out)
{
	return connect_and_join(member, error_out) && renew_if_due(member, error_out) &&
	       follow_stages(member, error_out) && follow_pauses(member, error_out);
}

static void report(struct member *member, bool ok, const struct error *error)
{
	if (!ok && !member->troubled)
		LOG(LOG_WARNING, "fleet_unreachable", LOG_STR("database", member->settings.database),
		    LOG_STR("error", error->message));
	else if (ok && member->troubled)
		LOG(LOG_INFO, "fleet_reachable", LOG_STR("database", member->settings.database));
	member->troubled = !ok;
}

static void wait_until_due(struct member *member, bool ok)
{
	uint32_t ms = !ok ? BACKOFF_MS : !link_is_empty(&member->held) ? PAUSED_POLL_MS : member->settings.poll_ms;
	struct pollfd fds[] = {
		{ .fd = member->stop_fd, .events = POLLIN },
		{ .fd = member->poke_fd, .events = POLLIN },
		{ .fd = ok && member->connection ? catalog_connection_fd(member->connection) : -1, .events = POLLIN },
	};
	if (ok && catalog_connection_notified(member->connection))
		return; /* it came while we were looking */
	poll(fds, 3, (int)ms);
	if (fds[1].revents)
		eventfd_read(member->poke_fd, &(eventfd_t){ 0 });
	if (fds[2].revents)
		catalog_connection_listen(member->connection);
}

static void leave(struct member *member)
{
	struct error ignored;
	struct buf sql;
	while (!link_is_empty(&member->held)) {
		struct held *held = LIST_ENTRY(member->held.next, struct held, link);
		proxy_resume(member->settings.proxy, held->pause);
		link_remove(&held->link);
		free(held);
	}
	catalog_connection_free(member->connection);
	member->connection = NULL;
	/* stop_fd ends the waits of the old one. */
	if (!member->told || member->troubled ||
	    !catalog_connect(member->settings.dsn, -1, BACKOFF_MS, &member->connection, &ignored))
		return;
	buf_init(&sql);
	buf_append_str(&sql, "DELETE FROM crossfade.proxies WHERE id = ");
	append_text(member, &sql, member->id);
	execute(member, &sql, BACKOFF_MS, &ignored);
	catalog_connection_free(member->connection);
}

static void *run(void *context)
{
	struct member *member = context;
	while (!atomic_load(&member->stopped)) {
		struct error error;
		bool ok = round_once(member, &error);
		if (!atomic_load(&member->stopped))
			report(member, ok, &error);
		wait_until_due(member, ok);
	}
	leave(member);
	return NULL;
}

/* ---- life ---- */

struct member *member_new(const struct member_settings *settings, struct member_callbacks callbacks)
{
	struct member *member = memory_zalloc(sizeof(*member));
	sigset_t all, before;
	member->settings = *settings;
	member->settings.dsn = memory_strdup(settings->dsn);
	member->settings.database = memory_strdup(settings->database);
	member->settings.name = memory_strdup(settings->name);
	member->callbacks = callbacks;
	state_make_id(member->id);
	link_init(&member->held);
	buf_init(&member->stages);
	member->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	member->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sigfillset(&all); /* signals are for the main thread */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&member->thread, NULL, run, member) != 0)
		memory_exhausted(0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return member;
}

void member_free(struct member *member)
{
	if (!member)
		return;
	atomic_store(&member->stopped, true);
	eventfd_write(member->stop_fd, 1);
	pthread_join(member->thread, NULL);
	close(member->stop_fd);
	close(member->poke_fd);
	buf_deinit(&member->stages);
	free((char *)member->settings.dsn);
	free((char *)member->settings.database);
	free((char *)member->settings.name);
	free(member);
}

void member_poke(struct member *member)
{
	eventfd_write(member->poke_fd, 1);
}

const char *member_id(const struct member *member)
{
	return member->id;
}
