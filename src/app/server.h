/*
 * The composition root of `crossfade serve`: owns the main loop, the proxy,
 * the ledger, and for each database its rules and the watcher of its catalog.
 */
#ifndef CROSSFADE_APP_SERVER_H
#define CROSSFADE_APP_SERVER_H

#include "app/settings.h"

struct server;

/* Takes over the settings. config_path: what -c said, for reloads (NULL: the usual places). */
bool server_new(struct settings *settings, const char *config_path, struct server **server_out,
		struct error *error_out);
/* Serves until SIGTERM or SIGINT; the process's exit status. */
int server_run(struct server *server);
void server_free(struct server *server);

/* `serve --check`: everything that server_new looks at, without opening anything. */
bool server_check(const struct settings *settings, struct error *error_out);

#endif
