/* The door to libpg_query: what could hurt the process is turned away before it. */
#ifndef CROSSFADE_REWRITE_PARSE_H
#define CROSSFADE_REWRITE_PARSE_H

#include "model/ruleset.h"
#include "rewrite/lexer.h"

#include <pg_query/pg_query.pb-c.h>

/* The grammar's version: newer servers know statements that it rejects. */
int parse_grammar_major(void);

enum parse_status {
	PARSE_OK,
	PARSE_REJECTED, /* a syntax error, or syntax of a newer server */
	PARSE_TOO_LONG,
	PARSE_TOO_DEEP,
};

struct parse_limits {
	size_t bytes; /* of what is left when the rows of long VALUES are folded */
	uint32_t nesting;
};

/* How deep a text the calling thread's stack can take, in units of nesting_bound. */
uint32_t parse_stack_nesting(void);

/* The tree lives in the arena. */
enum parse_status parse_run(struct arena *arena, struct slice text, const struct token_list *tokens,
			    bool standard_strings, struct parse_limits limits, const struct ruleset *ruleset,
			    const PgQuery__ParseResult **tree_out);

#endif
