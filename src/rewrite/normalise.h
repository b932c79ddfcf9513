/*
 * A statement without its literals, comments and layout: what the ledger
 * shows. No literal ever gets through, whatever the statement.
 */
#ifndef CROSSFADE_REWRITE_NORMALISE_H
#define CROSSFADE_REWRITE_NORMALISE_H

#include "base/buf.h"
#include "rewrite/lexer.h"

/* Appends tokens [first, end) as text of at most most_bytes; what is cut ends in "…". */
void normalise(struct slice text, const struct token_list *tokens, size_t first, size_t end, size_t most_bytes,
	       struct buf *out);

#endif
