/*
 * PAUSE and RESUME by hand. Where proxies share their stages, all of them
 * hold the tables up (fleet/hand_pause.h) and PAUSE waits until they do;
 * elsewhere it is a matter of this process alone.
 */
#include "app/server_parts.h"

#include "base/clock.h"
#include "fleet/hand_pause.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

enum { TTL_MS = 60000, QUERY_MS = 5000, READY_MS = 10000, ASK_AGAIN_US = 20000, SAY_AFTER_US = 1000000, GRACE_MS = 3000, PAUSES_MAX = 64 };

#define SQLSTATE_NOT_IN_STATE "55000"

/* A database that the order is about. */
struct place {
	const char *database; /* NULL: every one */
	const char *dsn;      /* where its proxies meet; NULL: it is ours alone */
	struct member *member;
	char id[STATE_ID_BYTES]; /* of the pause that was begun; empty: none */
};

struct order {
	struct server *server;
	const struct console_caller *caller; /* NULL: somebody only looks */
	const struct console_request *request;
	struct error *error;
	struct arena arena;
	bool ok;
	const char *key; /* NULL: all tables */
	struct place *places;
	size_t place_count, shared_count;
	uint32_t poll_ms;
};

/* ---- which databases ---- */

static void add_place(struct order *order, size_t index)
{
	const struct settings_database *settings = &order->server->settings.databases.items[index];
	const struct server_database *database = &order->server->databases[index];
	struct place *place = &order->places[order->place_count++];
	place->database = arena_strdup(&order->arena, rules_database(database->rules));
	place->member = database->member;
	if (!database->member)
		return;
	place->dsn = arena_strdup(&order->arena, settings->primary_dsn ? settings->primary_dsn : settings->admin_dsn);
	order->shared_count++;
}

/* On the main thread. */
static void run_find(void *context)
{
	struct order *order = context;
	struct server *server = order->server;
	const struct ruleset_entry *entry = NULL;
	struct server_database *only = NULL;
	order->ok = !order->request->table.name ||
		    (only = server_find_entry(server, order->request, &entry, order->error)) != NULL;
	if (!order->ok)
		return;
	order->poll_ms = server->settings.poll_ms;
	order->key = entry ? arena_strdup(&order->arena, entry->key) : NULL;
	order->places = ARENA_ARRAY(&order->arena, server->database_count + 1, struct place);
	for (size_t i = 0; i < server->database_count; i++) {
		if (!only || only == &server->databases[i])
			add_place(order, i);
	}
}

static bool find(struct order *order)
{
	if (main_calls_run(order->server->calls, run_find, order))
		return order->ok;
	error_set(order->error, SQLSTATE_ADMIN_SHUTDOWN, "crossfade is ending");
	return false;
}

/* ---- pauses of this process ---- */

static bool pause_here(struct order *order, const char *database)
{
	struct proxy_pause wanted = { .database = database, .tables = &order->key, .table_count = order->key ? 1 : 0,
				      .owner = order->caller->who, .ttl_ms = TTL_MS };
	uint64_t id = proxy_pause(order->server->proxy, &wanted, order->error);
	if (!id)
		return false;
	proxy_pause_await(order->server->proxy, id, PAUSE_PAUSING, GRACE_MS);
	console_progress(order->caller, "new statements wait from now on; the pause ends by itself after %d s", TTL_MS / 1000);
	return true;
}

static bool is_in_database(const struct proxy_pause_info *pause, const char *database)
{
	return !pause->database[0] || !database || strncmp(pause->database, database, sizeof(pause->database) - 1) == 0;
}

static bool is_of_table(const struct proxy_pause_info *pause, const char *key)
{
	return !key || strncmp(pause->tables, key, sizeof(pause->tables) - 1) == 0;
}

/* A cutover's pause is the cutover's to end. */
static bool is_by_hand(const struct proxy_pause_info *pause)
{
	return strcmp(pause->owner, "cutover") != 0 && strcmp(pause->owner, "reverse") != 0;
}

static size_t count_here(const struct order *order, const char *database, bool resume)
{
	struct proxy_pause_info pauses[PAUSES_MAX];
	size_t count = proxy_pause_list(order->server->proxy, pauses, PAUSES_MAX), found = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_by_hand(&pauses[i]) && is_in_database(&pauses[i], database) && is_of_table(&pauses[i], order->key))
			found += resume ? proxy_resume(order->server->proxy, pauses[i].id) : 1;
	}
	return found;
}

/* ---- pauses of all proxies ---- */

