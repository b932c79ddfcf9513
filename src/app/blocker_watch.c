#include "app/blocker_watch.h"

#include "app/report_blockers.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "check/blockers.h"
#include "rewrite/rewriter.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000, FRESH_FOR_MS = 5000, WAIT_MS = 2000 };
/* Reading every function of a large database takes a while: it may take 5 % of a core. */
enum { SHARE = 20 };

struct watched {
	char *dsn; /* NULL: there is no admin connection */
	char *name; /* NULL: the only one */
	struct findings findings; /* of the last answer */
	int64_t asked_ms; /* … and its time; 0: none yet */
	bool failed;
	struct error error; /* failed: why the last attempt did */
};

struct blocker_watch {
	struct overview *overview;
	struct watched *items;
	size_t count;
	pthread_t thread;
	int stop_fd;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* the thread: wanted or stopping */
	pthread_cond_t ended; /* a round */
	bool wanted, stopping;
	uint64_t rounds;
	uint64_t ended_us, took_us; /* of the last round */
};

/* ---- asking ---- */

static bool ask(struct blocker_watch *watch, const char *dsn, const struct ruleset *ruleset, struct findings *findings,
		struct error *error_out)
{
	struct catalog_connection *connection = NULL;
	if (!ruleset || !ruleset->facts) {
		error_set(error_out, SQLSTATE_INTERNAL_ERROR, "the catalog was not read yet");
		return false;
	}
	bool ok = catalog_connect(dsn, watch->stop_fd, TIMEOUT_MS, &connection, error_out) &&
		  blockers_find(connection, ruleset, NULL, 0, TIMEOUT_MS, findings, error_out);
	catalog_connection_free(connection);
	return ok;
}

static void ask_one(struct blocker_watch *watch, struct watched *own, const struct ruleset *ruleset)
{
	struct findings findings;
	struct error error;
	pthread_mutex_lock(&watch->lock);
	char *dsn = own->dsn ? memory_strdup(own->dsn) : NULL;
	pthread_mutex_unlock(&watch->lock);
	if (!dsn)
		return;
	findings_init(&findings);
	bool ok = ask(watch, dsn, ruleset, &findings, &error);
	pthread_mutex_lock(&watch->lock);
	own->failed = !ok;
	if (ok) {
		struct findings before = own->findings;
		own->findings = findings;
		own->asked_ms = clock_wall_ms();
		findings = before;
	} else {
		own->error = error;
	}
	pthread_mutex_unlock(&watch->lock);
	findings_deinit(&findings);
	free(dsn);
}

static void ask_all(struct blocker_watch *watch)
{
	struct overview_databases databases;
	overview_databases(watch->overview, &databases);
	for (size_t i = 0; i < databases.count && i < watch->count; i++)
		ask_one(watch, &watch->items[i], databases.items[i].ruleset);
	overview_databases_deinit(&databases);
}

static void *run(void *context)
{
	struct blocker_watch *watch = context;
	pthread_mutex_lock(&watch->lock);
	while (!watch->stopping) {
		if (!watch->wanted) {
			pthread_cond_wait(&watch->wake, &watch->lock);
			continue;
		}
		pthread_mutex_unlock(&watch->lock);
		uint64_t began_us = clock_monotonic_us();
		ask_all(watch);
		pthread_mutex_lock(&watch->lock);
		watch->wanted = false;
		watch->rounds++;
		watch->ended_us = clock_monotonic_us();
		watch->took_us = watch->ended_us - began_us;
		pthread_cond_broadcast(&watch->ended);
	}
	pthread_mutex_unlock(&watch->lock);
	return NULL;
}

/* ---- telling ---- */

/* Under the lock. */
static bool is_due(const struct blocker_watch *watch)
{
	uint64_t rest_us = watch->took_us * SHARE;
	if (rest_us < FRESH_FOR_MS * UINT64_C(1000))
		rest_us = FRESH_FOR_MS * UINT64_C(1000);
	return !watch->rounds || clock_monotonic_us() - watch->ended_us >= rest_us;
}

/* Under the lock. */
static void refresh(struct blocker_watch *watch)
{
	uint64_t before = watch->rounds;
	struct timespec until;
	if (!watch->wanted && !is_due(watch))
		return;
	watch->wanted = true;
	pthread_cond_signal(&watch->wake);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	while (watch->rounds == before && !watch->stopping) {
		if (pthread_cond_timedwait(&watch->ended, &watch->lock, &until) != 0)
			return;
	}
}

static void tell(const struct watched *own, struct report *report)
{
	if (!own->dsn)
		return;
	report_blockers_take(report, &own->findings);
	report_add_asked(report, own->name, own->asked_ms,
			 own->failed ? own->error.message : own->asked_ms ? NULL : "it has not answered yet");
}

void blocker_watch_add(struct blocker_watch *watch, struct report *report)
{
	pthread_mutex_lock(&watch->lock);
	refresh(watch);
	for (size_t i = 0; i < watch->count; i++)
		tell(&watch->items[i], report);
	pthread_mutex_unlock(&watch->lock);
}

/* ---- life ---- */

void blocker_watch_configure(struct blocker_watch *watch, const struct settings_databases *databases)
{
	pthread_mutex_lock(&watch->lock);
	for (size_t i = 0; i < watch->count && i < databases->count; i++) {
		const struct settings_database *database = &databases->items[i];
		free(watch->items[i].dsn);
		free(watch->items[i].name);
		watch->items[i].dsn = database->admin_dsn ? memory_strdup(database->admin_dsn) : NULL;
		watch->items[i].name = database->name ? memory_strdup(database->name) : NULL;
	}
	pthread_mutex_unlock(&watch->lock);
}

static void destroy(struct blocker_watch *watch)
{
	for (size_t i = 0; i < watch->count; i++) {
		free(watch->items[i].dsn);
		free(watch->items[i].name);
		findings_deinit(&watch->items[i].findings);
	}
	free(watch->items);
	close(watch->stop_fd);
	pthread_mutex_destroy(&watch->lock);
	pthread_cond_destroy(&watch->wake);
	pthread_cond_destroy(&watch->ended);
	free(watch);
}

struct blocker_watch *blocker_watch_new(struct overview *overview, const struct settings_databases *databases)
{
	struct blocker_watch *watch = memory_zalloc(sizeof(*watch));
	watch->overview = overview;
	watch->count = databases->count;
	watch->items = memory_zalloc(watch->count * sizeof(*watch->items) + 1);
	for (size_t i = 0; i < watch->count; i++)
		findings_init(&watch->items[i].findings);
	watch->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&watch->lock, NULL);
	pthread_cond_init(&watch->wake, NULL);
	pthread_cond_init(&watch->ended, NULL);
	blocker_watch_configure(watch, databases);
	/* What is parsed there may be nested as deeply as a client's. */
	if (thread_start(&watch->thread, "blockers", REWRITE_PARSE_STACK_BYTES, run, watch))
		return watch;
	destroy(watch);
	return NULL;
}

void blocker_watch_free(struct blocker_watch *watch)
{
	uint64_t one = 1;
	if (!watch)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->stopping = true;
	pthread_cond_broadcast(&watch->wake);
	pthread_cond_broadcast(&watch->ended);
	pthread_mutex_unlock(&watch->lock);
	(void)!write(watch->stop_fd, &one, sizeof(one));
	pthread_join(watch->thread, NULL);
	destroy(watch);
}
