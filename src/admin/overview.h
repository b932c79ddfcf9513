/*
 * How things stand, for those who only look: the phase of the process, the
 * server's address, and per database the rules in force and the age of the
 * facts. The main thread keeps it up to date, http's threads read it.
 */
#ifndef CROSSFADE_ADMIN_OVERVIEW_H
#define CROSSFADE_ADMIN_OVERVIEW_H

#include "model/ruleset.h"

enum overview_phase { OVERVIEW_STARTING, OVERVIEW_READY, OVERVIEW_DRAINING };

struct overview;
struct catalog_watcher;

struct overview *overview_new(size_t database_count);
void overview_free(struct overview *overview);

void overview_set_phase(struct overview *overview, enum overview_phase phase);
enum overview_phase overview_phase(struct overview *overview);

/* The kill switch: off while it is pulled. */
void overview_set_rewriting(struct overview *overview, bool on);
bool overview_rewriting(struct overview *overview);

enum { OVERVIEW_HOST_BYTES = 256 };
void overview_set_server(struct overview *overview, const char *host, uint16_t port);
void overview_server(struct overview *overview, char host_out[OVERVIEW_HOST_BYTES], uint16_t *port_out);

/* database NULL: every one. The overview takes a reference of its own. */
void overview_set_rules(struct overview *overview, size_t index, const char *database, struct ruleset *ruleset);
/* The watcher must live until it is taken out again (NULL). */
void overview_set_watcher(struct overview *overview, size_t index, const struct catalog_watcher *watcher);

struct overview_database {
	char name[64];		 /* "*": every database */
	struct ruleset *ruleset; /* NULL: none yet */
	int64_t facts_age_ms;	 /* -1: the catalog was not read yet, or is not read at all */
	uint64_t *flips; /* of the ruleset's entries, since the process began; as many as it has */
};
struct overview_databases {
	struct overview_database *items;
	size_t count;
};
/* A copy with references of its own. */
void overview_databases(struct overview *overview, struct overview_databases *databases_out);
void overview_databases_deinit(struct overview_databases *databases);

#endif
