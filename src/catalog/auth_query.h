/*
 * Password verifiers asked of the server itself, by the administrator's
 * query, in a thread of its own. Nothing is kept: a login never meets an
 * answer that is older than itself, so a new password counts at once. What
 * many ask about one user while the server is busy is one query.
 */
#ifndef CROSSFADE_CATALOG_AUTH_QUERY_H
#define CROSSFADE_CATALOG_AUTH_QUERY_H

#include "base/error.h"

struct auth_query;

struct auth_query_settings {
	const char *dsn; /* copied */
	const char *sql; /* copied; $1 is the user's name, the answer's last column the verifier */
	uint32_t connect_timeout_ms, query_timeout_ms;
	size_t questions_max; /* that wait; one more is answered with an error */
};
struct auth_query_settings auth_query_settings_default(void);

/*
 * Called once for each question, on the thread of auth_query or within
 * auth_query_ask or auth_query_free. verifier NULL without error: there is no such user, or
 * none who could log in with a password. Both live during the call.
 */
typedef void auth_query_answer_fn(void *asker, const char *verifier, const struct error *error);

struct auth_query *auth_query_new(const struct auth_query_settings *settings, auth_query_answer_fn *answer);
/* Questions without an answer are answered with an error. Returns within two seconds. */
void auth_query_free(struct auth_query *query);

/* From any thread. */
void auth_query_ask(struct auth_query *query, const char *user, void *asker);

#endif
