#include "proxy/parse_pool.h"

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#include <stdlib.h>

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_ABANDONED, JOB_POSTED };

struct parse_job {
	struct inbox_task task;
	struct list_link link; /* while queued */
	struct parse_pool *pool;
	enum job_state state; /* under the pool's lock until it is posted */
	char *sql;
	size_t len;
	enum rewrite_protocol protocol;
	struct session_state *session;
	struct ruleset *ruleset;
	struct rewrite *rewrite; /* the result */
	struct inbox *inbox;
	void (*done)(void *context, struct rewrite *rewrite); /* NULL: nobody waits any more */
	void *context;
};

struct parse_pool {
	struct rewriter_settings settings;
	size_t stack_bytes;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct list_link queue;
	bool started, ending;
};

struct parse_pool *parse_pool_new(const struct rewriter_settings *settings, size_t stack_bytes)
{
	struct parse_pool *pool = memory_zalloc(sizeof(*pool));
	pool->settings = *settings;
	pool->settings.cache_bytes = 0; /* what a cache holds belongs to one thread */
	pool->stack_bytes = stack_bytes;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	link_init(&pool->queue);
	return pool;
}

static void free_job(struct parse_job *job)
{
	free(job->sql);
	session_state_free(job->session);
	ruleset_unref(job->ruleset);
	rewrite_unref(job->rewrite);
	free(job);
}

void parse_pool_free(struct parse_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_signal(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	if (pool->started)
		pthread_join(pool->thread, NULL);
	LIST_FOR_EACH_SAFE(link, &pool->queue)
	free_job(LIST_ENTRY(link, struct parse_job, link));
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* ---- the pool's thread ---- */

static struct parse_job *next_job(struct parse_pool *pool)
{
	struct parse_job *job = NULL;
	pthread_mutex_lock(&pool->lock);
	while (!pool->ending && link_is_empty(&pool->queue))
		pthread_cond_wait(&pool->wake, &pool->lock);
	if (!pool->ending) {
		job = LIST_ENTRY(pool->queue.next, struct parse_job, link);
		link_remove(&job->link);
		job->state = JOB_RUNNING;
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void give_back(struct parse_pool *pool, struct parse_job *job)
{
	pthread_mutex_lock(&pool->lock);
	bool wanted = job->state == JOB_RUNNING;
	if (wanted) {
		job->state = JOB_POSTED;
		inbox_post(job->inbox, &job->task);
	}
	pthread_mutex_unlock(&pool->lock);
	if (!wanted)
		free_job(job);
}

static void *run_pool(void *context)
{
	struct parse_pool *pool = context;
	struct parse_job *job;
	struct rewriter *rewriter = rewriter_new(pool->settings);
	while ((job = next_job(pool))) {
		job->rewrite = rewriter_run(rewriter, slice_of(job->sql, job->len), job->protocol, job->session,
					    job->ruleset);
		give_back(pool, job);
	}
	rewriter_free(rewriter);
	return NULL;
}

/* ---- the worker's thread ---- */

static void run_done(struct inbox_task *task)
{
	struct parse_job *job = (struct parse_job *)task;
	struct rewrite *rewrite = job->rewrite;
	if (job->done) {
		job->rewrite = NULL;
		job->done(job->context, rewrite);
	}
	free_job(job);
}

struct parse_job *parse_pool_submit(struct parse_pool *pool, const struct parse_request *request,
				    struct inbox *inbox, void (*done)(void *context, struct rewrite *rewrite),
				    void *context)
{
	struct parse_job *job = memory_zalloc(sizeof(*job));
	job->task.run = run_done;
	job->pool = pool;
	job->sql = memory_alloc(request->sql.len + 1);
	memcpy(job->sql, request->sql.data, request->sql.len);
	job->len = request->sql.len;
	job->protocol = request->protocol;
	job->session = session_state_new("", "", NULL);
	session_state_assign(job->session, request->state);
	job->ruleset = ruleset_ref(request->ruleset);
	job->inbox = inbox;
	job->done = done;
	job->context = context;
	pthread_mutex_lock(&pool->lock);
	if (!pool->started)
		pool->started = thread_start(&pool->thread, "parser", pool->stack_bytes, run_pool, pool);
	bool running = pool->started;
	if (running) {
		link_append(&pool->queue, &job->link);
		pthread_cond_signal(&pool->wake);
	}
	pthread_mutex_unlock(&pool->lock);
	if (running)
		return job;
	free_job(job);
	return NULL;
}

void parse_job_abandon(struct parse_job *job)
{
	struct parse_pool *pool = job->pool;
	pthread_mutex_lock(&pool->lock);
	enum job_state state = job->state;
	job->done = NULL;
	if (state == JOB_QUEUED)
		link_remove(&job->link);
	else if (state == JOB_RUNNING)
		job->state = JOB_ABANDONED;
	pthread_mutex_unlock(&pool->lock);
	if (state == JOB_QUEUED)
		free_job(job);
}
