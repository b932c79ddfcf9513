/*
 * relay: a TCP relay that looks at nothing, the floor that bench/run.sh
 * compares every proxy with. One thread, level-triggered epoll; a message costs
 * one read and one write in its direction. Bytes live in one shared buffer and
 * only what the kernel does not take is copied aside, so that an idle
 * connection holds no buffer and a slow reader stops the reading of its peer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 * 1024, EVENTS = 256 };

struct pair;

/* One of the two sockets of a connection, with the bytes that wait to be written to it. */
struct leg {
	int fd;
	uint32_t interest;
	bool unwatched; /* out of epoll, because it would report its hang-up forever */
	bool connecting;
	bool ended; /* has sent its last byte */
	char *pending;
	size_t pending_start, pending_end;
	struct pair *pair;
	struct leg *peer;
};

struct pair {
	struct leg client, server;
	struct pair *next_dead;
	bool dead;
};

static int epoll_fd;
static struct pair *dead_pairs;
static char chunk[CHUNK_BYTES];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Freed after the batch of events, which may still name the pair. */
static void pair_close(struct pair *pair)
{
	if (pair->dead)
		return;
	pair->dead = true;
	close(pair->client.fd);
	close(pair->server.fd);
	pair->next_dead = dead_pairs;
	dead_pairs = pair;
}

static void free_dead_pairs(void)
{
	while (dead_pairs) {
		struct pair *pair = dead_pairs;
		dead_pairs = pair->next_dead;
		free(pair->client.pending);
		free(pair->server.pending);
		free(pair);
	}
}

/* A leg is read while its peer takes everything, and waited on for writing while it does not. */
static void leg_update(struct leg *leg)
{
	uint32_t interest = 0;
	if (!leg->ended && !leg->connecting && !leg->peer->connecting && !leg->peer->pending)
		interest |= EPOLLIN;
	if (leg->pending || leg->connecting)
		interest |= EPOLLOUT;
	if (interest == leg->interest)
		return;
	struct epoll_event event = { .events = interest, .data.ptr = leg };
	if (epoll_ctl(epoll_fd, leg->unwatched ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, leg->fd, &event) < 0)
		die("relay: epoll_ctl");
	leg->interest = interest;
	leg->unwatched = false;
}

static void pair_update(struct pair *pair)
{
	if (pair->dead)
		return;
	leg_update(&pair->client);
	leg_update(&pair->server);
}

static bool keep_pending(struct leg *leg, const char *bytes, size_t length)
{
	leg->pending = malloc(length);
	if (!leg->pending)
		return false;
	memcpy(leg->pending, bytes, length);
	leg->pending_start = 0;
	leg->pending_end = length;
	return true;
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static void on_end(struct leg *leg)
{
	leg->ended = true;
	if (leg->peer->ended && !leg->pending && !leg->peer->pending)
		pair_close(leg->pair);
	else if (!leg->peer->pending)
		shutdown(leg->peer->fd, SHUT_WR);
}

static void on_readable(struct leg *leg)
{
	ssize_t got = read(leg->fd, chunk, sizeof(chunk));
	if (got < 0 && would_block())
		return;
	if (got < 0) {
		pair_close(leg->pair);
		return;
	}
	if (got == 0) {
		on_end(leg);
		return;
	}
	ssize_t put = write(leg->peer->fd, chunk, (size_t)got);
	if (put < 0 && would_block())
		put = 0;
	if (put < 0 || (put < got && !keep_pending(leg->peer, chunk + put, (size_t)(got - put))))
		pair_close(leg->pair);
}

static void on_drained(struct leg *leg)
{
	free(leg->pending);
	leg->pending = NULL;
	if (leg->peer->ended && leg->ended && !leg->peer->pending)
		pair_close(leg->pair);
	else if (leg->peer->ended)
		shutdown(leg->fd, SHUT_WR);
}

static void on_writable(struct leg *leg)
{
	if (leg->connecting) {
		int error = 0;
		socklen_t size = sizeof(error);
		if (getsockopt(leg->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
			pair_close(leg->pair);
		leg->connecting = false;
		return;
	}
	if (!leg->pending)
		return;
	ssize_t put =
		write(leg->fd, leg->pending + leg->pending_start, leg->pending_end - leg->pending_start);
	if (put < 0) {
		if (!would_block())
			pair_close(leg->pair);
		return;
	}
	leg->pending_start += (size_t)put;
	if (leg->pending_start == leg->pending_end)
		on_drained(leg);
}

/*
 * Reported whatever one waits for. A leg that is closed in both directions may
 * still hold bytes to read, for which its peer has no room yet; only an error
 * ends the connection here.
 */
static void on_hangup(struct leg *leg, uint32_t events)
{
	if (events & EPOLLERR) {
		pair_close(leg->pair);
	} else if (!leg->unwatched) {
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, leg->fd, NULL);
		leg->unwatched = true;
	}
}

static void on_event(struct leg *leg, uint32_t events)
{
	if (leg->pair->dead)
		return;
	if (!leg->interest) {
		on_hangup(leg, events);
		return;
	}
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		on_writable(leg);
	if (!leg->pair->dead && (events & EPOLLIN))
		on_readable(leg);
	pair_update(leg->pair);
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static void leg_add(struct leg *leg, int fd, struct pair *pair, struct leg *peer, uint32_t interest)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*leg = (struct leg){ .fd = fd, .pair = pair, .peer = peer, .interest = interest };
	struct epoll_event event = { .events = interest, .data.ptr = leg };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("relay: epoll_ctl");
}

static void on_accept(int listen_fd, const struct sockaddr_in *server_address)
{
	int client_fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client_fd < 0)
		return;
	int server_fd = connect_to(server_address);
	struct pair *pair = server_fd < 0 ? NULL : calloc(1, sizeof(*pair));
	if (!pair) {
		close(client_fd);
		if (server_fd >= 0)
			close(server_fd);
		return;
	}
	leg_add(&pair->client, client_fd, pair, &pair->server, 0);
	leg_add(&pair->server, server_fd, pair, &pair->client, EPOLLOUT);
	pair->server.connecting = true;
}

static int listen_on(const struct sockaddr_in *address)
{
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("relay: socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		die("relay: bind");
	if (listen(fd, 1024) < 0)
		die("relay: listen");
	return fd;
}

static struct sockaddr_in loopback(const char *port)
{
	char *end;
	long number = strtol(port, &end, 10);
	if (*end || number < 1 || number > 65535) {
		fprintf(stderr, "relay: %s is not a port\n", port);
		exit(2);
	}
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)number),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void serve(int listen_fd, const struct sockaddr_in *server_address)
{
	struct epoll_event events[EVENTS];
	for (;;) {
		int count = epoll_wait(epoll_fd, events, EVENTS, -1);
		if (count < 0 && errno != EINTR)
			die("relay: epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				on_event(events[i].data.ptr, events[i].events);
			else
				on_accept(listen_fd, server_address);
		}
		free_dead_pairs();
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: relay LISTEN_PORT SERVER_PORT (both on loopback)\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	struct sockaddr_in listen_address = loopback(argv[1]), server_address = loopback(argv[2]);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("relay: epoll_create1");
	int listen_fd = listen_on(&listen_address);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0)
		die("relay: epoll_ctl");
	serve(listen_fd, &server_address);
}
