#include "app/main_calls.h"

#include "base/list.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

enum call_state { CALL_WAITING, CALL_DONE, CALL_REFUSED };

struct call {
	struct list_link link;
	void (*run)(void *context);
	void *context;
	enum call_state state;
};

struct main_calls {
	uv_async_t wake;
	pthread_mutex_t lock;
	pthread_cond_t settled;
	struct list_link waiting;
	bool closed;
};

static struct call *take(struct main_calls *calls)
{
	pthread_mutex_lock(&calls->lock);
	struct call *call = NULL;
	if (!link_is_empty(&calls->waiting)) {
		call = LIST_ENTRY(calls->waiting.next, struct call, link);
		link_remove(&call->link);
	}
	pthread_mutex_unlock(&calls->lock);
	return call;
}

static void settle(struct main_calls *calls, struct call *call, enum call_state state)
{
	pthread_mutex_lock(&calls->lock);
	call->state = state;
	pthread_cond_broadcast(&calls->settled);
	pthread_mutex_unlock(&calls->lock);
}

static void on_wake(uv_async_t *async)
{
	struct main_calls *calls = async->data;
	struct call *call;
	while ((call = take(calls))) {
		call->run(call->context);
		settle(calls, call, CALL_DONE);
	}
}

struct main_calls *main_calls_new(struct uv_loop_s *loop)
{
	struct main_calls *calls = memory_zalloc(sizeof(*calls));
	uv_async_init(loop, &calls->wake, on_wake);
	calls->wake.data = calls;
	pthread_mutex_init(&calls->lock, NULL);
	pthread_cond_init(&calls->settled, NULL);
	link_init(&calls->waiting);
	return calls;
}

void main_calls_close(struct main_calls *calls)
{
	struct call *call;
	pthread_mutex_lock(&calls->lock);
	calls->closed = true;
	pthread_mutex_unlock(&calls->lock);
	while ((call = take(calls)))
		settle(calls, call, CALL_REFUSED);
	uv_close((uv_handle_t *)&calls->wake, NULL);
}

void main_calls_free(struct main_calls *calls)
{
	if (!calls)
		return;
	pthread_cond_destroy(&calls->settled);
	pthread_mutex_destroy(&calls->lock);
	free(calls);
}

bool main_calls_run(struct main_calls *calls, void (*run)(void *context), void *context)
{
	struct call call = { .run = run, .context = context };
	pthread_mutex_lock(&calls->lock);
	if (calls->closed) {
		pthread_mutex_unlock(&calls->lock);
		return false;
	}
	link_append(&calls->waiting, &call.link);
	uv_async_send(&calls->wake); /* under the lock, so that the handle is not closed meanwhile */
	while (call.state == CALL_WAITING)
		pthread_cond_wait(&calls->settled, &calls->lock);
	pthread_mutex_unlock(&calls->lock);
	return call.state == CALL_DONE;
}
