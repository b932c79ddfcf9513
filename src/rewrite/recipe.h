/*
 * What was found out about one text, so that it can be done to every other
 * text with the same skeleton: splices by the tokens they stand at, and the
 * literals that were looked at and must be the same (guards).
 *
 * A recipe is made from a run over the text, and proved by a second run over
 * the text with all other literals changed and its lists longer: had any of
 * them found its way into a splice or a use, the two would differ.
 */
#ifndef CROSSFADE_REWRITE_RECIPE_H
#define CROSSFADE_REWRITE_RECIPE_H

#include "rewrite/analysis.h"
#include "rewrite/rewriter.h"
#include "rewrite/skeleton.h"

struct recipe;

struct recipe_text {
	struct slice sql;
	const struct token_list *tokens;
	const struct skeleton *skeleton;
};

/* What a run has found. */
struct recipe_source {
	const struct recipe_text *text;
	const struct splice_list *splices;     /* NULL: none */
	const struct consulted *consulted;     /* NULL: none */
	const struct rewrite *rewrite;
	enum encoding_class encoding;
};

/* NULL: what was found holds for this text alone. Takes a reference of the rewrite. */
struct recipe *recipe_new(const struct recipe_source *source);
void recipe_free(struct recipe *recipe);
size_t recipe_bytes(const struct recipe *recipe);

/* The text with other literals and longer lists. */
void recipe_vary(const struct recipe *recipe, const struct recipe_text *text, struct buf *out);
/* The text with two members of each list: another one of the same skeleton. */
void recipe_shorten(const struct recipe_text *text, struct buf *out);
/* Both do the same to any text. */
bool recipe_eq(const struct recipe *a, const struct recipe *b);

/* The guards are as they were. */
bool recipe_fits(const struct recipe *recipe, const struct recipe_text *text);
/* With a reference for the caller; NULL: words of this text would run into ours. */
struct rewrite *recipe_apply(const struct recipe *recipe, const struct recipe_text *text, enum encoding_class encoding);

#endif
