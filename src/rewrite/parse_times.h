/* How long the parser took, as a histogram that any thread may add to and read. */
#ifndef CROSSFADE_REWRITE_PARSE_TIMES_H
#define CROSSFADE_REWRITE_PARSE_TIMES_H

#include <stddef.h>
#include <stdint.h>

enum { PARSE_TIMES_BOUNDS = 12 };

/* Upper bounds of the first buckets; the last bucket has none. */
extern const uint64_t parse_times_bounds_us[PARSE_TIMES_BOUNDS];

struct parse_times {
	uint64_t buckets[PARSE_TIMES_BOUNDS + 1];
	uint64_t sum_us;
};

void parse_times_add(struct parse_times *times, uint64_t us);
struct parse_times parse_times_read(const struct parse_times *times);

#endif
