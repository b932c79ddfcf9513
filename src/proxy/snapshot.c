#include "proxy/snapshot.h"

#include "base/clock.h"
#include "base/memory.h"
#include "proxy/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Shared by whoever asks and the workers; the last of them frees it. */
struct question {
	struct ref ref;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	size_t left;
	struct snapshot *snapshot; /* NULL: nobody waits any more */
};

struct question_task {
	struct inbox_task task;
	struct question *question;
	struct worker *worker;
	size_t index;
};

static void question_unref(struct question *question)
{
	if (!ref_drop(&question->ref))
		return;
	pthread_cond_destroy(&question->answered);
	pthread_mutex_destroy(&question->lock);
	free(question);
}

/* ---- on a worker's thread ---- */

static const char *state_of(const struct session *session)
{
	switch (session->phase) {
	case SESSION_STARTUP: return "startup";
	case SESSION_CONNECTING: return "connecting";
	case SESSION_LOGIN: return "login";
	case SESSION_RUNNING: return session->conversation.pipeline.count ? "active" : "idle";
	case SESSION_RELAY: return "replication";
	case SESSION_CANCELLING: return "cancelling";
	default: return "closing";
	}
}

static const char *transaction_of(const struct session *session)
{
	if (session->phase != SESSION_RUNNING)
		return NULL;
	switch (session->conversation.vars.ready) {
	case 'T': return "in transaction";
	case 'E': return "failed";
	default: return "idle";
	}
}

static void copy_name(char out[SNAPSHOT_NAME_BYTES], const char *name)
{
	snprintf(out, SNAPSHOT_NAME_BYTES, "%s", name ? name : "");
}

static void copy_server(const struct session *session, struct snapshot_session *row)
{
	char host[ADDRESS_TEXT_BYTES];
	if (!session->server_address.len)
		return;
	address_text(&session->server_address, host);
	if (address_is_unix(&session->server_address))
		snprintf(row->server, sizeof(row->server), "%s", host);
	else
		snprintf(row->server, sizeof(row->server), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
			 address_port(&session->server_address));
}

static void copy_session(const struct session *session, uint64_t now_us, int64_t now_ms, struct snapshot_session *row)
{
	const struct conversation *conversation = &session->conversation;
	*row = (struct snapshot_session){
		.id = session->id,
		.state = state_of(session),
		.transaction = transaction_of(session),
		.waits_for = conversation_waits_for(conversation),
		.requests = conversation->pipeline.count,
		.server_pid = cancel_entry_pid(session->cancel),
		.began_ms = now_ms - (int64_t)((now_us - session->began_us) / 1000),
		.bytes_from_client = session->bytes_from_client,
		.bytes_from_server = session->bytes_from_server,
		.ruleset = conversation->ruleset ? conversation->ruleset->version : 0,
	};
	copy_name(row->database, session->database);
	copy_name(row->user, session->user);
	copy_name(row->application, conversation->who.application);
	memcpy(row->address, session->address, sizeof(row->address));
	copy_server(session, row);
}

static void copy_worker(struct worker *worker, struct snapshot_worker *out)
{
	size_t count = 0;
	uint64_t now_us = clock_monotonic_us();
	int64_t now_ms = clock_wall_ms();
	LIST_FOR_EACH(link, &worker->sessions)
	count++;
	out->sessions = memory_zalloc(count * sizeof(*out->sessions) + 1);
	LIST_FOR_EACH(link, &worker->sessions)
	{
		copy_session(LIST_ENTRY(link, struct session, link), now_us, now_ms, &out->sessions[out->session_count]);
		out->sessions[out->session_count++].worker = out->worker;
	}
	out->cache = rewriter_cache_stats(worker->env.rewriter);
	out->answered = true;
}

static void run_question(struct inbox_task *task)
{
	struct question_task *own = (struct question_task *)task;
	struct question *question = own->question;
	pthread_mutex_lock(&question->lock);
	if (question->snapshot)
		copy_worker(own->worker, &question->snapshot->workers[own->index]);
	question->left--;
	pthread_cond_signal(&question->answered);
	pthread_mutex_unlock(&question->lock);
	question_unref(question);
	free(own);
}

/* ---- on the asking thread ---- */

static struct question *ask(struct proxy *proxy, struct snapshot *snapshot)
{
	struct question *question = memory_zalloc(sizeof(*question));
	pthread_condattr_t clock;
	ref_init(&question->ref);
	pthread_mutex_init(&question->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&question->answered, &clock);
	pthread_condattr_destroy(&clock);
	question->snapshot = snapshot;
	question->left = snapshot->worker_count;
	for (size_t i = 0; i < snapshot->worker_count; i++) {
		struct question_task *task = memory_zalloc(sizeof(*task));
		snapshot->workers[i].worker = (unsigned)i;
		*task = (struct question_task){ .task.run = run_question, .question = question,
						.worker = proxy_worker(proxy, i), .index = i };
		ref_take(&question->ref);
		inbox_post(&task->worker->loop.inbox, &task->task);
	}
	return question;
}

static struct timespec deadline_in(uint32_t ms)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

struct snapshot *snapshot_take(struct proxy *proxy, uint32_t timeout_ms)
{
	struct snapshot *snapshot = memory_zalloc(sizeof(*snapshot));
	struct timespec deadline = deadline_in(timeout_ms);
	snapshot->worker_count = proxy_worker_count(proxy);
	snapshot->workers = memory_zalloc(snapshot->worker_count * sizeof(*snapshot->workers) + 1);
	struct question *question = ask(proxy, snapshot);
	pthread_mutex_lock(&question->lock);
	int status = 0;
	while (question->left && status == 0)
		status = pthread_cond_timedwait(&question->answered, &question->lock, &deadline);
	snapshot->complete = question->left == 0;
	question->snapshot = NULL;
	pthread_mutex_unlock(&question->lock);
	question_unref(question);
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->worker_count; i++)
		free(snapshot->workers[i].sessions);
	free(snapshot->workers);
	free(snapshot);
}
