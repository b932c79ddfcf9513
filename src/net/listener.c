#include "net/listener.h"

#include "base/log.h"
#include "net/activation.h"
#include "base/memory.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ACCEPTS_PER_EVENT = 64, /* then the loop's other handles get their turn */
	PAUSE_MS = 100,		/* when descriptors have run out */
};

struct listener {
	uv_poll_t poll;
	uv_timer_t pause;
	int fd;
	unsigned open_handles;
	uint16_t port;
	listener_accept_fn *accept;
	void *context;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a unix socket; else empty */
	dev_t device;
	ino_t inode;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct listener *listener = timer->data;
	uv_poll_start(&listener->poll, UV_READABLE, on_poll);
}

static bool is_passing(int error)
{
	return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM;
}

static void on_accept_failed(struct listener *listener, int error)
{
	LOG(LOG_WARNING, "accept_failed", LOG_STR("error", strerror(error)), LOG_UINT("port", listener->port));
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		struct address peer = { .len = sizeof(peer.storage) };
		int fd = accept4(listener->fd, (struct sockaddr *)&peer.storage, &peer.len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			listener->accept(listener->context, fd, &peer);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		if (!is_passing(errno)) {
			on_accept_failed(listener, errno);
			return;
		}
	}
}

static bool fail(struct error *error_out, const char *host, uint16_t port, const char *why)
{
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot listen on %s, port %u: %s", host, port, why);
	error_hint(error_out, "Is another process, perhaps another crossfade, listening there?");
	return false;
}

/* A file that nobody answers on was left behind by a process that is gone. */
static void remove_stale_socket(const struct address *address)
{
	const struct sockaddr_un *name = (const struct sockaddr_un *)&address->storage;
	struct stat info;
	if (lstat(name->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)name, address->len) != 0 && errno == ECONNREFUSED)
		unlink(name->sun_path);
	close(fd);
}

static int bind_socket(const struct address *address)
{
	int on = 1, family = address->storage.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (family == AF_UNIX)
		remove_stale_socket(address);
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Everybody may connect, as with PostgreSQL's own default; authentication decides. */
static void own_socket_file(struct listener *listener, const struct address *address)
{
	const struct sockaddr_un *name = (const struct sockaddr_un *)&address->storage;
	struct stat info;
	memcpy(listener->path, name->sun_path, sizeof(listener->path));
	chmod(listener->path, 0777);
	if (stat(listener->path, &info) == 0) {
		listener->device = info.st_dev;
		listener->inode = info.st_ino;
	}
}

/* given: the socket's file, if it has one, belongs to whoever made it. */
static struct listener *make(uv_loop_t *loop, int fd, bool given, const struct address *address, uint16_t port,
			     listener_accept_fn *accept, void *context)
{
	struct listener *listener = memory_zalloc(sizeof(*listener));
	struct address bound = { .len = sizeof(bound.storage) };
	listener->fd = fd;
	listener->accept = accept;
	listener->context = context;
	uv_poll_init(loop, &listener->poll, fd);
	uv_timer_init(loop, &listener->pause);
	listener->poll.data = listener->pause.data = listener;
	listener->open_handles = 2;
	listener->port = port;
	if (address_is_unix(address) && !given)
		own_socket_file(listener, address);
	else if (!address_is_unix(address) && getsockname(fd, (struct sockaddr *)&bound.storage, &bound.len) == 0)
		listener->port = address_port(&bound);
	return listener;
}

static bool resolve(const char *host, uint16_t port, struct addrinfo **list_out, struct error *error_out)
{
	char service[8];
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	bool any = strcmp(host, "*") == 0;
	snprintf(service, sizeof(service), "%u", port);
	int status = getaddrinfo(any ? NULL : host, service, &hints, list_out);
	if (status != 0)
		return fail(error_out, host, port, gai_strerror(status));
	return true;
}

static bool bind_one(uv_loop_t *loop, const struct address *address, const char *host, uint16_t port,
		     listener_accept_fn *accept, void *context,
		     void (*made)(void *context, struct listener *listener), struct error *error_out)
{
	int given = activation_take(address);
	int fd = given >= 0 ? given : bind_socket(address);
	if (fd < 0)
		return fail(error_out, host, port, strerror(errno));
	made(context, make(loop, fd, given >= 0, address, port, accept, context));
	return true;
}

bool listener_bind(uv_loop_t *loop, const char *host, uint16_t port, listener_accept_fn *accept, void *context,
		   void (*made)(void *context, struct listener *listener), struct error *error_out)
{
	struct address address;
	struct addrinfo *list = NULL;
	if (host[0] == '/')
		return address_unix(host, port, &address, error_out) &&
		       bind_one(loop, &address, host, port, accept, context, made, error_out);
	if (address_numeric(host, port, &address))
		return bind_one(loop, &address, host, port, accept, context, made, error_out);
	if (!resolve(host, port, &list, error_out))
		return false;
	size_t bound = 0;
	for (struct addrinfo *info = list; info; info = info->ai_next) {
		memset(&address, 0, sizeof(address));
		memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
		address.len = info->ai_addrlen;
		bound += bind_one(loop, &address, host, port, accept, context, made, error_out);
	}
	freeaddrinfo(list);
	return bound > 0;
}

bool listener_start(struct listener *listener, uint32_t backlog, struct error *error_out)
{
	if (listen(listener->fd, (int)backlog) != 0)
		return fail(error_out, listener->path[0] ? listener->path : "TCP", listener->port, strerror(errno));
	int status = uv_poll_start(&listener->poll, UV_READABLE, on_poll);
	if (status < 0)
		return fail(error_out, "TCP", listener->port, uv_strerror(status));
	return true;
}

uint16_t listener_port(const struct listener *listener)
{
	return listener->port;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;
	if (--listener->open_handles == 0)
		free(listener);
}

static void remove_own_file(const struct listener *listener)
{
	struct stat info;
	if (listener->path[0] && stat(listener->path, &info) == 0 && info.st_dev == listener->device &&
	    info.st_ino == listener->inode)
		unlink(listener->path);
}

void listener_close(struct listener *listener)
{
	remove_own_file(listener);
	uv_poll_stop(&listener->poll);
	uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
	uv_close((uv_handle_t *)&listener->pause, on_handle_closed);
	close(listener->fd);
}
