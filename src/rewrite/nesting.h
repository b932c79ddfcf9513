/*
 * How deep a text can nest at most, from its tokens alone. The parser's
 * library recurses without a check of its own, so this bound is what keeps a
 * hostile text from ending the process (docs/rewriting.md "Limits").
 */
#ifndef CROSSFADE_REWRITE_NESTING_H
#define CROSSFADE_REWRITE_NESTING_H

#include "rewrite/lexer.h"

/* A tree of messages of depth d has a bound b with d <= 12 + 2 * b; most_out is reached at most. */
uint32_t nesting_bound(struct slice text, const struct token_list *tokens, uint32_t most);

#endif
