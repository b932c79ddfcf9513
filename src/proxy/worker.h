/*
 * One loop thread: its sessions, its rewriter, its counters, the buffers it
 * lends to whichever session has bytes to move, and its own view of what the
 * owner has published. Everything here belongs to the worker's thread, but
 * for the inbox of its loop.
 */
#ifndef CROSSFADE_PROXY_WORKER_H
#define CROSSFADE_PROXY_WORKER_H

#include "base/list.h"
#include "net/address.h"
#include "net/loop.h"
#include "proxy/cancel_registry.h"
#include "proxy/conversation.h"
#include "proxy/proxy.h"
#include "proxy/refusal_log.h"
#include "proxy/quota.h"
#include "proxy/security.h"

/* What the workers share with their owner. */
struct worker_owner {
	const struct proxy_settings *settings;
	struct usage *usage;
	struct forecaster *forecaster; /* NULL: nothing is foretold */
	struct proxy_callbacks callbacks;
	struct cancel_registry *cancels;
	struct parse_pool *parse_pool;
	struct quota *addresses, *users;
	_Atomic bool memory_full;
	_Atomic uint64_t clients; /* connections accepted and not yet closed */
	struct gate *gate;
	void (*worker_done)(void *context); /* on the worker's thread, as its last act */
	void *context;
};

/* The rules of one database; lives as long as the worker. */
struct worker_rules {
	struct worker_rules *next;
	struct ruleset *ruleset; /* NULL: sessions pass untouched */
	uint64_t looked;	 /* the newest ticket of facts_stale that is answered */
	char database[];
};

struct worker {
	struct loop loop;
	struct worker_owner *owner;
	struct conversation_env env;
	struct traffic traffic;
	struct refusal_log refusals;
	uint64_t assigned; /* sessions the owner gave to it; the owner's alone */
	struct worker_rules *rules;
	struct gate_view gate;
	struct security *security; /* of sessions that begin now */
	char server_host[256];
	uint16_t server_port;
	char *read_buffer;
	struct buf to_server, to_client; /* scratch of a round */
	struct list_link sessions;  /* all */
	struct list_link starting;  /* by deadline: login not finished */
	struct list_link lingering; /* by deadline: the last words are on their way */
	struct list_link waiting;   /* for facts */
	struct list_link idle, idle_transaction; /* by deadline, where there is one */
	uint32_t unfinished; /* logins */
	uint32_t unknown_cancels; /* being passed on */
	uint32_t backoff_ms; /* before the server is tried again */
	uv_timer_t tick;	    /* runs while one of the three has members */
	uv_timer_t flush;
	struct list_link flowing; /* sessions with a large result on its way */
	uv_timer_t fetch;	  /* runs while there are any */
	bool fetching;
	uint64_t next_session_id;
	unsigned open_timers;
	bool draining, stopping, ended;
	char name[16];
};

int worker_init(struct worker *worker, struct worker_owner *owner, unsigned index);
/* After the loop was joined, or never started. */
void worker_deinit(struct worker *worker);
int worker_start(struct worker *worker);

/* From the owner's thread; texts are copied, a ruleset's reference is taken. */
void worker_post_client(struct worker *worker, int fd, const struct address *peer, struct proxy_listener listener);
void worker_post_server(struct worker *worker, struct proxy_address server);
void worker_post_security(struct worker *worker, struct security *security);
void worker_post_rules(struct worker *worker, const char *database, struct ruleset *ruleset, uint64_t looked);
void worker_post_drain(struct worker *worker);
/* References of their own are taken. */
void worker_post_pause(struct worker *worker, struct pause *pause);
void worker_post_open(struct worker *worker, struct pause *pause);
void worker_post_census(struct worker *worker, struct pause *pause, struct gate_census *census);
/* Sessions of these server processes are let through. */
void worker_post_release(struct worker *worker, struct pause *pause, const uint32_t *pids, size_t count);
/* From another session's worker: cancels what a pause holds up of that session, and tells the asker. */
void worker_post_cancel(struct worker *worker, uint64_t session, struct worker *asker, uint64_t asking_session);
void worker_post_stop(struct worker *worker);

/* Of a proxy: for those who ask all workers something, from any thread. */
size_t proxy_worker_count(const struct proxy *proxy);
struct worker *proxy_worker(struct proxy *proxy, size_t index);

/* ---- for sessions ---- */

/* NULL: nothing was ever published for it. */
struct worker_rules *worker_find_rules(struct worker *worker, struct slice database);
void worker_watch_time(struct worker *worker);
/* The server was not reached: whoever comes next waits a little, and ever longer. */
void worker_server_failed(struct worker *worker);
/* Pauses that nobody renewed are over. */
void worker_expire_pauses(struct worker *worker);
void worker_session_gone(struct worker *worker);

#endif
