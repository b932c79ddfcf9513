/*
 * Who is at the other end of a unix socket, and what that user may do. The
 * kernel says who it is; root and the user that crossfade runs as could do
 * anything to the process anyway, so they are admins under any name.
 */
#ifndef CROSSFADE_ADMIN_CONSOLE_PEER_H
#define CROSSFADE_ADMIN_CONSOLE_PEER_H

#include "admin/console.h"
#include "admin/console_talk.h"

enum { CONSOLE_PEER_BYTES = 64 };

/* A copy of console_users that connections may hold on to. */
struct console_allowed;
struct console_allowed *console_allowed_new(const struct console_users *users);
struct console_allowed *console_allowed_ref(struct console_allowed *allowed);
void console_allowed_unref(struct console_allowed *allowed);
struct users *console_allowed_passwords(const struct console_allowed *allowed); /* NULL: none */

/* Over TCP: before and after the password. */
enum console_role console_remote_role(const char *user, bool proved, const struct console_allowed *allowed,
				      struct error *error_out);
/* who_out: the name for journal and log. */
enum console_role console_peer_role(int fd, const char *user, const struct console_allowed *allowed, char *who_out,
				    size_t who_size, struct error *error_out);

#endif
