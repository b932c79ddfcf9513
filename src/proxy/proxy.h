/*
 * The proxy as its owner sees it: make one, give it listeners and a server,
 * publish rulesets, start, drain, stop. All functions are called on the
 * thread of the loop given to proxy_new, where the listeners live too; the
 * sessions live on worker threads of the proxy's own.
 *
 *   proxy_new → proxy_set_server, proxy_listen, proxy_publish → proxy_start
 *   → (proxy_publish, proxy_stats)* → proxy_drain or proxy_stop
 *   → callbacks.stopped → proxy_free
 */
#ifndef CROSSFADE_PROXY_PROXY_H
#define CROSSFADE_PROXY_PROXY_H

#include "base/error.h"
#include "model/ruleset.h"
#include "proxy/close_reason.h"
#include "proxy/traffic.h"
#include "rewrite/rewriter.h"
#include "usage/usage.h"

struct proxy_asker;
struct security;
struct uv_loop_s;
struct proxy;

struct proxy_settings {
	uint32_t workers;	      /* loop threads; at least 1 */
	uint32_t clients;	      /* sessions at once; one more gets FATAL 53300 */
	uint32_t clients_per_address; /* … of one address (not of unix sockets); 0: any number */
	uint32_t clients_per_user;    /* … of one user, once logged in; 0: any number */
	uint32_t unfinished_logins;   /* connections that may wait for their client to log in; then the oldest goes.
				       * 0: any number */
	uint32_t unknown_cancels;     /* cancel requests with keys of other processes, passed on at once; 0: any number */
	uint64_t memory_bytes;	      /* resident; beyond it no new sessions. 0: any amount */
	uint32_t idle_timeout_ms;     /* a session without a transaction says nothing; 0: for ever */
	uint32_t idle_transaction_timeout_ms; /* … with one */
	uint32_t connect_backoff_ms;  /* the longest pause before an unreachable server is tried again; 0: none */
	uint32_t drain_delay_ms;      /* proxy_drain: so long new sessions are taken yet */
	size_t message_bytes;	      /* longest Query or Parse that is kept whole to be rewritten;
				       * longer: the statement fails with 54000 */
	size_t inline_bytes;	      /* longest text that is parsed on a worker's own thread */
	size_t prepared_bytes;	      /* of the texts of one session's prepared statements; a longer
				       * one cannot follow when its tables move */
	size_t retry_bytes;	      /* longest segment that is sent again after DDL by somebody else; 0: none */
	uint32_t pipeline;	      /* requests of one session without an answer; then its client waits */
	uint32_t startup_timeout_ms;  /* from accept until the server's first ReadyForQuery */
	uint32_t connect_timeout_ms;  /* to reach the server, all its addresses together */
	uint32_t facts_timeout_ms;    /* how long a statement waits for the catalog to be read again */
	uint32_t drain_timeout_ms;    /* proxy_drain: after that long sessions end in mid-transaction */
	size_t read_buffer_bytes;     /* one per worker, lent to a session while bytes flow */
	size_t queue_high_bytes;      /* unsent for one side: the other side is not read any more, … */
	size_t queue_low_bytes;	      /* … until so little is left */
	uint32_t tcp_keepalive_s;     /* idle seconds before the first probe, both sides; 0: off */
	uint32_t tcp_user_timeout_ms; /* unacknowledged data for so long ends a connection; 0: the system's */
	uint32_t listen_backlog;
	uint32_t parked_clients;      /* whose statements a pause may hold up at once; one more ends the pause, … */
	size_t parked_bytes;	      /* … and so do more bytes of theirs */
	uint32_t usage_flush_ms;      /* how often each worker hands over its counts */
	size_t stack_bytes;	      /* of a worker thread; the parser needs a deep one */
	struct rewriter_settings rewriter;
};
struct proxy_settings proxy_settings_default(void);

/* A host (name or numeric) or, beginning with '/', the folder of a unix socket
 * DIR/.s.PGSQL.PORT. Texts are copied. */
struct proxy_address {
	const char *host;
	uint16_t port;
};

struct proxy_callbacks {
	void *context;
	/* All sessions have ended after proxy_drain or proxy_stop. On the owner's loop. */
	void (*stopped)(void *context);
	/* A session saw DDL or misses a fact: read the catalog of the database
	 * again and publish. Returns a ticket that proxy_publish will name once
	 * that was done; 0: it will not be. NULL: ignored. Called on a worker's
	 * thread. */
	uint64_t (*facts_stale)(void *context, const char *database);
	/* A session needs the verifier of a user that no file has, on a worker's
	 * thread; answer once, on any thread, with proxy_answer_verifier. */
	void (*find_verifier)(void *context, const char *user, struct proxy_asker *asker);
};

/* usage may be NULL: nothing is counted. Settings are copied. */
struct proxy *proxy_new(struct uv_loop_s *loop, const struct proxy_settings *settings, struct usage *usage,
			struct proxy_callbacks callbacks);
/* After stopped, or when it was never started. */
void proxy_free(struct proxy *proxy);

/* Sessions that begin from now on go there; a name is resolved anew each time. */
void proxy_set_server(struct proxy *proxy, struct proxy_address server);
/* Sessions that begin from now on are protected so; the proxy takes references of its own. Never: not at all. */
void proxy_set_security(struct proxy *proxy, struct security *security);
/*
 * Binds at once and accepts from proxy_start on. Port 0 chooses a free one.
 * A host may bind several addresses.
 */
struct proxy_listener {
	const char *app;     /* stands for the application in the ledger, whatever the client calls itself; NULL: none */
	bool proxy_protocol; /* each connection begins with the PROXY protocol's header, which says who the client is */
};
bool proxy_listen(struct proxy *proxy, struct proxy_address address, struct proxy_listener listener,
		  struct error *error_out);
