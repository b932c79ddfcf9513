/* Through the tree of one statement; every node type not handled is walked child by child. */
#ifndef CROSSFADE_REWRITE_WALK_H
#define CROSSFADE_REWRITE_WALK_H

#include "rewrite/scope.h"

void walk_node(struct analysis *a, const PgQuery__Node *node);
void walk_nodes(struct analysis *a, PgQuery__Node *const *nodes, size_t count);
void walk_children(struct analysis *a, const ProtobufCMessage *message);
void walk_select(struct analysis *a, const PgQuery__SelectStmt *select);
void walk_type(struct analysis *a, const PgQuery__TypeName *type);
/* One that is found before any table of that name. */
bool walk_is_builtin_type(const char *name);

enum relation_role {
	RELATION_READ,	 /* in FROM: CTEs shadow it, an alias may be added */
	RELATION_TARGET, /* of INSERT, UPDATE, DELETE, MERGE: an alias may be added */
	RELATION_NAMED,	 /* anywhere else */
	RELATION_CREATED,
};
/* NULL when relation is. */
struct range *walk_relation(struct analysis *a, const PgQuery__RangeVar *relation, enum relation_role role,
			    enum use_kind kind);

/* A dotted name among the tokens, for statements whose tree does not say where names stand. */
struct token_name {
	size_t first, last; /* tokens */
	char parts[4][NAME_MAX_BYTES + 1];
	size_t count;
};
/* The name that the tree says is at location; false: it cannot be found. */
bool walk_locate(const struct analysis *a, int32_t location, struct token_name *name_out);
bool walk_token_name(const struct analysis *a, size_t first, struct token_name *name_out);
/* A relation named by tokens [first .. last part used]; extra parts (a column) follow it. */
const struct ruleset_name *walk_named_tokens(struct analysis *a, const struct token_name *name, size_t parts,
					     enum use_kind kind);

/* A table that the statement at node writes, or whose columns it names as if. */
struct dml *walk_note_dml(struct analysis *a, const PgQuery__Node *node, struct range *target);
/* walk_ddl.c: true when the node was one of its statements. */
bool walk_ddl(struct analysis *a, const PgQuery__Node *node);

/* strings.c */
void strings_call(struct analysis *a, const PgQuery__FuncCall *call);
void strings_cast(struct analysis *a, const PgQuery__TypeCast *cast);
void strings_compare(struct analysis *a, const PgQuery__AExpr *expr);
void strings_alternatives(struct analysis *a, PgQuery__Node *const *values, size_t count);
void strings_prepare(struct analysis *a, const PgQuery__PrepareStmt *prepare);
void strings_execute(struct analysis *a, const PgQuery__ExecuteStmt *execute);
/* The name, or names, in a parameter's value (rewriter_parameter): whether there is one of the map;
 * out gets what to send instead, if anything. */
bool strings_value(struct analysis *a, struct slice value, struct buf *out);

/* constraints.c */
void constraints_set(struct analysis *a, const PgQuery__ConstraintsSetStmt *set);
/* Those that the statement adds to a table that has moved. */
void constraints_note(struct analysis *a, const struct ruleset_name *table, const PgQuery__AlterTableStmt *alter);
void constraints_note_index(struct analysis *a, const struct ruleset_name *table, const char *index);

/* bodies.c: code in strings of the statement */
void bodies_scan(struct analysis *a);
/* SQL in the arguments of functions that run it. */
void bodies_call(struct analysis *a, const PgQuery__FuncCall *call);
/* Whether code that the statement runs may change the catalog. */
bool bodies_change_catalog(struct analysis *a);

/* effects.c */
void effects_of(struct analysis *a, const PgQuery__Node *statement);
void effects_call(struct analysis *a, const PgQuery__FuncCall *call);
/* The statement may set anything that decides what a name means. */
void effects_unknown(struct analysis *a);

#endif
