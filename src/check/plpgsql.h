/*
 * The SQL inside a PL/pgSQL body: statements, expressions, names of types and
 * what EXECUTE is given, piece by piece. No full grammar: what is between
 * two pieces of SQL only has to be recognised, and whatever looks odd is
 * handed out as a statement, which the rewriter then cannot parse and scans.
 */
#ifndef CROSSFADE_CHECK_PLPGSQL_H
#define CROSSFADE_CHECK_PLPGSQL_H

#include "rewrite/lexer.h"

enum plpgsql_kind {
	PLPGSQL_STATEMENT,  /* as it stands, without INTO and its variables */
	PLPGSQL_EXPRESSION, /* what could follow SELECT */
	PLPGSQL_TYPE,	    /* of a variable: maybe a table's row, or a column's */
	PLPGSQL_DYNAMIC,    /* an expression whose value is run as SQL */
};

struct plpgsql_piece {
	enum plpgsql_kind kind;
	struct slice text;
	size_t offset; /* of the text in the body */
};

typedef void plpgsql_fn(void *context, const struct plpgsql_piece *piece);

/* The texts live in the arena. */
void plpgsql_pieces(struct arena *arena, struct slice body, plpgsql_fn *each, void *context);

/* Stands for what is known only at run time. */
#define PLPGSQL_UNKNOWN "crossfade_unknown"

/*
 * The SQL that a dynamic expression will make, as far as it can be told:
 * literals put together by || and format(), everything else unknown.
 */
struct slice plpgsql_dynamic(struct arena *arena, struct slice expression);

#endif
