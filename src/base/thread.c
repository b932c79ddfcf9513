#include "base/thread.h"

void thread_block_signals(sigset_t *before_out)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before_out);
}

void thread_restore_signals(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

static bool start(pthread_t *thread_out, int detach_state, size_t stack_bytes, thread_fn *run, void *context)
{
	pthread_attr_t attributes;
	sigset_t before;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, detach_state);
	if (stack_bytes)
		pthread_attr_setstacksize(&attributes, stack_bytes);
	thread_block_signals(&before);
	bool started = pthread_create(thread_out, &attributes, run, context) == 0;
	thread_restore_signals(&before);
	pthread_attr_destroy(&attributes);
	return started;
}

bool thread_start(pthread_t *thread_out, const char *name, size_t stack_bytes, thread_fn *run, void *context)
{
	if (!start(thread_out, PTHREAD_CREATE_JOINABLE, stack_bytes, run, context))
		return false;
	pthread_setname_np(*thread_out, name);
	return true;
}

bool thread_start_detached(size_t stack_bytes, thread_fn *run, void *context)
{
	pthread_t thread;
	return start(&thread, PTHREAD_CREATE_DETACHED, stack_bytes, run, context);
}
