/*
 * The names of a ruleset: two hash tables of all that somebody may write for a
 * mapped table, or for an index or sequence that moves with one; the one by
 * full name, the other by the name without its schema. Private to ruleset.c.
 */
#ifndef CROSSFADE_MODEL_RULESET_NAMES_H
#define CROSSFADE_MODEL_RULESET_NAMES_H

#include "base/error.h"
#include "model/ruleset.h"

/* From the entries, once their places are known. False: two entries claim one name. */
bool ruleset_names_fill(struct ruleset *rs, struct error *error_out);

#endif
