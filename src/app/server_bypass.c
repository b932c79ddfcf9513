/* Telling the sessions that came past the proxy from its own, each time somebody has looked who is connected. */
#include "app/server_parts.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

/* Just now it may have been one of ours that had not heard yet which process serves it. */
enum { SETTLED_MS = 3000 };

static int compare_pids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static bool has_pid(const uint32_t *pids, size_t count, uint32_t pid)
{
	return count && bsearch(&pid, pids, count, sizeof(*pids), compare_pids);
}

/*
 * What has begun since another proxy last said which sessions are its may be
 * one of them. Whoever may not see how old a session is takes those that were
 * there the last time: all proxies look and say so equally often.
 */
static bool has_settled(const struct server_database *database, const struct activity *activity,
			const struct activity_session *session)
{
	if (session->age_ms < 0)
		return has_pid(database->seen, database->seen_count, session->pid);
	return session->age_ms >= SETTLED_MS && session->age_ms >= activity->told_ms;
}

/* They come sorted. */
static void remember_seen(struct server_database *database, const struct activity *activity)
{
	free(database->seen);
	database->seen = memory_zalloc((activity->count + 1) * sizeof(*database->seen));
	database->seen_count = activity->count;
	for (size_t i = 0; i < activity->count; i++)
		database->seen[i] = activity->sessions[i].pid;
}

/*
 * On the watcher's thread. With a pooler between us and the server none of our
 * sessions can be told apart: then nothing is said rather than something wrong.
 */
void server_on_activity(void *context, const struct activity *activity)
{
	struct server_database *database = context;
	size_t pid_count, count = 0, ours = 0;
	uint32_t *pids = proxy_server_pids(database->server->proxy, &pid_count);
	struct usage_bypass *items = memory_zalloc((activity->count + 1) * sizeof(*items));
	qsort(pids, pid_count, sizeof(*pids), compare_pids);
	for (size_t i = 0; i < activity->count; i++) {
		const struct activity_session *session = &activity->sessions[i];
		if (has_pid(pids, pid_count, session->pid))
			ours++;
		else if (session->is_here && !session->of_proxy && has_settled(database, activity, session))
			items[count++] = (struct usage_bypass){ session->user, session->application, session->address,
								session->kind, 1 };
	}
	if (ours || !pid_count)
		usage_looked(database->server->usage, activity->database, items, count);
	remember_seen(database, activity);
	free(items);
	free(pids);
}

uint32_t *server_pids(void *context, size_t *count_out)
{
	struct server_database *database = context;
	return proxy_server_pids(database->server->proxy, count_out);
}

/* ---- for those who look ---- */

enum { CONNECT_MS = 5000, QUERY_MS = 10000 };

bool server_each_bypass(struct server *server, const char *dsn, server_bypass_fn *each, void *context,
			struct error *error_out)
{
	struct catalog_connection *connection = NULL;
	struct activity activity;
	size_t pid_count;
	bool ok = catalog_connect(dsn, -1, CONNECT_MS, &connection, error_out) &&
		  activity_load(connection, server->id, QUERY_MS, &activity, error_out);
	catalog_connection_free(connection);
	if (!ok)
		return false;
	uint32_t *pids = proxy_server_pids(server->proxy, &pid_count); /* after the look: whoever came since is known */
	qsort(pids, pid_count, sizeof(*pids), compare_pids);
	for (size_t i = 0; i < activity.count; i++) {
		const struct activity_session *session = &activity.sessions[i];
		bool is_young = session->age_ms >= 0 && session->age_ms < activity.told_ms;
		if (session->is_here && !session->of_proxy && !is_young && !has_pid(pids, pid_count, session->pid))
			each(context, activity.database, session);
	}
	free(pids);
	activity_deinit(&activity);
	return true;
}

static void put_session(void *context, const char *database, const struct activity_session *session)
{
	struct console_result *result = context;
	console_put_text(result, database);
	console_put_number(result, session->pid);
	console_put_text(result, session->user);
	console_put_text(result, session->application);
	console_put_text(result, session->address);
	console_put_text(result, session->kind);
	console_put_time(result, session->age_ms < 0 ? 0 : clock_wall_ms() - session->age_ms);
}

bool server_show_bypass(struct server *server, const char *dsn, struct console_result *result,
			struct error *error_out)
{
	return server_each_bypass(server, dsn, put_session, result, error_out);
}
