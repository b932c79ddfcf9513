/*
 * The console: crossfade answers PostgreSQL's protocol itself, for the
 * virtual database `crossfade`, on sockets of its own, so that psql and any
 * driver can look and give orders. Few connections, a thread each: a slow
 * command delays nobody, and no session of the proxy is touched.
 *
 *   main loop: listener ──fd──▶ connection thread: bytes ──▶ console_talk
 *                                 SHOW … ──▶ console_show; all else ──▶ actions
 *
 * On a unix socket the kernel says who is there (peer authentication), over
 * TCP a password does (SCRAM).
 */
#ifndef CROSSFADE_ADMIN_CONSOLE_H
#define CROSSFADE_ADMIN_CONSOLE_H

#include "admin/console_show.h"
#include "auth/users.h"

struct uv_loop_s;
struct console;

/* Who may come in: operating system users, or those of the users file. */
struct console_users {
	const char *const *admins;
	size_t admin_count;
	const char *const *viewers;
	size_t viewer_count;
	struct users *passwords; /* for TCP; NULL: nobody comes in over it. A reference is taken */
};

/* Who gave a command; lives as long as the command runs. */
struct console_caller {
	const char *who;     /* for the journal: "alice" */
	const char *address; /* "local", or where from */
	void *connection;    /* private */
};
/* A line of progress, which the client gets at once. */
void console_progress(const struct console_caller *caller, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void console_warn(const struct console_caller *caller, const struct error *warning);
/* The client asked to give up, is gone, or the process ends. Cheap enough to ask every few milliseconds. */
bool console_cancelled(const struct console_caller *caller);

/* What only the rest of the program can do: every command that console_show does not know. */
struct console_actions {
	void *context;
	bool (*run)(void *context, const struct console_caller *caller, const struct console_request *request,
		    struct console_result *result, struct error *error_out);
};

enum { CONSOLE_CONNECTIONS_MAX = 32 };

/* The sources must live until console_free. On the thread of the loop, as the rest. */
struct console *console_new(struct uv_loop_s *loop, const struct console_sources *sources,
			    struct console_actions actions, const struct console_users *users);
/* Listens and answers at once. host: as the proxy's; port 0 chooses a free one. */
bool console_listen(struct console *console, const char *host, uint16_t port, struct error *error_out);
/* From now on; copied. */
void console_set_users(struct console *console, const struct console_users *users);
/* Ends connections and threads; the loop frees what is left of the listeners. Accepts NULL. */
void console_free(struct console *console);

#endif
