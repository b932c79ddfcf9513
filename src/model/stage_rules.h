/*
 * Which changes of a stage are allowed (docs/operations.md "Stages"): forward
 * one at a time, back any number while the old side is current, never to a
 * stage whose table is not there. What has to be known from the ledger before
 * `complete` is for the caller to find out.
 */
#ifndef CROSSFADE_MODEL_STAGE_RULES_H
#define CROSSFADE_MODEL_STAGE_RULES_H

#include "model/ruleset.h"

enum stage_verdict {
	STAGE_ALLOWED,
	STAGE_NEEDS_QUIET, /* allowed once nobody uses the old name any more */
	STAGE_REFUSED,	   /* unless somebody insists */
	STAGE_ABSENT,	   /* its table is not there: never */
};

/* before: the entry as it was, in another ruleset; after: as it would be. error_out is set for the last two. */
enum stage_verdict stage_change_judge(const struct ruleset_entry *before, const struct ruleset_entry *after,
				      struct error *error_out);

/* It changes which of two tables has the rows: for a cutover of the flag (fleet/cutover.h), never for a mere file. */
bool stage_change_flips(const struct ruleset_entry *before, const struct ruleset_entry *after);

#endif
