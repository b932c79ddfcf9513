#include "rewrite/parse_times.h"

const uint64_t parse_times_bounds_us[PARSE_TIMES_BOUNDS] = { 25,   50,	 100,	250,   500,    1000,
							     2500, 5000, 10000, 25000, 100000, 1000000 };

/* A parse takes so long that an atomic addition is nothing beside it. */
static void add(uint64_t *counter, uint64_t more)
{
	__atomic_fetch_add(counter, more, __ATOMIC_RELAXED);
}

void parse_times_add(struct parse_times *times, uint64_t us)
{
	size_t i = 0;
	while (i < PARSE_TIMES_BOUNDS && us > parse_times_bounds_us[i])
		i++;
	add(&times->buckets[i], 1);
	add(&times->sum_us, us);
}

struct parse_times parse_times_read(const struct parse_times *times)
{
	struct parse_times copy;
	for (size_t i = 0; i <= PARSE_TIMES_BOUNDS; i++)
		copy.buckets[i] = __atomic_load_n(&times->buckets[i], __ATOMIC_RELAXED);
	copy.sum_us = __atomic_load_n(&times->sum_us, __ATOMIC_RELAXED);
	return copy;
}
