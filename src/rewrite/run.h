/*
 * One run of the rewriter over a text that was lexed and not found in a cache:
 *
 *   parse ─→ analysis of each statement ─→ splices ─→ result
 *     └→ unparsed ────────────────────────────────────→ result
 *
 * What is known of a run besides its result, recipes are made of (recipe.h).
 */
#ifndef CROSSFADE_REWRITE_RUN_H
#define CROSSFADE_REWRITE_RUN_H

#include "base/arena.h"
#include "rewrite/analysis.h"
#include "rewrite/lexer.h"
#include "rewrite/rewriter.h"
#include "rewrite/splice.h"

/* What the runs of one rewriter use one after the other. */
struct run_tools {
	struct rewriter_settings settings;
	struct arena arena; /* of the last run */
	struct session_state *follow; /* effects between the statements of one text */
	bool stack_measured;
};

struct run {
	struct run_tools *tools;
	struct slice sql;
	const struct token_list *tokens;
	const struct session_state *state;
	const struct ruleset *ruleset;
	struct analysis analysis;
	struct splice_list splices;
	struct rewrite_statement *statements;
	size_t statement_count;
	bool general; /* queries and DML only */
	size_t refused_from; /* where the refused statement begins */
};

void run_tools_init(struct run_tools *tools, const struct rewriter_settings *settings);
void run_tools_deinit(struct run_tools *tools);

/* Everything is borrowed; what the run makes is good until the next one begins with these tools. */
void run_init(struct run *run, struct run_tools *tools, struct slice sql, const struct token_list *tokens,
	      const struct session_state *state, const struct ruleset *ruleset);

/* One of these, once; the caller has a reference to the result. */
struct rewrite *run_parse(struct run *run);
/* Bytes that cannot be lexed: a name in them cannot be found, so it must not matter. */
struct rewrite *run_unlexable(struct run *run);
/* None of the text's statements is sent, since its encoding cannot be read; why: the DETAIL. */
struct rewrite *run_refuse(struct run *run, const char *why);

#endif
