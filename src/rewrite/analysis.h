/*
 * One statement while it is being looked at: what its names mean, what must
 * stand in their place, and what it will do to its session. Everything lives
 * in the arena of the run.
 *
 *   walk.c      goes through the tree and calls the others
 *   walk_ddl.c  statements that name relations outside of FROM
 *   resolve.c   a name → a relation (search path, temporary tables, CTEs)
 *   scope.c     the tables of one query level, and what column qualifiers mean
 *   strings.c   names inside string literals and code bodies
 *   effects.c   what the session will be like afterwards
 */
#ifndef CROSSFADE_REWRITE_ANALYSIS_H
#define CROSSFADE_REWRITE_ANALYSIS_H

#include "base/error.h"
#include "model/effect.h"
#include "model/ruleset.h"
#include "model/session_state.h"
#include "model/use.h"
#include "rewrite/lexer.h"
#include "rewrite/splice.h"

#include <pg_query/pg_query.pb-c.h>

/* A WITH query in scope, or another name that means something new. */
struct cte {
	struct cte *next;
	const char *name;
};

/* A table of a FROM list, or the target of a statement. */
struct range {
	struct range *next;
	const char *refname; /* how the text calls it: its alias or its table's name */
	bool aliased;	     /* … by an alias the text gives */
	bool is_relation;
	bool can_alias; /* the syntax allows an alias here */
	const char *schema; /* as written; NULL: unqualified or no relation */
	const struct ruleset_name *name; /* NULL: not mapped */
	bool changes; /* physical differs from written */
	size_t first, last;   /* tokens of the name */
	size_t alias_after;   /* token the alias goes after */
	const char *new_alias; /* decided when the statement is complete; NULL: none */
};

/* One query level: the tables its column references can mean. */
struct level {
	struct level *outer;
	struct level *next; /* all of the statement */
	struct range *ranges;
	struct range **tail;
};

/* A column reference (or FOR UPDATE OF) that names its table. */
struct qualifier {
	struct qualifier *next;
	const struct level *level;
	const char *parts[3]; /* [database,] [schema,] table */
	size_t part_count;
	size_t first; /* token of the first part */
};

struct noted_use {
	struct noted_use *next;
	struct use use;
};

struct noted_effect {
	struct noted_effect *next;
	struct effect effect;
};

struct noted_reference; /* for explain */

struct analysis {
	struct arena *arena;
	struct slice text;
	const struct token_list *tokens;
	const struct ruleset *ruleset;
	const struct session_state *state;

	size_t first, end; /* tokens of the statement */
	enum use_kind read_kind; /* what a table in FROM counts as */
	enum use_kind name_kind; /* what a table named elsewhere counts as */
	struct cte *ctes;
	struct level *level;
	struct level *levels;
	const char *schema_being_created; /* by CREATE SCHEMA with elements; NULL: none */
	struct cte *created; /* its elements */
	const char *alias_prefix; /* of aliases we make up; NULL until the first */
	const PgQuery__SelectStmt *plain_select; /* its targets are evaluated once, for sure; NULL: no such */

	struct qualifier *qualifiers, **qualifiers_tail;
	struct splice_list *splices;
	struct noted_use *uses, **uses_tail;
	struct noted_effect *effects, **effects_tail;
	struct noted_reference *references, **references_tail;
	bool explaining;

	bool needs_search_path;	 /* a name depends on a search_path nobody knows */
	size_t needs_search_path_at;
	bool depends_on_state;
	bool refused;
	size_t refused_at; /* byte offset of the reference */
	struct error refusal;
	bool changes_catalog;
};

struct noted_reference {
	struct noted_reference *next;
	size_t offset, len;
	const char *resolved;
	const char *became; /* NULL: unchanged */
	const char *rule;
};

void analysis_init(struct analysis *a, struct arena *arena, struct slice text, const struct token_list *tokens,
		   const struct ruleset *ruleset, struct splice_list *splices);
/* One statement of the parse tree, whose tokens are [first, end). */
void analysis_run(struct analysis *a, const struct session_state *state, const PgQuery__Node *statement,
		  size_t first, size_t end);

/* ---- results ---- */

const struct effect *analysis_effects(const struct analysis *a, size_t *count_out);
/* NULL when nothing mapped is used. */
struct statement_shape *analysis_shape(const struct analysis *a, size_t normalised_bytes);

/* ---- noting, for the parts ---- */

void analysis_use(struct analysis *a, const struct ruleset_name *name, enum use_kind kind, unsigned flags);
void analysis_effect(struct analysis *a, struct effect effect);
void analysis_explain(struct analysis *a, size_t offset, size_t len, const char *resolved, const char *became,
		      const char *rule);
/* The first refusal of a statement stays; returns where to add DETAIL and HINT. */
struct error *analysis_refuse(struct analysis *a, size_t offset, const char *sqlstate, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
