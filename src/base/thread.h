/*
 * Threads beside the main one. Signals are the main thread's, and a new thread
 * inherits the mask of the one that starts it; so they are blocked meanwhile.
 */
#ifndef CROSSFADE_BASE_THREAD_H
#define CROSSFADE_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef void *thread_fn(void *context);

/* stack_bytes 0: what the system gives. name: as tools show it, at most 15 bytes. False: there is no room for it. */
bool thread_start(pthread_t *thread_out, const char *name, size_t stack_bytes, thread_fn *run, void *context);
/* Nobody joins it. */
bool thread_start_detached(size_t stack_bytes, thread_fn *run, void *context);

/* Around a call that starts threads of its own. */
void thread_block_signals(sigset_t *before_out);
void thread_restore_signals(const sigset_t *before);

#endif
