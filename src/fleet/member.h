/*
 * One proxy among others of the same database: PostgreSQL is all that they
 * share. In a thread of its own it
 *
 *   registers   a row in crossfade.proxies with a lease, renewed all the time, and
 *               with the server's processes that serve its sessions
 *   follows     the stages in crossfade.stages, and hands them out when they change
 *   answers     every row in crossfade.calls: a cutover wants to know who is there
 *   pauses      the tables of every row in crossfade.pauses, and acknowledges it
 *               once no worker lets a statement through any more
 *   opens       when that row has ended, after the catalog was read again
 *
 * It wakes up by NOTIFY crossfade and, should one get lost, at every poll. A
 * pause that has expired, or whose cutover has lost its connection, is ended by
 * updating its row: a cutover locks that row first, so nobody can while a
 * COMMIT is under way. All times are the server's own. Who cannot reach the
 * server loses its lease, is no longer waited for, and goes on serving moves:
 * the name that vanished is what fences it. Transforms it holds up, and
 * their stale tables are fenced (fence.h).
 *
 * A proxy of a hot standby takes stages and ends of pauses from its own
 * server, where they appear together with the tables' new places, and has its
 * row on the primary.
 */
#ifndef CROSSFADE_FLEET_MEMBER_H
#define CROSSFADE_FLEET_MEMBER_H

#include "fleet/state.h"
#include "model/facts_change.h"
#include "model/ruleset.h"
#include "proxy/proxy.h"

struct member;

struct member_settings {
	const char *dsn;
	const char *primary_dsn; /* where to register when dsn leads to a standby; NULL: not said */
	const char *database;	 /* whose sessions a pause holds up; NULL: all */
	const char *name;	 /* for people: "host:port pid N" */
	struct proxy *proxy;
	uint32_t poll_ms, lease_ms;
};

enum { MEMBER_LEASE_MS = 6000 };

/* On the member's thread, never after member_free began to return. */
struct member_callbacks {
	void *context;
	/* The stages as they are now, as the text of a flags file. */
	void (*stages)(void *context, const char *text);
	/* These are the stages now (NULL: those of before): read the catalog again. True once both are in force;
	 * false: not in time. *ticket is 0 at first; with what it is then, the next call goes on waiting. */
	bool (*refresh)(void *context, const char *stages, uint64_t *ticket, uint32_t timeout_ms);
	/* The same for stages, and a catalog that has changed in these relations only; false: it has to be read again. */
	bool (*change)(void *context, const char *stages, const struct facts_change *change);
	/* A reference to the rules in force; NULL: there are none, or the process is ending. */
	struct ruleset *(*rules)(void *context);
	/* Whether sessions are accepted yet. */
	bool (*is_serving)(void *context);
};

/* Texts are copied. */
struct member *member_new(const struct member_settings *settings, struct member_callbacks callbacks);
/* Takes its row out and ends the thread. Accepts NULL. */
void member_free(struct member *member);
/* From any thread: look now. */
void member_poke(struct member *member);
/* The key of its row. */
const char *member_id(const struct member *member);

#endif
