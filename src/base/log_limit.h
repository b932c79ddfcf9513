/* For lines that clients can cause: at most so many in a while, and how many were left out. */
#ifndef CROSSFADE_BASE_LOG_LIMIT_H
#define CROSSFADE_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct log_limit {
	uint32_t lines;	     /* per span */
	uint64_t span_us;
	uint64_t began_us;   /* the present span; 0: none yet */
	uint32_t count;	     /* in it */
	uint64_t suppressed; /* since the last line */
};

/* True: log it, and say that *suppressed_out were left out before it. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_us, uint64_t *suppressed_out);

#endif
