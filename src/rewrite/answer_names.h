/*
 * Names in errors and notices: where the server speaks of the table that
 * holds the rows, the client reads the name that it wrote (docs/rewriting.md
 * "Names in errors"). Only names that the statement had rewritten are
 * translated; DETAIL, HINT and CONTEXT, which may quote data, never are.
 */
#ifndef CROSSFADE_REWRITE_ANSWER_NAMES_H
#define CROSSFADE_REWRITE_ANSWER_NAMES_H

#include "base/buf.h"
#include "model/ruleset.h"
#include "model/use.h"

/* What the answer belongs to. */
struct answer {
	const struct ruleset *ruleset;	     /* NULL: nothing is translated */
	const struct statement_shape *shape; /* of the statement; NULL: nothing is translated */
	bool has_position;
	bool at_replaced; /* the position is inside a name that was put there in place of another … */
	uint32_t replaced_len; /* … that is so long, in characters */
	enum encoding_class encoding;
};

/* What the server says; without data: nothing of that. */
struct answer_fields {
	struct slice sqlstate, message, schema, table, column, constraint;
};

/* What it shall say instead; without data: the same. */
struct answer_changes {
	struct slice message, schema, table, column;
};

/* Adds what changes to changes_out, whose texts live in text until that changes. */
void answer_names_translate(const struct answer *answer, const struct answer_fields *fields, struct buf *text,
			    struct answer_changes *changes_out);

#endif
