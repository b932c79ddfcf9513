/*
 * How threads speak to a loop: tasks that the loop's thread runs in the order
 * in which they were posted.
 */
#ifndef CROSSFADE_NET_INBOX_H
#define CROSSFADE_NET_INBOX_H

#include <pthread.h>
#include <uv.h>

/* Embedded in what is to be done; belongs to the inbox until run is called. */
struct inbox_task {
	struct inbox_task *next;
	void (*run)(struct inbox_task *task);
};

struct inbox {
	uv_async_t wake;
	pthread_mutex_t lock;
	struct inbox_task *first, **last;
	void (*closed)(void *context);
	void *closed_context;
};

/* On the loop's thread (or before it runs); 0 or a libuv error. */
int inbox_init(struct inbox *inbox, uv_loop_t *loop);
/* On any thread. */
void inbox_post(struct inbox *inbox, struct inbox_task *task);
/* On the loop's thread. What is posted later is never run; closed may be NULL. */
void inbox_close(struct inbox *inbox, void (*closed)(void *context), void *context);
/* After closed. Gives back what was never run, to be freed. */
struct inbox_task *inbox_deinit(struct inbox *inbox);

#endif
