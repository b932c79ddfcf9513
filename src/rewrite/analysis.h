/*
 * One statement while it is being looked at: what its names mean, what must
 * stand in their place, and what it will do to its session. Everything lives
 * in the arena of the run.
 *
 *   walk.c      goes through the tree and calls the others
 *   walk_relation.c  names of relations, wherever they stand
 *   walk_ddl.c, walk_objects.c  statements that name relations outside of FROM
 *   walk_alter.c  CREATE INDEX, ALTER TABLE, GRANT: what may name columns
 *   walk_like.c  CREATE TABLE (LIKE …)
 *   constraints.c  SET CONSTRAINTS
 *   resolve.c   a name → a relation (search path, temporary tables, CTEs)
 *   scope.c     the tables of one query level, and what column qualifiers mean
 *   columns.c   which columns a table has, and which table a column reference means
 *   own_shape.c … with those that the session has added
 *   used_columns.c  … of mapped tables, for the ledger
 *   derived.c   tables whose columns differ, where they are read
 *   group_keys.c  … and grouped by their keys
 *   targets.c   … and where they are written: column references of DML
 *   dml.c       the statements around those: INSERT, UPDATE, MERGE, COPY
 *   strings.c   names inside string literals
 *   bodies.c    … and inside code
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
#include "rewrite/rule.h"
#include "rewrite/splice.h"

#include <pg_query/pg_query.pb-c.h>

/* A WITH query in scope, or another name that means something new. */
struct cte {
	struct cte *next;
	const char *name;
	const PgQuery__CommonTableExpr *query; /* NULL: not a WITH query */
};

/* What a statement needs of the columns, where those of the two tables differ. */
enum columns_fate {
	COLUMNS_UNNAMED, /* nothing: the name may simply change */
	COLUMNS_SERVED,	 /* they will be rewritten */
	COLUMNS_BOUND,	 /* they will be rewritten, for good: in a view or the like */
	COLUMNS_ALTERED, /* they will be rewritten, and the table is changed for good */
	COLUMNS_NAMED,	 /* they are named, and cannot be rewritten */
};

enum range_role {
	RANGE_OTHER,	/* named by a clause that column references do not see */
	RANGE_READ,	/* a table or WITH query in FROM */
	RANGE_COMPUTED, /* anything else in FROM */
	RANGE_TARGET,	/* of INSERT, UPDATE, DELETE, MERGE */
	RANGE_EXCLUDED, /* the row that ON CONFLICT did not insert */
};

/* The names of a table's columns, as far as they can be told. */
struct column_names {
	const char **names;
	size_t count, capacity;
	bool complete; /* there are no others */
};

/* A table of a FROM list, or the target of a statement. */
struct range {
	struct range *next;
	struct level *level;
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

	enum range_role role;
	const struct shape *shape; /* NULL: the columns are as the text has them */
	const PgQuery__Alias *alias; /* NULL: none */
	const PgQuery__SelectStmt *query; /* in FROM; NULL: none */
	const PgQuery__RangeFunction *function; /* in FROM; NULL: none */
	const struct cte *cte;	     /* NULL: none */
	const char *relname;	     /* NULL: no relation */
	struct column_names *columns; /* worked out when first asked for */
	bool columns_asked;
	bool altered;	/* by DDL that names its columns, which cannot be qualified there */
	bool is_join;	/* an alias over a join */
	const PgQuery__JoinExpr *join; /* that join, of is_join */
	const struct range *hidden_by; /* the innermost alias over a join that it is part of; NULL: none */
	size_t sample_first, sample_last; /* tokens of TABLESAMPLE …; 0: none */
	bool whole_row; /* its row is used as a value */
	bool starred;	/* all of its columns are shown: by a star, a natural join or an alias over a join */
	unsigned system_columns; /* that are read of it, bits by their order in derived.c */
	size_t system_at;	 /* the first of these, in bytes */
	struct noted_use *use; /* NULL: not mapped */
};

/* Some of the ranges of a level, as JOIN … ON and LATERAL see them; first NULL: all. */
struct window {
	const struct range *first, *last;
};

/* A JOIN that merges columns by name, or that hides its sides behind an alias. */
struct noted_join {
	struct noted_join *next;
	const PgQuery__JoinExpr *join;
	struct window sides;
};

/* One query level: the tables its column references can mean. */
struct level {
	struct level *outer;
	struct level *next; /* all of the statement */
	struct range *ranges, *last;
	struct range **tail;
	const PgQuery__SelectStmt *query; /* whose FROM this is; NULL: no SELECT's */
	struct window outer_window; /* what it sees of the outer level */
	struct noted_join *joins;
	bool hides_outer; /* … nothing: a subquery in FROM without LATERAL */
	bool names_once;  /* MERGE: not even tables of different schemas may share a name */
	bool joined;	  /* its tables and those of the outer level are one name space */
};

/* A column reference (or FOR UPDATE OF) that names its table. */
struct qualifier {
	struct qualifier *next;
	const struct level *level;
	struct window window; /* what it sees of its level */
	const char *parts[3]; /* [database,] [schema,] table */
	size_t part_count;
	size_t first; /* token of the first part */
	bool done;    /* the reference it belongs to has been replaced as a whole */
	bool locks;   /* FOR UPDATE OF t: of several tables of that name the server takes the first */
};

