#include "net/loop.h"

#include "base/thread.h"

#include <signal.h>

int loop_init(struct loop *loop, const char *name)
{
	*loop = (struct loop){ .name = name };
	int status = uv_loop_init(&loop->uv);
	if (status < 0)
		return status;
	status = inbox_init(&loop->inbox, &loop->uv);
	if (status < 0)
		uv_loop_close(&loop->uv);
	return status;
}

static void run_thread(void *context)
{
	struct loop *loop = context;
	pthread_setname_np(pthread_self(), loop->name);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
}

int loop_start(struct loop *loop, size_t stack_bytes)
{
	uv_thread_options_t options = { .flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = stack_bytes };
	sigset_t before;
	thread_block_signals(&before);
	int status = uv_thread_create_ex(&loop->thread, &options, run_thread, loop);
	thread_restore_signals(&before);
	loop->running = status == 0;
	return status;
}

void loop_quit(struct loop *loop)
{
	inbox_close(&loop->inbox, NULL, NULL);
}

void loop_join(struct loop *loop)
{
	if (loop->running)
		uv_thread_join(&loop->thread);
	else
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	loop->running = false;
}

struct inbox_task *loop_deinit(struct loop *loop)
{
	uv_loop_close(&loop->uv);
	return inbox_deinit(&loop->inbox);
}
