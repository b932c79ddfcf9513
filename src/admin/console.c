#include "admin/console.h"

#include "admin/console_peer.h"
#include "admin/console_talk.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "net/listener.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	BACKLOG = 64,
	OVERFLOW_CONNECTIONS = 8, /* above the limit, that still get a proper answer */
	STARTUP_TIMEOUT_MS = 10000,
	SEND_TIMEOUT_MS = 30000,
	FAREWELL_MS = 3000,
	READ_BYTES = 16 << 10,
	STACK_BYTES = 2 << 20,
};

struct door {
	struct door *next;
	struct listener *listener;
};

struct connection {
	struct list_link link; /* in console.connections; under its lock */
	struct console *console;
	int fd;
	struct address peer;
	char address[ADDRESS_TEXT_BYTES];
	char who[CONSOLE_PEER_BYTES * 2];
	uint32_t pid, key;
	bool over_limit;
	_Atomic bool cancelled;
	struct console_allowed *allowed; /* as it was when the connection began */
	struct console_talk *talk;
};

struct console {
	struct uv_loop_s *loop;
	struct console_sources sources;
	struct console_actions actions;
	struct door *doors;
	pthread_mutex_t lock;
	pthread_cond_t gone;
	struct list_link connections;
	size_t connection_count;
	uint32_t next_pid;
	struct console_allowed *allowed; /* under the lock */
	_Atomic bool stopping;
};

/* ---- bytes ---- */

/* 0: nothing came in time, or there is an error to be seen by reading. */
static int wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd entry = { .fd = fd, .events = events };
	int ready;
	do
		ready = poll(&entry, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	return ready;
}

