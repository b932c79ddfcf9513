/*
 * A first draft of a map, from the tables of two sets of schemas: by names
 * and by columns, with a comment wherever that is a guess.
 */
#ifndef CROSSFADE_CHECK_PROPOSE_H
#define CROSSFADE_CHECK_PROPOSE_H

#include "base/buf.h"
#include "model/facts.h"

void propose_map(const struct facts *facts, const struct name_list *old_schemas, const struct name_list *new_schemas,
		 struct buf *out);

#endif
