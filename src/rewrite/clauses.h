/* Where the parts of a statement begin and end among its tokens: the tree says only where some begin. */
#ifndef CROSSFADE_REWRITE_CLAUSES_H
#define CROSSFADE_REWRITE_CLAUSES_H

#include "rewrite/analysis.h"

static inline size_t clause_offset(const struct analysis *a, size_t token)
{
	return a->tokens->items[token < a->end ? token : a->first].offset;
}

static inline size_t clause_end_offset(const struct analysis *a, size_t token)
{
	return a->tokens->items[token].offset + a->tokens->items[token].len;
}

bool clause_is_mark(const struct analysis *a, size_t token, const char *mark);
bool clause_is_word(const struct analysis *a, size_t token, const char *word);

/* The token that closes the parenthesis open; a->end when none does. */
size_t clause_close(const struct analysis *a, size_t open);
/* The last token of an item of a list that begins at first: a comma, a clause or the list's end follows. */
size_t clause_item_last(const struct analysis *a, size_t first);
/* The last token of the statement (or of the parenthesis) that first is in. */
size_t clause_statement_last(const struct analysis *a, size_t first);
/* The next token of first … last, outside of inner parentheses, that is word; a->end when there is none. */
size_t clause_find_word(const struct analysis *a, size_t first, size_t last, const char *word);

#endif