static bool send_out(struct connection *connection)
{
	struct buf *out = console_talk_out(connection->talk);
	while (out->len) {
		ssize_t sent = send(connection->fd, out->data, out->len, MSG_NOSIGNAL);
		if (sent > 0)
			buf_consume(out, (size_t)sent);
		else if (sent == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
		else if (wait_for(connection->fd, POLLOUT, SEND_TIMEOUT_MS) <= 0)
			return false;
	}
	return true;
}

static void on_flush(void *context)
{
	struct connection *connection = context;
	if (!send_out(connection)) {
		buf_clear(console_talk_out(connection->talk));
		atomic_store(&connection->cancelled, true);
	}
}

/* ---- who ---- */

static struct console_allowed *allowed_now(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	struct console_allowed *allowed = console_allowed_ref(console->allowed);
	pthread_mutex_unlock(&console->lock);
	return allowed;
}

static void on_verifier(void *context, const char *user, struct scram_verifier *verifier_out, bool *doomed_out)
{
	struct connection *connection = context;
	users_verifier(console_allowed_passwords(connection->allowed), slice_str(user), verifier_out, doomed_out);
}

static void log_admission(const struct connection *connection, const char *user, enum console_role role,
			  const struct error *error)
{
	if (role == CONSOLE_NOBODY)
		LOG(LOG_WARNING, "console_refused", LOG_STR("user", user), LOG_STR("address", connection->address),
		    LOG_STR("message", error->message));
	else if (role != CONSOLE_ASKED)
		LOG(LOG_INFO, "console_login", LOG_STR("user", connection->who), LOG_STR("address", connection->address),
		    LOG_STR("role", role == CONSOLE_ADMIN ? "admin" : "viewer"));
}

static enum console_role on_admit(void *context, const char *user, bool proved, struct error *error_out)
{
	struct connection *connection = context;
	enum console_role role = CONSOLE_NOBODY;
	if (connection->over_limit) {
		error_set(error_out, SQLSTATE_TOO_MANY_CONNECTIONS, "too many connections to the console");
		error_detail(error_out, "It takes %d at once.", CONSOLE_CONNECTIONS_MAX);
		return role;
	}
	if (!connection->allowed)
		connection->allowed = allowed_now(connection->console);
	if (address_is_unix(&connection->peer)) {
		role = console_peer_role(connection->fd, user, connection->allowed, connection->who,
					 sizeof(connection->who), error_out);
	} else {
		role = console_remote_role(user, proved, connection->allowed, error_out);
		snprintf(connection->who, sizeof(connection->who), "%s", user);
	}
	log_admission(connection, user, role, error_out);
	return role;
}

static void on_cancel(void *context, uint32_t pid, uint32_t key)
{
	struct console *console = ((struct connection *)context)->console;
	pthread_mutex_lock(&console->lock);
	LIST_FOR_EACH(link, &console->connections)
	{
		struct connection *other = LIST_ENTRY(link, struct connection, link);
		if (other->pid == pid && other->key == key)
			atomic_store(&other->cancelled, true);
	}
	pthread_mutex_unlock(&console->lock);
}

/* ---- commands ---- */

bool console_cancelled(const struct console_caller *caller)
{
	struct connection *connection = caller->connection;
	struct pollfd entry = { .fd = connection->fd, .events = POLLRDHUP };
	if (poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return true;
	return atomic_load(&connection->cancelled) || atomic_load(&connection->console->stopping);
}

void console_progress(const struct console_caller *caller, const char *format, ...)
{
	struct connection *connection = caller->connection;
	struct error notice;
	char text[sizeof(notice.message)];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_set(&notice, "00000", "%s", text);
	console_talk_notice(connection->talk, "INFO", &notice);
}

void console_warn(const struct console_caller *caller, const struct error *warning)
{
	struct connection *connection = caller->connection;
	console_talk_notice(connection->talk, "WARNING", warning);
}

/* Orders are logged, the texts in them are not. */
static void log_command(const struct connection *connection, const struct console_request *request,
			const struct error *error)
{
	const struct console_command *command = console_command(request->verb);
	LOG(LOG_INFO, "console_command", LOG_STR("command", command->words), LOG_STR("user", connection->who),
	    LOG_STR("address", connection->address), LOG_STR("database", request->database),
	    LOG_STR("schema", request->table.schema), LOG_STR("table", request->table.name),
	    LOG_STR("stage", request->verb == CONSOLE_SET_FLAG ? stage_name(request->stage) : NULL),
	    LOG_STR("forced", request->force ? "true" : NULL), LOG_STR("outcome", error ? "failed" : "done"),
	    LOG_STR("message", error ? error->message : NULL));
}

static bool on_run(void *context, const struct console_request *request, struct console_result *result,
		   struct error *error_out)
{
	struct connection *connection = context;
	struct console *console = connection->console;
	struct console_caller caller = { connection->who, connection->address, connection };
	atomic_store(&connection->cancelled, false);
	if (console_show(&console->sources, request->verb, result))
		return true;
	bool ok = console->actions.run(console->actions.context, &caller, request, result, error_out);
	if (console_command(request->verb)->changes)
		log_command(connection, request, ok ? NULL : error_out);
	return ok;
}

/* ---- a connection ---- */

static void fail_startup_timeout(struct connection *connection)
{
	struct error error;
	error_set(&error, SQLSTATE_CANNOT_CONNECT_NOW, "login was not finished in time");
	console_talk_fail(connection->talk, &error);
}

static void fail_stopping(struct connection *connection)
{
	struct error error;
	error_set(&error, SQLSTATE_ADMIN_SHUTDOWN, "terminating connection: crossfade ends");
	console_talk_fail(connection->talk, &error);
}

/* False: the client is gone, or had its time. */
static bool await_bytes(struct connection *connection, uint64_t began_us)
{
	int timeout_ms = -1;
	if (!console_talk_ready(connection->talk)) {
		int64_t left_ms = STARTUP_TIMEOUT_MS - (int64_t)((clock_monotonic_us() - began_us) / 1000);
		timeout_ms = left_ms > 0 ? (int)left_ms : 0;
	}
	if (wait_for(connection->fd, POLLIN, timeout_ms) > 0)
		return true;
	fail_startup_timeout(connection);
	return false;
}

static bool read_some(struct connection *connection, struct buf *in)
{
	for (;;) {
		buf_reserve(in, READ_BYTES);
		ssize_t got = recv(connection->fd, in->data + in->len, READ_BYTES, 0);
		if (got > 0) {
			in->len += (size_t)got;
			return true;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
		if (errno == EAGAIN)
			return true;
	}
}

static void talk_until_end(struct connection *connection)
{
	uint64_t began_us = clock_monotonic_us();
	struct buf in;
	buf_init(&in);
	while (!console_talk_ended(connection->talk) && await_bytes(connection, began_us)) {
		if (!read_some(connection, &in)) {
			if (atomic_load(&connection->console->stopping))
				fail_stopping(connection);
			break;
		}
		buf_consume(&in, console_talk_feed(connection->talk, in.data, in.len));
		if (!send_out(connection))
			break;
	}
	send_out(connection);
	buf_deinit(&in);
}

static void *run_connection(void *context)
{
	struct connection *connection = context;
	struct console *console = connection->console;
	struct console_talk_callbacks callbacks = { connection, on_admit, on_verifier, on_run, on_flush, on_cancel };
	connection->talk = console_talk_new(callbacks, connection->pid, connection->key);
	talk_until_end(connection);
	pthread_mutex_lock(&console->lock);
	link_remove(&connection->link);
	close(connection->fd);
	console->connection_count--;
	console_talk_free(connection->talk);
	console_allowed_unref(connection->allowed);
	free(connection);
	pthread_cond_signal(&console->gone);
	pthread_mutex_unlock(&console->lock);
	return NULL;
}

static uint32_t random_key(void)
{
	uint32_t key = 0;
	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		abort(); /* cannot be on Linux once it is up */
	return key;
}

static void on_accept(void *context, int fd, const struct address *peer)
{
	struct console *console = context;
	pthread_mutex_lock(&console->lock);
	size_t others = console->connection_count;
	if (others >= CONSOLE_CONNECTIONS_MAX + OVERFLOW_CONNECTIONS) {
		pthread_mutex_unlock(&console->lock);
		close(fd);
		return;
	}
	struct connection *connection = memory_zalloc(sizeof(*connection));
	connection->console = console;
	connection->fd = fd;
	connection->peer = *peer;
	connection->over_limit = others >= CONSOLE_CONNECTIONS_MAX;
	connection->pid = ++console->next_pid;
	connection->key = random_key();
	address_text(peer, connection->address);
	link_append(&console->connections, &connection->link);
	console->connection_count++;
	if (!thread_start_detached(STACK_BYTES, run_connection, connection)) {
		link_remove(&connection->link);
		console->connection_count--;
		close(fd);
		free(connection);
	}
	pthread_mutex_unlock(&console->lock);
}

/* ---- life ---- */

struct console *console_new(struct uv_loop_s *loop, const struct console_sources *sources,
			    struct console_actions actions, const struct console_users *users)
{
	struct console *console = memory_zalloc(sizeof(*console));
	pthread_condattr_t clock;
	console->loop = loop;
	console->sources = *sources;
	console->actions = actions;
	pthread_mutex_init(&console->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&console->gone, &clock);
	pthread_condattr_destroy(&clock);
	link_init(&console->connections);
	console_set_users(console, users);
	return console;
}

void console_set_users(struct console *console, const struct console_users *users)
{
	struct console_allowed *fresh = console_allowed_new(users);
	pthread_mutex_lock(&console->lock);
	struct console_allowed *before = console->allowed;
	console->allowed = fresh;
	pthread_mutex_unlock(&console->lock);
	console_allowed_unref(before);
}

static void on_door_made(void *context, struct listener *listener)
{
	struct console *console = context;
	struct door *door = memory_zalloc(sizeof(*door));
	door->listener = listener;
	door->next = console->doors;
	console->doors = door;
}

bool console_listen(struct console *console, const char *host, uint16_t port, struct error *error_out)
{
	const struct door *before = console->doors;
	if (!listener_bind(console->loop, host, port, on_accept, console, on_door_made, error_out))
		return false;
	for (struct door *door = console->doors; door != before; door = door->next) {
		if (!listener_start(door->listener, BACKLOG, error_out))
			return false;
	}
	return true;
}

static void close_doors(struct console *console)
{
	while (console->doors) {
		struct door *next = console->doors->next;
		listener_close(console->doors->listener);
		free(console->doors);
		console->doors = next;
	}
}

/* Under the lock. how: SHUT_RD lets a connection say its last word. */
static void shut_all(struct console *console, int how)
{
	LIST_FOR_EACH(link, &console->connections)
	shutdown(LIST_ENTRY(link, struct connection, link)->fd, how);
}

static void end_connections(struct console *console)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FAREWELL_MS / 1000;
	pthread_mutex_lock(&console->lock);
	shut_all(console, SHUT_RD);
	while (console->connection_count &&
	       pthread_cond_timedwait(&console->gone, &console->lock, &until) == 0)
		;
	shut_all(console, SHUT_RDWR);
	while (console->connection_count)
		pthread_cond_wait(&console->gone, &console->lock);
	pthread_mutex_unlock(&console->lock);
}

void console_free(struct console *console)
{
	if (!console)
		return;
	atomic_store(&console->stopping, true);
	close_doors(console);
	end_connections(console);
	console_allowed_unref(console->allowed);
	pthread_cond_destroy(&console->gone);
	pthread_mutex_destroy(&console->lock);
	free(console);
}
