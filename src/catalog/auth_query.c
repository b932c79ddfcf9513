#include "catalog/auth_query.h"

#include "auth/scram_keys.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "catalog/connection.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uthash.h>

struct question {
	struct question *next;
	void *asker;
	char user[];
};

struct kept {
	UT_hash_handle hh;
	uint64_t until_us;
	char *verifier; /* NULL: no such user */
	char user[];
};

struct auth_query {
	struct auth_query_settings settings;
	char *dsn, *sql;
	auth_query_answer_fn *answer;
	pthread_t thread;
	int stop_fd;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t asked;
	struct question *first, **last;
	struct kept *kept;
	bool stopping;
	/* the thread's own */
	struct catalog_connection *connection;
	bool in_trouble;
};

struct auth_query_settings auth_query_settings_default(void)
{
	return (struct auth_query_settings){
		.keep_ms = 10000, .connect_timeout_ms = 5000, .query_timeout_ms = 5000, .users_max = 10000
	};
}

/* ---- what is kept; all under the lock ---- */

static void drop(struct auth_query *query, struct kept *kept)
{
	HASH_DEL(query->kept, kept);
	if (kept->verifier)
		secret_wipe(kept->verifier, strlen(kept->verifier));
	free(kept->verifier);
	free(kept);
}

static void drop_all(struct auth_query *query)
{
	struct kept *kept, *next;
	HASH_ITER(hh, query->kept, kept, next)
	drop(query, kept);
}

static struct kept *find(struct auth_query *query, const char *user)
{
	struct kept *kept = NULL;
	HASH_FIND_STR(query->kept, user, kept);
	return kept;
}

/* The text is the caller's to wipe and free. */
static bool find_fresh(struct auth_query *query, const char *user, char **verifier_out)
{
	pthread_mutex_lock(&query->lock);
	struct kept *kept = find(query, user);
	bool fresh = kept && kept->until_us > clock_monotonic_us();
	if (fresh)
		*verifier_out = memory_strdup(kept->verifier);
	pthread_mutex_unlock(&query->lock);
	return fresh;
}

static void keep(struct auth_query *query, const char *user, const char *verifier)
{
	pthread_mutex_lock(&query->lock);
	struct kept *kept = find(query, user);
	if (kept)
		drop(query, kept);
	if (HASH_COUNT(query->kept) >= query->settings.users_max)
		drop_all(query);
	kept = memory_zalloc(sizeof(*kept) + strlen(user) + 1);
	memcpy(kept->user, user, strlen(user));
	kept->verifier = memory_strdup(verifier);
	kept->until_us = clock_monotonic_us() + (uint64_t)query->settings.keep_ms * 1000;
	HASH_ADD_STR(query->kept, user, kept);
	pthread_mutex_unlock(&query->lock);
}

void auth_query_forget(struct auth_query *query, const char *user)
{
	pthread_mutex_lock(&query->lock);
	struct kept *kept = find(query, user);
	if (kept)
		drop(query, kept);
	pthread_mutex_unlock(&query->lock);
}

/* ---- asking the server ---- */

static void note_trouble(struct auth_query *query, const struct error *error)
{
	if (error && !query->in_trouble)
		LOG(LOG_ERROR, "auth_query_failed", LOG_STR("error", error->message),
		    LOG_STR("detail", error->detail[0] ? error->detail : NULL));
	else if (!error && query->in_trouble)
		LOG(LOG_INFO, "auth_query_recovered");
	query->in_trouble = error != NULL;
}

static bool connected(struct auth_query *query, struct error *error_out)
{
	if (query->connection && catalog_connection_is_alive(query->connection) &&
	    catalog_connection_listen(query->connection))
		return true;
	catalog_connection_free(query->connection);
	query->connection = NULL;
	return catalog_connect(query->dsn, query->stop_fd, query->settings.connect_timeout_ms, &query->connection,
			       error_out);
}

