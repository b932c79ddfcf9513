#include "catalog/auth_query.h"

#include "auth/scram_keys.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "catalog/connection.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Then the connection is closed: in quiet times the server need not keep it. */
enum { IDLE_MS = 2000 };

struct question {
	struct question *next;
	void *asker;
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
	size_t count;
	bool stopping;
	/* the thread's own */
	struct catalog_connection *connection;
	bool in_trouble;
};

struct auth_query_settings auth_query_settings_default(void)
{
	return (struct auth_query_settings){
		.connect_timeout_ms = 5000, .query_timeout_ms = 5000, .questions_max = 10000
	};
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

static void answer_all(struct auth_query *query, struct question *questions, const char *verifier,
		       const struct error *error)
{
	while (questions) {
		struct question *question = questions;
		questions = question->next;
		query->answer(question->asker, verifier, error);
		free(question);
	}
}

/* All that were asked about one user before the server is. */
static void serve(struct auth_query *query, struct question *questions)
{
	struct error error;
	char *verifier = NULL;
	bool ok = ask_server(query, questions->user, &verifier, &error);
	note_trouble(query, ok ? NULL : &error);
	answer_all(query, questions, verifier, ok ? NULL : &error);
	if (verifier)
		secret_wipe(verifier, strlen(verifier));
	free(verifier);
}

/* ---- the thread ---- */

/* The oldest question and all others about its user, taken from the queue. */
static struct question *take_questions(struct auth_query *query)
{
	struct question *taken = query->first, **last = &taken->next;
	struct question **at = &query->first;
	*at = taken->next;
	*last = NULL;
	query->count--;
	while (*at) {
		struct question *question = *at;
		if (strcmp(question->user, taken->user) != 0) {
			at = &question->next;
			continue;
		}
		*at = question->next;
		question->next = NULL;
		*last = question;
		last = &question->next;
		query->count--;
	}
	query->last = at;
	return taken;
}

/* Whether it was asked, or told to stop, in time. */
static bool wait_a_while(struct auth_query *query)
{
	struct timespec until;
	int waited = 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_MS / 1000;
	while (!query->first && !query->stopping && waited == 0)
		waited = pthread_cond_timedwait(&query->asked, &query->lock, &until);
	return query->first || query->stopping;
}

static void disconnect(struct auth_query *query)
{
	pthread_mutex_unlock(&query->lock);
	catalog_connection_free(query->connection);
	query->connection = NULL;
	pthread_mutex_lock(&query->lock);
}

/* NULL: stop. */
static struct question *next_questions(struct auth_query *query)
{
	pthread_mutex_lock(&query->lock);
	if (query->connection && !wait_a_while(query))
		disconnect(query);
	while (!query->first && !query->stopping)
		pthread_cond_wait(&query->asked, &query->lock);
	struct question *questions = query->stopping ? NULL : take_questions(query);
	pthread_mutex_unlock(&query->lock);
	return questions;
}

static void *run(void *context)
{
	struct auth_query *query = context;
	struct question *questions;
	while ((questions = next_questions(query)) != NULL)
		serve(query, questions);
	catalog_connection_free(query->connection);
	return NULL;
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
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&query->asked, &attributes);
	pthread_condattr_destroy(&attributes);
	if (!thread_start(&query->thread, "auth-query", 0, run, query))
		memory_exhausted(0);
	return query;
}

static void refuse(struct auth_query *query, struct question *questions, const char *sqlstate, const char *message)
{
	struct error error;
	error_set(&error, sqlstate, "%s", message);
	answer_all(query, questions, NULL, &error);
}

void auth_query_ask(struct auth_query *query, const char *user, void *asker)
{
	struct question *question = memory_zalloc(sizeof(*question) + strlen(user) + 1);
	question->asker = asker;
	memcpy(question->user, user, strlen(user));
	pthread_mutex_lock(&query->lock);
	bool room = query->count < query->settings.questions_max;
	if (room) {
		*query->last = question;
		query->last = &question->next;
		query->count++;
		pthread_cond_signal(&query->asked);
	}
	pthread_mutex_unlock(&query->lock);
	if (!room)
		refuse(query, question, SQLSTATE_TOO_MANY_CONNECTIONS, "too many logins wait for an answer of the server");
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
	refuse(query, query->first, SQLSTATE_ADMIN_SHUTDOWN, "crossfade is stopping");
	close(query->stop_fd);
	pthread_mutex_destroy(&query->lock);
	pthread_cond_destroy(&query->asked);
	free(query->dsn);
	free(query->sql);
	free(query);
}
