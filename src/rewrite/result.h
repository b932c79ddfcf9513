/* Building the immutable struct rewrite out of what a run found. */
#ifndef CROSSFADE_REWRITE_RESULT_H
#define CROSSFADE_REWRITE_RESULT_H

#include "rewrite/rewriter.h"
#include "rewrite/position_map.h"

/* Shared results that no one frees. */
struct rewrite *result_nothing(void);
struct rewrite *result_need_search_path(void);
struct rewrite *result_transaction(enum effect_kind kind); /* BEGIN, COMMIT, ROLLBACK alone */

/* What a run knows; everything is copied but the shapes, whose references are taken over. */
struct result_parts {
	enum rewrite_outcome outcome;
	struct slice sql;
	const struct rewrite_statement *statements;
	size_t statement_count;
	size_t refused_index;
	const struct error *refusal; /* NULL: none */
	bool depends_on_state;
	const struct rewrite_splice *splices;
	size_t splice_count;
	const uint16_t *parameters;
	size_t parameter_count;
	struct statement_shape *parameter_shape; /* taken over, as those of the statements */
};
/* With one reference. */
struct rewrite *result_new(const struct result_parts *parts);
/* For another text that is one of known's kind, which has neither effects nor notices: as known
 * is, but sql and splices are for the caller to fill in, once, before anybody else sees it. */
struct rewrite *result_like(const struct rewrite *known, size_t sql_len, size_t splice_count, char **sql_out,
			    struct rewrite_splice **splices_out);
/* What it takes in memory, shapes included. */
size_t result_bytes(const struct rewrite *rewrite);

#endif
