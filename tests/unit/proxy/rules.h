/*
 * Real rulesets for tests of what happens when rules change: one move public.X: data.X for each
 * word of `tables`; those that `moved` names too hold their rows in data. Tables that begin with
 * 'g' are one group.
 */
#ifndef CROSSFADE_TESTS_PROXY_RULES_H
#define CROSSFADE_TESTS_PROXY_RULES_H

#include "model/ruleset.h"

struct ruleset *rules_of(uint64_t version, const char *tables, const char *moved);

#endif
