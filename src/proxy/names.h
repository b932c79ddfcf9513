/*
 * The names a session has given to prepared statements, or to portals, and
 * what the proxy must remember of each. A name gets its new meaning when the
 * message is sent, because the next message may use it at once; the request
 * keeps what the name meant before, for the case that it fails.
 *
 * Portals, and the unnamed statement, are remembered only if they use mapped
 * tables or change the session. Named statements are kept all: new rules may
 * come to concern any of them.
 */
#ifndef CROSSFADE_PROXY_NAMES_H
#define CROSSFADE_PROXY_NAMES_H

#include "proxy/prepared.h"

#include <uthash.h>

enum { NAME_TEXT_BYTES = 64 }; /* the server compares the first 63 bytes */

struct name {
	struct rewrite *rewrite;	/* NULL: nothing to remember */
	struct statement_shape *shape;	/* of PREPARE in SQL; else NULL */
	struct prepared *prepared;	/* statements; NULL: nothing to remember */
	uint32_t pending;		/* requests under way that hold this name */
	bool executed;			/* portals: begun */
	UT_hash_handle hh;
	char text[NAME_TEXT_BYTES];
};

struct names {
	struct name unnamed;
	struct name *named;
};

void names_init(struct names *names);
void names_deinit(struct names *names);

/* NULL: never heard of. The unnamed one is always there. */
struct name *names_find(struct names *names, struct slice text);
/* Finds or makes the name for a request under way, which names_release ends. */
struct name *names_hold(struct names *names, struct slice text);
void names_release(struct names *names, struct name *name);

/* Takes over the reference (may be NULL) and gives back the one it displaces. */
struct rewrite *name_exchange(struct name *name, struct rewrite *rewrite);
struct prepared *name_exchange_prepared(struct name *name, struct prepared *prepared); /* likewise */
void name_set_shape(struct name *name, struct statement_shape *shape); /* takes its own reference */
/* Forgets what the name means; a name that no request holds goes away. */
void names_clear(struct names *names, struct name *name);

#endif
