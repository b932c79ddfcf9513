/* A ruleset of 100 tables, pgbench_accounts among them, all moved to schema `elsewhere` and live. */
#ifndef CROSSFADE_BENCH_MICRO_RULESET_H
#define CROSSFADE_BENCH_MICRO_RULESET_H

#include "model/ruleset.h"

/* NULL when it cannot be built. */
struct ruleset *micro_ruleset_new(void);

#endif
