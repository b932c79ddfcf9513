#include "net/loop.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { POSTERS = 4, TASKS_EACH = 2000 };

static struct loop loop;
static unsigned ran[POSTERS]; /* of the loop's thread alone */
static _Atomic unsigned total;

struct numbered {
	struct inbox_task task;
	unsigned poster, number;
};

static void run_numbered(struct inbox_task *task)
{
	struct numbered *numbered = (struct numbered *)task;
	cr_assert_eq(numbered->number, ran[numbered->poster], "in the order in which one thread posted them");
	ran[numbered->poster]++;
	atomic_fetch_add(&total, 1);
	free(numbered);
}

static void post(unsigned poster, unsigned number)
{
	struct numbered *numbered = calloc(1, sizeof(*numbered));
	numbered->task.run = run_numbered;
	numbered->poster = poster;
	numbered->number = number;
	inbox_post(&loop.inbox, &numbered->task);
}

static void *poster(void *context)
{
	unsigned self = *(unsigned *)context;
	for (unsigned i = 0; i < TASKS_EACH; i++)
		post(self, i);
	return NULL;
}

static void run_quit(struct inbox_task *task)
{
	loop_quit(&loop);
}

static void begin(void)
{
	memset(ran, 0, sizeof(ran));
	total = 0;
	cr_assert_eq(loop_init(&loop, "a-loop"), 0);
}

TestSuite(loop, .init = begin);

Test(loop, runs_the_tasks_of_all_threads)
{
	pthread_t threads[POSTERS];
	unsigned selves[POSTERS];
	struct inbox_task quit = { .run = run_quit };
	cr_assert_eq(loop_start(&loop, 1 << 20), 0);
	for (unsigned i = 0; i < POSTERS; i++) {
		selves[i] = i;
		pthread_create(&threads[i], NULL, poster, &selves[i]);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	inbox_post(&loop.inbox, &quit);
	loop_join(&loop);
	cr_assert_eq(total, POSTERS * TASKS_EACH);
	cr_assert_null(loop_deinit(&loop));
}

Test(loop, gives_back_what_was_posted_after_its_end)
{
	struct inbox_task quit = { .run = run_quit };
	cr_assert_eq(loop_start(&loop, 1 << 20), 0);
	inbox_post(&loop.inbox, &quit);
	loop_join(&loop);
	post(0, 0);
	post(0, 1);
	struct inbox_task *rest = loop_deinit(&loop);
	cr_assert_not_null(rest);
	cr_assert_not_null(rest->next);
	cr_assert_null(rest->next->next);
	cr_assert_eq(total, 0);
	free(rest->next);
	free(rest);
}

Test(loop, ends_without_ever_having_been_started)
{
	loop_quit(&loop);
	loop_join(&loop);
	cr_assert_null(loop_deinit(&loop));
}

static void nothing(uv_timer_t *timer)
{
}

static void close_timer(struct inbox_task *task)
{
	uv_handle_t *handle = NULL;
	memcpy(&handle, task + 1, sizeof(handle));
	uv_close(handle, NULL);
	free(task);
}

Test(loop, ends_only_when_its_other_handles_are_closed)
{
	uv_timer_t timer;
	uv_handle_t *handle = (uv_handle_t *)&timer;
	struct inbox_task quit = { .run = run_quit };
	uv_timer_init(&loop.uv, &timer);
	uv_timer_start(&timer, nothing, 1000000, 0);
	struct inbox_task *task = calloc(1, sizeof(*task) + sizeof(handle));
	task->run = close_timer;
	memcpy(task + 1, &handle, sizeof(handle));
	cr_assert_eq(loop_start(&loop, 1 << 20), 0);
	inbox_post(&loop.inbox, task);
	inbox_post(&loop.inbox, &quit);
	loop_join(&loop);
	cr_assert_null(loop_deinit(&loop));
}