static bool await_all(struct order *order, struct catalog_connection *connection, const char *id,
		      struct hand_pause_count *count)
{
	uint32_t wait_ms = order->poll_ms > READY_MS / 2 ? 2 * order->poll_ms : READY_MS;
	uint64_t began_us = clock_monotonic_us(), said_us = began_us;
	uint64_t until_us = began_us + (wait_ms > TTL_MS / 2 ? TTL_MS / 2 : wait_ms) * UINT64_C(1000);
	while (hand_pause_count(connection, id, QUERY_MS, count, order->error)) {
		uint64_t now_us = clock_monotonic_us();
		if (!count->missing[0])
			return true;
		if (now_us >= until_us || console_cancelled(order->caller)) {
			error_set(order->error, SQLSTATE_NOT_IN_STATE, "proxy %s has not paused; nothing is paused", count->missing);
			error_hint(order->error, "SHOW PROXIES lists all proxies. One that is gone is not waited for once its lease is "
						 "over.");
			return false;
		}
		if (now_us - said_us > SAY_AFTER_US) {
			console_progress(order->caller, "waiting: proxy %s has not paused yet", count->missing);
			said_us = now_us;
		}
		usleep(ASK_AGAIN_US);
	}
	return false;
}

static bool begin_shared(struct order *order, struct place *place, struct catalog_connection *connection)
{
	struct hand_pause wanted = { order->key, order->caller->who, TTL_MS };
	struct hand_pause_count count;
	struct error ignored;
	char id[STATE_ID_BYTES];
	if (!hand_pause_begin(connection, &wanted, QUERY_MS, id, order->error))
		return false;
	member_poke(place->member);
	if (!await_all(order, connection, id, &count)) {
		hand_pause_withdraw(connection, id, QUERY_MS, &ignored);
		return false;
	}
	memcpy(place->id, id, sizeof(id));
	console_progress(order->caller,
			 "new statements wait from now on, in %zu %s; the pause ends by itself %d s after it began", count.ready,
			 count.ready == 1 ? "proxy" : "proxies", TTL_MS / 1000);
	return true;
}

static bool pause_shared(struct order *order, struct place *place)
{
	struct catalog_connection *connection = server_connect_state(place->dsn, order->error);
	bool ok = connection && begin_shared(order, place, connection);
	catalog_connection_free(connection);
	return ok;
}

/* Of several databases all are paused, or none. */
static void undo(struct order *order)
{
	struct error ignored;
	for (size_t i = 0; i < order->place_count; i++) {
		struct place *place = &order->places[i];
		if (!place->id[0])
			continue;
		struct catalog_connection *connection = server_connect_state(place->dsn, &ignored);
		if (connection)
			hand_pause_withdraw(connection, place->id, QUERY_MS, &ignored);
		catalog_connection_free(connection);
	}
}

/* Returns when this proxy lets statements through again, which the others do at about the same time. */
static void await_open(const struct order *order, const struct place *place)
{
	uint64_t until_us = clock_monotonic_us() + GRACE_MS * UINT64_C(1000);
	while (count_here(order, place->database, false) && clock_monotonic_us() < until_us)
		usleep(ASK_AGAIN_US);
}

static bool resume_shared(struct order *order, const struct place *place, size_t *ended)
{
	size_t count = 0;
	struct catalog_connection *connection = server_connect_state(place->dsn, order->error);
	bool ok = connection && hand_pause_end(connection, order->key, QUERY_MS, &count, order->error);
	catalog_connection_free(connection);
	if (count) {
		member_poke(place->member);
		await_open(order, place);
	}
	*ended += count;
	return ok;
}

/* ---- the commands ---- */

static bool pause_all(struct order *order)
{
	bool ok = true;
	if (!order->shared_count)
		return pause_here(order, order->key ? order->places[0].database : NULL);
	for (size_t i = 0; ok && i < order->place_count; i++)
		ok = order->places[i].dsn ? pause_shared(order, &order->places[i]) : pause_here(order, order->places[i].database);
	if (!ok)
		undo(order);
	return ok;
}

bool server_pause(struct server *server, const struct console_caller *caller, const struct console_request *request,
		  struct error *error_out)
{
	struct order order = { .server = server, .caller = caller, .request = request, .error = error_out };
	arena_init(&order.arena);
	bool ok = find(&order) && pause_all(&order);
	arena_deinit(&order.arena);
	return ok;
}

