/*
 * The users file: who may log in, and the SCRAM verifier of each, one a line
 * in the form that PgBouncer made common:
 *
 *   "alice" "SCRAM-SHA-256$4096:c2FsdA==$…:…"
 *
 * Lines that are empty or begin with ; or # do not count. Immutable once it
 * is loaded, and shared by reference.
 */
#ifndef CROSSFADE_AUTH_USERS_H
#define CROSSFADE_AUTH_USERS_H

#include "auth/scram_keys.h"
#include "base/error.h"

struct users;

/* The file must be for its owner's eyes only. */
bool users_load(const char *path, struct users **users_out, struct error *error_out);
/* file: for messages. */
bool users_parse(struct slice text, const char *file, struct users **users_out, struct error *error_out);
/* Nobody: what is unknown looks as users of PostgreSQL do by default. */
struct users *users_none(void);
struct users *users_ref(struct users *users);
void users_unref(struct users *users);
size_t users_count(const struct users *users);

/* NULL: there is no such user. Lives as long as users. */
const struct scram_verifier *users_find(const struct users *users, struct slice name);
/*
 * The same answers for an unknown name as for a known one, up to the proof:
 * *doomed_out says which it was.
 */
void users_verifier(const struct users *users, struct slice name, struct scram_verifier *verifier_out,
		    bool *doomed_out);

#endif
