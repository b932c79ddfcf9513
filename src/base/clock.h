/* Two clocks: one for durations, one for what people read. */
#ifndef CROSSFADE_BASE_CLOCK_H
#define CROSSFADE_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */

#endif
