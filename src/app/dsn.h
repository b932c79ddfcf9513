/*
 * libpq connection strings of the configuration: ${NAME} is taken from the
 * environment, and a password written into the file is noticed.
 */
#ifndef CROSSFADE_APP_DSN_H
#define CROSSFADE_APP_DSN_H

#include "base/arena.h"

#include <stdbool.h>

/*
 * dsn_out: as keyword='value' pairs, whatever the form of text was.
 * why_out: what is wrong, to follow "the connection string" in a message;
 * never a part of the text, which may hold a password.
 */
bool dsn_resolve(struct arena *arena, const char *text, const char **dsn_out, bool *has_password_out,
		 const char **why_out);

/* The database that dsn, as dsn_resolve made it, connects to; NULL when libpq cannot tell. */
const char *dsn_database(struct arena *arena, const char *dsn);

#endif