enum column_place {
	COLUMN_IN_EXPRESSION,
	COLUMN_IS_TARGET, /* all of an item of a select list or RETURNING */
	COLUMN_IN_INFERENCE, /* ON CONFLICT (…): no qualifier may stand there */
	COLUMN_IN_GROUP, /* all of an item of GROUP BY: may be an output name */
	COLUMN_IN_ROW,	 /* a star that stands for several values: ROW(t.*), VALUES (t.*) */
};

/* A column reference, or t.* or *. */
struct column_use {
	struct column_use *next;
	const struct level *level;
	struct window window; /* what it sees of its level */
	const PgQuery__ColumnRef *ref;
	size_t first, last; /* tokens */
	enum column_place place;
	struct qualifier *qualifier; /* NULL: none */
	bool names_output; /* an item of a select list or RETURNING takes its label from it */
	size_t item;	   /* first token of that item */
	const char *field; /* (t).field, of which ref is t; NULL: none */
	size_t field_first, field_last; /* tokens of all of that */
};

/* An INSERT, UPDATE, DELETE or MERGE. */
struct dml {
	struct dml *next;
	struct range *target;
	const struct level *level;
	const PgQuery__Node *node;
	struct range *excluded; /* NULL: none */
};

struct noted_use {
	struct noted_use *next;
	const struct ruleset_name *name;
	struct use use;
	struct column_names columns; /* used_columns.c */
};

struct noted_effect {
	struct noted_effect *next;
	struct effect effect;
};

struct noted_parameter {
	struct noted_parameter *next;
	uint16_t number;
};

/* A literal whose value was looked at: with another one the outcome could be another. */
struct consulted {
	struct consulted *next;
	size_t token;
};

struct noted_reference; /* for explain */
struct introspection;

struct analysis {
	struct arena *arena;
	struct slice text;
	const struct token_list *tokens;
	const struct ruleset *ruleset;
	const struct session_state *state;

	size_t first, end; /* tokens of the statement */
	enum use_kind read_kind; /* what a table in FROM counts as */
	enum use_kind name_kind; /* what a table named elsewhere counts as */
	enum columns_fate name_fate; /* … if that is DDL: what happens to its columns */
	struct cte *ctes;
	struct level *level;
	struct level *levels;
	const char *schema_being_created; /* by CREATE SCHEMA with elements; NULL: none */
	struct cte *created; /* its elements */
	const char *alias_prefix; /* of aliases we make up; NULL until the first */
	unsigned alias_number;
	const PgQuery__SelectStmt *plain_select; /* its targets are evaluated once, for sure; NULL: no such */

	struct qualifier *qualifiers, **qualifiers_tail;
	struct window window; /* of the level, what the walk is in the middle of sees */
	enum column_place place;
	const PgQuery__ColumnRef *naming; /* see column_use.names_output; NULL: none */
	size_t naming_item;
	struct column_use *columns, **columns_tail;
	struct dml *dmls;
	size_t column_work; /* names compared so far */
	struct splice_list *splices;
	struct noted_use *uses, **uses_tail, *last_use;
	struct noted_effect *effects, **effects_tail;
	struct noted_reference *references, **references_tail;
	bool explaining;
	struct introspection *introspection; /* NULL: nothing of the catalog is read */
	struct noted_parameter *parameters; /* of the whole text; read as names of relations */
	size_t parameter_count;
	uint8_t *parameter_bits; /* the same, as a set; NULL: none */
	struct consulted *consulted; /* of the whole text */
	bool consulted_all;	     /* all literals of the text may have been looked at */
	bool in_from_function; /* inside a function call in FROM */

	bool needs_search_path;	 /* a name depends on a search_path nobody knows */
	size_t needs_search_path_at;
	bool depends_on_state;
	bool refused;
	size_t refused_at; /* byte offset of the reference */
	struct error refusal;
	struct error *notice; /* NULL: none */
	bool changes_catalog;
	bool code_runs; /* that may have set anything */
};

struct noted_reference {
	struct noted_reference *next;
	size_t offset, len;
	const char *resolved;
	const char *became; /* NULL: as the splices say */
	const char *written; /* NULL: the text there */
	enum rule rule;
	const struct range *range; /* a table, whose rule depends on more than its name; NULL: none */
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

struct noted_use *analysis_use(struct analysis *a, const struct ruleset_name *name, enum use_kind kind, unsigned flags);
void analysis_effect(struct analysis *a, struct effect effect);
/* Whoever looks at the value of a literal says so; token == tokens->count: of one or more that cannot be told. */
void analysis_consult(struct analysis *a, size_t token);
/* Returns where to add more, which goes nowhere unless somebody wants an explanation. What the reference
 * became is found among the splices, unless it is given. */
struct noted_reference *analysis_explain(struct analysis *a, size_t offset, size_t len, const char *resolved,
					 enum rule rule);
/* The offset of a refusal for which the server, too, would give no position. */
#define ANALYSIS_NOWHERE SIZE_MAX
/* The first refusal of a statement stays; returns where to add DETAIL and HINT. */
struct error *analysis_refuse(struct analysis *a, size_t offset, const char *sqlstate, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