static bool resume_all(struct order *order)
{
	size_t ended = 0;
	bool ok = true;
	for (size_t i = 0; i < order->place_count; i++) {
		if (order->places[i].dsn)
			ok = resume_shared(order, &order->places[i], &ended) && ok;
		else
			ended += count_here(order, order->places[i].database, true);
	}
	if (!ok || ended)
		return ok;
	error_set(order->error, SQLSTATE_NOT_IN_STATE, "nothing is paused by hand");
	error_hint(order->error, "A pause ends by itself after %d s; that of a cutover ends with CANCEL CUTOVER.", TTL_MS / 1000);
	return false;
}

bool server_resume(struct server *server, const struct console_caller *caller, const struct console_request *request,
		   struct error *error_out)
{
	struct order order = { .server = server, .caller = caller, .request = request, .error = error_out };
	arena_init(&order.arena);
	bool ok = find(&order) && resume_all(&order);
	arena_deinit(&order.arena);
	return ok;
}

/* ---- SHOW PAUSES ---- */

/* Statements that wait here for pauses of this owner and these tables. */
static int64_t parked_here(const struct proxy_pause_info *pauses, size_t count, const char *owner, const char *tables)
{
	int64_t parked = 0;
	for (size_t i = 0; i < count; i++) {
		bool same = strncmp(pauses[i].owner, owner, sizeof(pauses[i].owner) - 1) == 0 &&
			    strncmp(pauses[i].tables, tables, sizeof(pauses[i].tables) - 1) == 0;
		parked += same ? (int64_t)pauses[i].parked : 0;
	}
	return parked;
}

static void put_shared(struct order *order, const struct place *place, const PGresult *rows,
		       struct console_result *result)
{
	struct proxy_pause_info here[PAUSES_MAX];
	size_t count = proxy_pause_list(order->server->proxy, here, PAUSES_MAX);
	for (int row = 0; row < PQntuples(rows); row++) {
		char *tables = arena_strdup(&order->arena, PQgetvalue(rows, row, 0));
		const char *owner = PQgetvalue(rows, row, 1);
		for (char *c = tables; *c; c++)
			*c = *c == '\n' ? ',' : *c;
		console_put_text(result, place->database);
		console_put_text(result, tables[0] ? tables : NULL);
		console_put_text(result, owner);
		console_put_time(result, strtoll(PQgetvalue(rows, row, 2), NULL, 10));
		console_put_time(result, strtoll(PQgetvalue(rows, row, 3), NULL, 10));
		console_put_number(result, strtoll(PQgetvalue(rows, row, 4), NULL, 10));
		console_put_text(result, PQgetisnull(rows, row, 5) ? NULL : PQgetvalue(rows, row, 5));
		console_put_number(result, parked_here(here, count, owner, tables));
	}
}

static bool show_shared(struct order *order, const struct place *place, struct console_result *result)
{
	PGresult *rows = NULL;
	struct catalog_connection *connection = server_connect_state(place->dsn, order->error);
	bool ok = connection && hand_pause_list(connection, QUERY_MS, &rows, order->error);
	if (ok)
		put_shared(order, place, rows, result);
	PQclear(rows);
	catalog_connection_free(connection);
	return ok;
}

static void show_here(struct order *order, struct console_result *result)
{
	struct proxy_pause_info pauses[PAUSES_MAX];
	size_t count = proxy_pause_list(order->server->proxy, pauses, PAUSES_MAX);
	int64_t now_ms = clock_wall_ms();
	for (size_t i = 0; i < count; i++) {
		console_put_text(result, pauses[i].database[0] ? pauses[i].database : NULL);
		console_put_text(result, pauses[i].tables[0] ? pauses[i].tables : NULL);
		console_put_text(result, pauses[i].owner);
		console_put_time(result, now_ms - (int64_t)pauses[i].age_ms);
		console_put_time(result, now_ms + (int64_t)pauses[i].left_ms);
		console_put_number(result, 1);
		console_put_null(result);
		console_put_number(result, (int64_t)pauses[i].parked);
	}
}

bool server_show_pauses(struct server *server, const struct console_request *request, struct console_result *result,
			struct error *error_out)
{
	struct order order = { .server = server, .request = request, .error = error_out };
	arena_init(&order.arena);
	bool ok = find(&order);
	if (ok && !order.shared_count)
		show_here(&order, result);
	for (size_t i = 0; ok && i < order.place_count; i++)
		ok = !order.places[i].dsn || show_shared(&order, &order.places[i], result);
	arena_deinit(&order.arena);
	return ok;
}
