/*
 * What in the live databases names a table that moves, for the page: asked on
 * a thread of its own when somebody looks, so that the page says what
 * `crossfade report` says and nobody else waits for it.
 */
#ifndef CROSSFADE_APP_BLOCKER_WATCH_H
#define CROSSFADE_APP_BLOCKER_WATCH_H

#include "admin/overview.h"
#include "app/settings.h"
#include "usage/report.h"

struct blocker_watch;

/* The overview must live longer. NULL when there is no thread to be had. */
struct blocker_watch *blocker_watch_new(struct overview *overview, const struct settings_databases *databases);
void blocker_watch_free(struct blocker_watch *watch); /* accepts NULL */
/* From any thread: other connection strings, of the same databases. */
void blocker_watch_configure(struct blocker_watch *watch, const struct settings_databases *databases);
/*
 * From any thread: has the databases asked when the last answer is some
 * seconds old, waits for it for a moment, and adds what is known.
 */
void blocker_watch_add(struct blocker_watch *watch, struct report *report);

#endif
