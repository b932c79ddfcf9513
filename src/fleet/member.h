/*
 * One proxy among others of the same database: PostgreSQL is all that they
 * share. In a thread of its own, over one connection, it
 *
 *   registers   a row in crossfade.proxies with a lease, renewed all the time
 *   follows     the stages in crossfade.stages, and hands them out when they change
 *   pauses      the tables of every row in crossfade.pauses, and acknowledges it
 *               once no worker lets a statement through any more
 *   opens       when that row has ended, after the catalog was read again
 *
 * It wakes up by NOTIFY crossfade and, should one get lost, at every poll. A
 * pause that has expired is ended by updating its row: a cutover locks that
 * row first, so this waits for a COMMIT that is under way. Who cannot reach
 * the server loses its lease, is no longer waited for, and goes on serving:
 * the name that vanished is what fences it.
 */
#ifndef CROSSFADE_FLEET_MEMBER_H
#define CROSSFADE_FLEET_MEMBER_H

#include "fleet/state.h"
#include "proxy/proxy.h"

struct member;

struct member_settings {
	const char *dsn;
	const char *database; /* whose sessions a pause holds up; NULL: all */
	const char *name;     /* for people: "host:pid" */
	struct proxy *proxy;
	uint32_t poll_ms, lease_ms;
};

enum { MEMBER_POLL_MS = 1000, MEMBER_LEASE_MS = 6000 };

/* On the member's thread, never after member_free began to return. */
struct member_callbacks {
	void *context;
	/* The stages as they are now, as the text of a flags file. */
	void (*stages)(void *context, const char *text);
	/* A pause is over: read the catalog again. Returns once that is published, or the time is over. */
	void (*refresh)(void *context, uint32_t timeout_ms);
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