/* Something that is no verifier of SCRAM (an md5 hash, say) is none of our business to keep. */
static char *verifier_of(const PGresult *result, const char *user)
{
	struct scram_verifier verifier;
	int column = PQnfields(result) - 1;
	if (PQntuples(result) < 1 || column < 0 || PQgetisnull(result, 0, column))
		return NULL;
	const char *text = PQgetvalue(result, 0, column);
	if (scram_verifier_parse(slice_str(text), &verifier)) {
		secret_wipe(&verifier, sizeof(verifier));
		return memory_strdup(text);
	}
	LOG(LOG_WARNING, "auth_query_no_verifier", LOG_STR("user", user),
	    LOG_STR("message", "auth_query gave something that is no SCRAM-SHA-256 verifier for this user"));
	return NULL;
}

static bool ask_server(struct auth_query *query, const char *user, char **verifier_out, struct error *error_out)
{
	PGresult *result = NULL;
	if (!connected(query, error_out) ||
	    !catalog_query_for(query->connection, query->sql, user, query->settings.query_timeout_ms, &result, error_out))
		return false;
	*verifier_out = verifier_of(result, user);
	PQclear(result);
	return true;
}

static void serve(struct auth_query *query, const struct question *question)
{
	struct error error;
	char *verifier = NULL;
	bool ok = find_fresh(query, question->user, &verifier);
	if (!ok) {
		ok = ask_server(query, question->user, &verifier, &error);
		note_trouble(query, ok ? NULL : &error);
		if (ok)
			keep(query, question->user, verifier);
	}
	query->answer(question->asker, verifier, ok ? NULL : &error);
	if (verifier)
		secret_wipe(verifier, strlen(verifier));
	free(verifier);
}

/* ---- the thread ---- */

/* NULL: stop. */
static struct question *next_question(struct auth_query *query)
{
	pthread_mutex_lock(&query->lock);
	while (!query->first && !query->stopping)
		pthread_cond_wait(&query->asked, &query->lock);
	struct question *question = query->stopping ? NULL : query->first;
	if (question) {
		query->first = question->next;
		if (!query->first)
			query->last = &query->first;
	}
	pthread_mutex_unlock(&query->lock);
	return question;
}

static void *run(void *context)
{
	struct auth_query *query = context;
	struct question *question;
	pthread_setname_np(pthread_self(), "auth-query");
	while ((question = next_question(query)) != NULL) {
		serve(query, question);
		free(question);
	}
	catalog_connection_free(query->connection);
	return NULL;
}

static void start_thread(struct auth_query *query)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&query->thread, NULL, run, query) != 0)
		memory_exhausted(0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct auth_query *auth_query_new(const struct auth_query_settings *settings, auth_query_answer_fn *answer)
{
	struct auth_query *query = memory_zalloc(sizeof(*query));
	query->settings = *settings;
	query->dsn = memory_strdup(settings->dsn);
	query->sql = memory_strdup(settings->sql);
	query->answer = answer;
	query->last = &query->first;
	query->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&query->lock, NULL);
	pthread_cond_init(&query->asked, NULL);
	start_thread(query);
	return query;
}

void auth_query_ask(struct auth_query *query, const char *user, void *asker)
{
	struct question *question = memory_zalloc(sizeof(*question) + strlen(user) + 1);
	question->asker = asker;
	memcpy(question->user, user, strlen(user));
	pthread_mutex_lock(&query->lock);
	*query->last = question;
	query->last = &question->next;
	pthread_cond_signal(&query->asked);
	pthread_mutex_unlock(&query->lock);
}

static void refuse_rest(struct auth_query *query)
{
	struct error error;
	error_set(&error, SQLSTATE_ADMIN_SHUTDOWN, "crossfade is stopping");
	while (query->first) {
		struct question *question = query->first;
		query->first = question->next;
		query->answer(question->asker, NULL, &error);
		free(question);
	}
}

void auth_query_free(struct auth_query *query)
{
	if (!query)
		return;
	pthread_mutex_lock(&query->lock);
	query->stopping = true;
	pthread_cond_signal(&query->asked);
	pthread_mutex_unlock(&query->lock);
	eventfd_write(query->stop_fd, 1);
	pthread_join(query->thread, NULL);
	refuse_rest(query);
	drop_all(query);
	close(query->stop_fd);
	pthread_mutex_destroy(&query->lock);
	pthread_cond_destroy(&query->asked);
	free(query->dsn);
	free(query->sql);
	free(query);
}
