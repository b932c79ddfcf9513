/*
 * Who uses tables that are to be moved, as the server knows it: views,
 * functions, sequences, prepared transactions and clients that do not come
 * through the proxy count like all others.
 */
#ifndef CROSSFADE_FLEET_HOLDERS_H
#define CROSSFADE_FLEET_HOLDERS_H

#include "catalog/connection.h"

#include <stdbool.h>
#include <stddef.h>

enum { HOLDER_TEXT_BYTES = 256 };

struct holder {
	uint32_t pid; /* 0: a prepared transaction */
	char gid[64]; /* of that */
	char user[64], application[64], address[64], state[32], kind[32]; /* kind: backend_type */
	char relation[130]; /* one of those it holds */
	char mode[32];
	char statement[HOLDER_TEXT_BYTES]; /* its last one, without literals */
	char proxy[128]; /* it holds nothing, but belongs to this proxy, which is out of reach; empty: none */
	uint64_t age_ms; /* of its transaction */
	bool waits;	 /* for a lock itself */
};

struct holders {
	struct holder *items;
	size_t count;
	bool cut; /* there are more */
};
void holders_free(struct holders *holders);

/* All that hold a lock on one of the relations, the oldest first, except this connection and `except`. */
bool holders_read(struct catalog_connection *connection, const uint32_t *oids, size_t oid_count, uint32_t except,
		  uint32_t timeout_ms, struct holders *holders_out, struct error *error_out);

/* Sessions that proxies without a valid lease had when they were last heard of, and that the server still has. */
bool holders_read_lost(struct catalog_connection *connection, uint32_t timeout_ms, struct holders *holders_out,
		       struct error *error_out);

struct pid_list {
	uint32_t *pids;
	size_t count;
};
/*
 * The cheap question while draining: who holds them, by pid (a prepared
 * transaction is 0), and who, directly or over others, keeps one of them
 * waiting. The caller frees both lists.
 */
bool holders_poll(struct catalog_connection *connection, const uint32_t *oids, size_t oid_count, uint32_t timeout_ms,
		  struct pid_list *holders_out, struct pid_list *blockers_out, struct error *error_out);

#endif
