/*
 * Which sessions there are at one moment, and how full the caches are, for
 * people who look. Each worker is asked through its inbox and copies what it
 * has; nothing on the way of a query takes a lock for it.
 */
#ifndef CROSSFADE_PROXY_SNAPSHOT_H
#define CROSSFADE_PROXY_SNAPSHOT_H

#include "net/address.h"
#include "proxy/proxy.h"
#include "rewrite/rewrite_cache.h"

enum { SNAPSHOT_NAME_BYTES = 64 };

struct snapshot_session {
	uint64_t id;
	unsigned worker;
	const char *state;     /* startup, connecting, login, idle, active, replication, cancelling, closing */
	const char *transaction; /* idle, in transaction, failed; NULL: none can be open yet */
	const char *waits_for; /* why the client's next message is not read; NULL: it is */
	char database[SNAPSHOT_NAME_BYTES], user[SNAPSHOT_NAME_BYTES], application[SNAPSHOT_NAME_BYTES];
	char address[ADDRESS_TEXT_BYTES];
	char server[ADDRESS_TEXT_BYTES + 8]; /* with its port; empty: not connected */
	uint32_t server_pid;   /* as the server told; 0: not yet */
	uint32_t requests;     /* not completely answered */
	int64_t began_ms;      /* wall clock */
	uint64_t bytes_from_client, bytes_from_server;
	uint64_t ruleset;      /* the version in use; 0: none */
};

struct snapshot_worker {
	unsigned worker;
	bool answered;
	struct snapshot_session *sessions;
	size_t session_count;
	struct rewrite_cache_stats cache;
};

struct snapshot {
	struct snapshot_worker *workers;
	size_t worker_count;
	bool complete; /* all workers answered in time */
};

/* From any thread but a worker's, while the proxy lives. Never NULL. */
struct snapshot *snapshot_take(struct proxy *proxy, uint32_t timeout_ms);
void snapshot_free(struct snapshot *snapshot);

#endif
