/*
 * How other threads have something done on the main thread and wait for it:
 * what belongs to the main loop is never touched from elsewhere.
 */
#ifndef CROSSFADE_APP_MAIN_CALLS_H
#define CROSSFADE_APP_MAIN_CALLS_H

#include <stdbool.h>

struct uv_loop_s;
struct main_calls;

/* On the loop's thread. */
struct main_calls *main_calls_new(struct uv_loop_s *loop);
/* From now on calls fail, those that wait as well. Closes its handle on the loop. */
void main_calls_close(struct main_calls *calls);
/* After the loop has ended; accepts NULL. */
void main_calls_free(struct main_calls *calls);

/* From any other thread. False: the process is ending, and nothing was done. */
bool main_calls_run(struct main_calls *calls, void (*run)(void *context), void *context);

#endif
