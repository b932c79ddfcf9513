/*
 * A long INSERT is mostly rows of values, and what matters to names is in its
 * first. Rows after it that name nothing mapped are blanked before parsing,
 * so that their number costs no memory (docs/rewriting.md "What cannot be parsed").
 */
#ifndef CROSSFADE_REWRITE_FOLD_H
#define CROSSFADE_REWRITE_FOLD_H

#include "model/ruleset.h"
#include "rewrite/lexer.h"

/* copy: the text, every offset as in it. Returns how many bytes are left to parse. */
size_t fold_rows(struct slice text, const struct token_list *tokens, const struct ruleset *ruleset, char *copy);

#endif
