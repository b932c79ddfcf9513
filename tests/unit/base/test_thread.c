#include "base/thread.h"

#include <criterion/criterion.h>
#include <semaphore.h>

struct seen {
	sem_t ended;
	bool blocked;
	size_t stack_bytes;
};

static void *look(void *context)
{
	struct seen *seen = context;
	pthread_attr_t attributes;
	sigset_t now;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	seen->blocked = sigismember(&now, SIGTERM) && sigismember(&now, SIGHUP);
	pthread_getattr_np(pthread_self(), &attributes);
	pthread_attr_getstacksize(&attributes, &seen->stack_bytes);
	pthread_attr_destroy(&attributes);
	sem_post(&seen->ended);
	return NULL;
}

static void expect_own_mask(void)
{
	sigset_t now;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	cr_assert_not(sigismember(&now, SIGTERM));
}

Test(thread, signals_stay_with_the_one_that_starts_it)
{
	struct seen seen = { .blocked = false };
	pthread_t thread;
	sem_init(&seen.ended, 0, 0);
	cr_assert(thread_start(&thread, "looks", 4 << 20, look, &seen));
	pthread_join(thread, NULL);
	cr_assert(seen.blocked);
	cr_assert_geq(seen.stack_bytes, 4 << 20);
	expect_own_mask();
	sem_destroy(&seen.ended);
}

Test(thread, one_that_nobody_joins_runs_too)
{
	struct seen seen = { .blocked = false };
	sem_init(&seen.ended, 0, 0);
	cr_assert(thread_start_detached(0, look, &seen));
	sem_wait(&seen.ended);
	cr_assert(seen.blocked);
	expect_own_mask();
}
