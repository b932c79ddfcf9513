/*
 * Which entries of the map a session's transaction has touched: the server
 * has locked their tables, or will when it reads what was sent, and they keep
 * their place until the transaction ends (rewriting.md §2). The same set says
 * which statements a pause must not hold up: those of a transaction that has
 * touched the table already (cutover.md).
 *
 * An entry is touched by sending a request that uses it; Parse alone takes
 * locks. Requests are numbered as they are sent (pipeline.h), so that the end
 * of a transaction takes with it what was sent up to there and leaves what
 * was sent behind it. Where in doubt an entry stays touched.
 *
 * Entries are those of one ruleset; pins_translate follows another one.
 */
#ifndef CROSSFADE_PROXY_PINS_H
#define CROSSFADE_PROXY_PINS_H

#include "model/ruleset.h"
#include "model/use.h"

struct pin {
	uint32_t entry;
	uint64_t first, last; /* requests that touched it */
};

struct pin_savepoint;

struct pins {
	struct pin *items; /* NULL: none */
	uint32_t count, capacity;
	uint64_t since; /* the transaction being sent began with this request, as far as is known */
	struct pin_savepoint *savepoints; /* newest first */
	uint32_t depth;			  /* their number */
};

void pins_init(struct pins *pins);
void pins_deinit(struct pins *pins);

void pins_touch(struct pins *pins, const struct ruleset *ruleset, const struct statement_shape *shape,
		uint64_t request);
/* What is sent next begins a transaction; earlier ones may still be under way. */
static inline void pins_begin(struct pins *pins, uint64_t request)
{
	pins->since = request;
}
/* The transaction being sent has touched the entry, or another one of its group: those are pinned together. */
bool pins_hold(const struct pins *pins, const struct ruleset *ruleset, const struct ruleset_entry *entry);
/* Whether sending the statement locks the table of this use, and not only names it in passing. */
static inline bool pins_use_touches(const struct use *use)
{
	return !(use->flags & USE_REFUSED) && use->kind != USE_INTROSPECTION;
}

/* The transaction that this request was in has ended. */
void pins_end(struct pins *pins, uint64_t request);
/* SAVEPOINT, RELEASE, ROLLBACK TO have succeeded. */
void pins_savepoint(struct pins *pins, const char *name, uint64_t request);
void pins_release(struct pins *pins, const char *name);
void pins_rollback_to(struct pins *pins, const char *name, uint64_t request);

void pins_translate(struct pins *pins, const struct ruleset *from, const struct ruleset *to);

#endif