/* The port of the first listener (of use after port 0); 0: none. */
uint16_t proxy_port(const struct proxy *proxy);

/*
 * Sessions of this database use the ruleset from their next transaction on;
 * a NULL ruleset: they pass untouched, as those of databases never published
 * do. A NULL database stands for every one without rules of its own. looked:
 * the newest ticket of facts_stale that the ruleset knows the answer to. The
 * proxy takes references of its own.
 */
void proxy_publish(struct proxy *proxy, const char *database, struct ruleset *ruleset, uint64_t looked);

bool proxy_start(struct proxy *proxy, struct error *error_out);
/* After drain_delay_ms: no new sessions; each ends with FATAL 57P01 at its
 * transaction's end, or when drain_timeout_ms is over. */
void proxy_drain(struct proxy *proxy);
/* Ends all sessions now, with FATAL 57P01. */
void proxy_stop(struct proxy *proxy);

/* verifier NULL without error: there is no such user. Both are copied. */
void proxy_answer_verifier(struct proxy_asker *asker, const char *verifier, const struct error *error);

struct proxy_stats {
	uint64_t sessions;	      /* now */
	uint64_t sessions_total;
	uint64_t bytes_from_client, bytes_from_server;
	uint64_t messages_from_client, messages_from_server;
	uint64_t statements_unchanged, statements_rewritten, statements_refused;
	uint64_t hidden_exchanges;    /* search_path and the like asked of the server, statements prepared anew */
	uint64_t reprepared;	      /* statements prepared anew, because what their names mean has changed */
	uint64_t retried;	      /* batches sent again after DDL by somebody else */
	uint64_t parked;	      /* statements that a pause holds up, now */
	uint64_t parked_total;
	uint64_t pauses_over_limit;   /* ended because too much waited */
	uint64_t cancels;
	uint64_t closed[CLOSE_REASON_COUNT];
	uint64_t transactions;
	uint64_t errors[TRAFFIC_ERROR_COUNT];
	struct traffic_cache cache; /* all workers' together */
	struct parse_times parse_times;
};
/* The server's processes that serve our sessions now, by their numbers; from any thread, to be freed. */
uint32_t *proxy_server_pids(const struct proxy *proxy, size_t *count_out);
/* Cheap, from any thread; numbers of different workers may be some microseconds apart. */
void proxy_stats(const struct proxy *proxy, struct proxy_stats *stats_out);

/*
 * Pausing tables: statements that would be the first of their transaction to
 * touch one of them wait, without an error, until the pause ends. Sessions
 * that hold such a table already go on. All of this is for any thread, from
 * proxy_start on; only proxy_pause_await and proxy_pause_census wait, so they
 * are not for the owner's loop.
 */
struct proxy_pause {
	const char *database;	   /* NULL: of every database with rules */
	const char *const *tables; /* keys of map entries: "public.prices" */
	size_t table_count;	   /* 0: every entry */
	const char *owner;	   /* who asked, for those who look */
	uint32_t ttl_ms;	   /* it ends by itself when nobody renews it for so long */
};

enum proxy_pause_stage {
	PAUSE_PAUSING, /* some worker may still let a statement through */
	PAUSE_PAUSED,
	PAUSE_DRAINED, /* nothing holds the tables any more, as its owner found */
	PAUSE_OPENING, /* over; some worker has not opened yet */
	PAUSE_OPEN,
};
const char *proxy_pause_stage_name(enum proxy_pause_stage stage);

enum proxy_pause_end {
	PAUSE_RESUMED,
	PAUSE_EXPIRED, /* nobody renewed it */
	PAUSE_LIMIT,   /* more statements waited than parked_clients or parked_bytes allow */
};

struct proxy_pause_info {
	uint64_t id, age_ms, left_ms;
	enum proxy_pause_stage stage;
	enum proxy_pause_end end; /* of those that are over */
	uint64_t parked, parked_bytes; /* now */
	uint64_t parked_total;
	uint64_t longest_us; /* the longest wait of a statement that goes on again */
	char owner[128], database[64], tables[512]; /* empty: every one */
};

/* 0: not possible, error_out says why. It has begun when this returns, and is PAUSED some moments later. */
uint64_t proxy_pause(struct proxy *proxy, const struct proxy_pause *wanted, struct error *error_out);
/* False: it has ended before. */
bool proxy_pause_renew(struct proxy *proxy, uint64_t id, uint32_t ttl_ms);
bool proxy_pause_drained(struct proxy *proxy, uint64_t id);
/* Rules published before are in force when the statements go on. */
bool proxy_resume(struct proxy *proxy, uint64_t id);
/* False: never heard of, or forgotten. */
bool proxy_pause_look(struct proxy *proxy, uint64_t id, struct proxy_pause_info *info_out);
/* Those that are not over; their number. */
size_t proxy_pause_list(struct proxy *proxy, struct proxy_pause_info *infos_out, size_t max);
/* Waits until that stage is past; false: it is not. */
bool proxy_pause_await(struct proxy *proxy, uint64_t id, enum proxy_pause_stage stage, uint32_t timeout_ms);

/* What the sessions have to do with a pause. */
struct proxy_census {
	size_t in_flight; /* sessions that have sent something of its tables and await answers */
	uint32_t *parked; /* server processes of sessions that wait; the caller frees it */
	size_t parked_count;
};
/* False: it is over, or not every worker answered in time. */
bool proxy_pause_census(struct proxy *proxy, uint64_t id, uint32_t timeout_ms, struct proxy_census *census_out);
/* The sessions of these server processes are let through until their transactions end. */
void proxy_pause_release(struct proxy *proxy, uint64_t id, const uint32_t *pids, size_t count);

#endif
