/*
 * Says which process of which machine a proxy is, so that another one there
 * can tell that it has ended before its lease is over. Only what the kernel
 * knows for certain counts: on another machine, after a restart of the
 * machine, or in another container, nothing can be told.
 */
#ifndef CROSSFADE_FLEET_PROCESS_MARK_H
#define CROSSFADE_FLEET_PROCESS_MARK_H

#include <stdbool.h>

enum { PROCESS_MARK_BYTES = 256 };

/* Of this process; empty: the system does not say. */
void process_mark_own(char mark_out[PROCESS_MARK_BYTES]);
/* The process was one of this kernel's and of our process numbers, and there is none with its number any more. */
bool process_mark_has_ended(const char *mark);

#endif
