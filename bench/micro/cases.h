/* One case of the micro-benchmarks: prepared once, then run over and over. */
#ifndef CROSSFADE_BENCH_MICRO_CASES_H
#define CROSSFADE_BENCH_MICRO_CASES_H

#include <stdbool.h>
#include <stdint.h>

struct micro_case {
	const char *name; /* NULL: end of the array */
	const char *title;
	void *(*prepare)(void);
	/* number grows by one from call to call; false: the result is wrong */
	bool (*once)(void *context, uint64_t number);
	void (*finish)(void *context);
};

extern const struct micro_case micro_names_cases[];
extern const struct micro_case micro_usage_cases[];
extern const struct micro_case micro_rewrite_cases[];
extern const struct micro_case micro_conversation_cases[];

#endif
