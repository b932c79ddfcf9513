/*
 * Texts that cannot be parsed: too long, too deep, of a newer grammar, or
 * plainly wrong. They are forwarded unless a name in them would have to
 * change (docs/rewriting.md "What cannot be parsed").
 */
#ifndef CROSSFADE_REWRITE_UNPARSED_H
#define CROSSFADE_REWRITE_UNPARSED_H

#include "rewrite/analysis.h"

/* Notes a use for every mapped name among the tokens. Returns the first one that would
 * have to change, with its place; NULL when none would. */
const struct ruleset_name *unparsed_scan(struct analysis *a, const struct session_state *state,
					 size_t *offset_out);

/* What cannot be parsed may change the session all the same. */
void unparsed_effects(struct analysis *a);

#endif
