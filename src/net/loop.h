/* A thread with a loop and an inbox of its own. */
#ifndef CROSSFADE_NET_LOOP_H
#define CROSSFADE_NET_LOOP_H

#include "net/inbox.h"

#include <stdbool.h>

struct loop {
	uv_loop_t uv;
	struct inbox inbox;
	uv_thread_t thread;
	bool running; /* the thread was started and not yet joined */
	const char *name;
};

/* Both return 0 or a libuv error. name is borrowed, at most 15 bytes of it are shown. */
int loop_init(struct loop *loop, const char *name);
int loop_start(struct loop *loop, size_t stack_bytes);
/*
 * On the loop's own thread (or never started): the inbox closes, and the
 * thread ends when no other handle is open either.
 */
void loop_quit(struct loop *loop);
/* On another thread, after loop_quit was called or posted. */
void loop_join(struct loop *loop);
/* After the join; gives back tasks never run. */
struct inbox_task *loop_deinit(struct loop *loop);

#endif
