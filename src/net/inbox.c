#include "net/inbox.h"

#include <stddef.h>

static struct inbox_task *take_all(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->lock);
	struct inbox_task *first = inbox->first;
	inbox->first = NULL;
	inbox->last = &inbox->first;
	pthread_mutex_unlock(&inbox->lock);
	return first;
}

static void on_wake(uv_async_t *wake)
{
	struct inbox *inbox = wake->data;
	struct inbox_task *task = take_all(inbox);
	while (task) {
		struct inbox_task *next = task->next;
		task->run(task);
		task = next;
	}
}

int inbox_init(struct inbox *inbox, uv_loop_t *loop)
{
	*inbox = (struct inbox){ 0 };
	inbox->last = &inbox->first;
	int status = uv_async_init(loop, &inbox->wake, on_wake);
	if (status < 0)
		return status;
	inbox->wake.data = inbox;
	pthread_mutex_init(&inbox->lock, NULL);
	return 0;
}

void inbox_post(struct inbox *inbox, struct inbox_task *task)
{
	task->next = NULL;
	pthread_mutex_lock(&inbox->lock);
	*inbox->last = task;
	inbox->last = &task->next;
	pthread_mutex_unlock(&inbox->lock);
	uv_async_send(&inbox->wake);
}

static void on_closed(uv_handle_t *handle)
{
	struct inbox *inbox = handle->data;
	if (inbox->closed)
		inbox->closed(inbox->closed_context);
}

void inbox_close(struct inbox *inbox, void (*closed)(void *context), void *context)
{
	inbox->closed = closed;
	inbox->closed_context = context;
	uv_close((uv_handle_t *)&inbox->wake, on_closed);
}

struct inbox_task *inbox_deinit(struct inbox *inbox)
{
	struct inbox_task *rest = take_all(inbox);
	pthread_mutex_destroy(&inbox->lock);
	return rest;
}
