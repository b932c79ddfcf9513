/*
 * Lists whose length says nothing: IN (1, 2, 3) and VALUES (1, 'a'), (2, 'b').
 * Statements that differ in it alone are one statement.
 */
#ifndef CROSSFADE_REWRITE_VALUE_LIST_H
#define CROSSFADE_REWRITE_VALUE_LIST_H

#include "rewrite/lexer.h"

#include <stdbool.h>

struct value_list {
	size_t first, one_end; /* tokens of its first member: a value, or a row in parentheses */
	size_t end;	       /* after the last member that is like the first */
};

enum values_alike {
	VALUES_OF_ONE_CLASS, /* 1 and 2, not 1 and 'a' */
	VALUES_OF_ANY_CLASS, /* 1, 'a' and $1 */
};

/* Whether tokens[i], an opening parenthesis, begins a list of two members or more that are alike. */
bool value_list_at(struct slice text, const struct token_list *tokens, size_t i, size_t end, enum values_alike by,
		   struct value_list *list_out);

#endif
