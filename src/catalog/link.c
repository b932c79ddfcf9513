#include "catalog/link.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/ref.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000 };

struct catalog_link {
	struct list_link all;
	struct ref ref; /* under all_lock, so that nobody finds one that goes */
	char *dsn;
	int wake_fd;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t given;
	struct catalog_connection *connection; /* its user's alone while it is taken */
	bool taken, kept, held, notified;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list_link all_links = { &all_links, &all_links };

/* ---- life ---- */

static struct catalog_link *find(const char *dsn)
{
	LIST_FOR_EACH(at, &all_links)
	{
		struct catalog_link *link = LIST_ENTRY(at, struct catalog_link, all);
		if (strcmp(link->dsn, dsn) == 0)
			return link;
	}
	return NULL;
}

static struct catalog_link *make(const char *dsn)
{
	struct catalog_link *link = memory_zalloc(sizeof(*link));
	pthread_condattr_t attributes;
	ref_init(&link->ref);
	link->dsn = memory_strdup(dsn);
	link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	link->held = true;
	pthread_mutex_init(&link->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&link->given, &attributes);
	pthread_condattr_destroy(&attributes);
	link_append(&all_links, &link->all);
	return link;
}

struct catalog_link *catalog_link_for(const char *dsn)
{
	pthread_mutex_lock(&all_lock);
	struct catalog_link *link = find(dsn);
	if (link)
		ref_take(&link->ref);
	else
		link = make(dsn);
	pthread_mutex_unlock(&all_lock);
	return link;
}

void catalog_link_unref(struct catalog_link *link)
{
	if (!link)
		return;
	pthread_mutex_lock(&all_lock);
	bool last = ref_drop(&link->ref);
	if (last)
		link_remove(&link->all);
	pthread_mutex_unlock(&all_lock);
	if (!last)
		return;
	catalog_connection_free(link->connection);
	close(link->wake_fd);
	pthread_cond_destroy(&link->given);
	pthread_mutex_destroy(&link->lock);
	free(link->dsn);
	free(link);
}

void catalog_link_hold(struct catalog_link *link, bool held)
{
	pthread_mutex_lock(&link->lock);
	link->held = held;
	pthread_mutex_unlock(&link->lock);
}

/* ---- taking ---- */

static struct timespec patience_ends(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += PATIENCE_MS / 1000;
	time.tv_nsec += PATIENCE_MS % 1000 * 1000000L;
	if (time.tv_nsec >= 1000000000L) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000L;
	}
	return time;
}

/* Whether it is the caller's now. */
static bool reserve(struct catalog_link *link)
{
	struct timespec until = patience_ends();
	int waited = 0;
	pthread_mutex_lock(&link->lock);
	while (link->taken && !link->kept && waited == 0)
		waited = pthread_cond_timedwait(&link->given, &link->lock, &until);
	bool ours = !link->taken;
	link->taken = true;
	pthread_mutex_unlock(&link->lock);
	return ours;
}

static void release(struct catalog_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->taken = link->kept = false;
	pthread_cond_signal(&link->given);
	pthread_mutex_unlock(&link->lock);
	eventfd_write(link->wake_fd, 1); /* whoever polls it does so again */
}

static bool open_one(const struct catalog_link *link, int stop_fd, uint32_t timeout_ms,
		     struct catalog_connection **connection_out, struct error *error_out)
{
	struct catalog_connection *connection;
	if (!catalog_connect(link->dsn, stop_fd, timeout_ms, &connection, error_out))
		return false;
	if (catalog_execute(connection, "SET search_path = pg_catalog", timeout_ms, error_out)) {
		*connection_out = connection;
		return true;
	}
	catalog_connection_free(connection);
	return false;
}

static bool is_usable(struct catalog_connection *connection)
{
	return connection && catalog_connection_is_alive(connection) && catalog_connection_listen(connection);
}

static void replace(struct catalog_link *link, struct catalog_connection *connection)
{
	pthread_mutex_lock(&link->lock);
	struct catalog_connection *before = link->connection;
	link->connection = connection;
	pthread_mutex_unlock(&link->lock);
	catalog_connection_free(before);
}

bool catalog_link_take(struct catalog_link *link, int stop_fd, uint32_t timeout_ms,
		       struct catalog_connection **connection_out, struct error *error_out)
{
	if (!reserve(link))
		return open_one(link, stop_fd, timeout_ms, connection_out, error_out);
	if (!is_usable(link->connection)) {
		struct catalog_connection *fresh = NULL;
		bool ok = open_one(link, stop_fd, timeout_ms, &fresh, error_out);
		replace(link, fresh);
		if (!ok) {
			release(link);
			return false;
		}
	}
	catalog_connection_set_stop(link->connection, stop_fd);
	*connection_out = link->connection;
	return true;
}

static bool is_own(struct catalog_link *link, const struct catalog_connection *connection)
{
	pthread_mutex_lock(&link->lock);
	bool own = link->connection == connection;
	pthread_mutex_unlock(&link->lock);
	return own;
}

void catalog_link_give(struct catalog_link *link, struct catalog_connection *connection)
{
	if (!connection)
		return;
	if (!is_own(link, connection)) {
		catalog_connection_free(connection);
		return;
	}
	bool alive = catalog_connection_is_alive(connection);
	catalog_connection_set_stop(connection, -1);
	pthread_mutex_lock(&link->lock);
	link->notified |= alive && catalog_connection_notified(connection);
	bool stays = alive && link->held;
	if (!stays)
		link->connection = NULL;
	pthread_mutex_unlock(&link->lock);
	if (!stays)
		catalog_connection_free(connection);
	release(link);
}

void catalog_link_keep(struct catalog_link *link, const struct catalog_connection *connection)
{
	pthread_mutex_lock(&link->lock);
	if (link->connection == connection && link->taken) {
		link->kept = true;
		pthread_cond_broadcast(&link->given);
	}
	pthread_mutex_unlock(&link->lock);
}

/* ---- listening ---- */

int catalog_link_fd(struct catalog_link *link)
{
	pthread_mutex_lock(&link->lock);
	int fd = !link->taken && link->connection ? catalog_connection_fd(link->connection) : -1;
	pthread_mutex_unlock(&link->lock);
	return fd;
}

bool catalog_link_listen(struct catalog_link *link)
{
	struct catalog_connection *lost = NULL;
	pthread_mutex_lock(&link->lock);
	if (!link->taken && link->connection) {
		if (!catalog_connection_listen(link->connection)) {
			lost = link->connection;
			link->connection = NULL;
		} else if (catalog_connection_notified(link->connection)) {
			link->notified = true;
			eventfd_write(link->wake_fd, 1);
		}
	}
	pthread_mutex_unlock(&link->lock);
	catalog_connection_free(lost);
	return !lost;
}

int catalog_link_wake_fd(const struct catalog_link *link)
{
	return link->wake_fd;
}

bool catalog_link_notified(struct catalog_link *link)
{
	pthread_mutex_lock(&link->lock);
	bool notified = link->notified;
	link->notified = false;
	pthread_mutex_unlock(&link->lock);
	return notified;
}
