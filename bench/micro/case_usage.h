/*
 * Counting statements: 200 shapes by 8 identities in turn, as a worker in full
 * swing has them. A thousand at a time, so that the store thread, whose work
 * is never quite the same, does not show in the result.
 */
#ifndef CROSSFADE_BENCH_MICRO_CASE_USAGE_H
#define CROSSFADE_BENCH_MICRO_CASE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

void *usage_prepare(void);
bool usage_once(void *context, uint64_t number);
void usage_finish(void *context);

#endif
