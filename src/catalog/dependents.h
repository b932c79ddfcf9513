/*
 * What else in a database names its tables: views, triggers, functions,
 * publications, … as the catalog has them, for whoever judges what a move
 * would do to them (check/). Any role that may connect sees all of it.
 */
#ifndef CROSSFADE_CATALOG_DEPENDENTS_H
#define CROSSFADE_CATALOG_DEPENDENTS_H

#include "base/arena.h"
#include "catalog/connection.h"
#include "model/name.h"

enum dependent_kind {
	DEPENDENT_VIEW,
	DEPENDENT_MATVIEW,
	DEPENDENT_RULE,
	DEPENDENT_TRIGGER,
	DEPENDENT_POLICY,
	DEPENDENT_DEFAULT,
	DEPENDENT_FOREIGN_KEY,
	DEPENDENT_FUNCTION, /* a body that was parsed when it was made (BEGIN ATOMIC) */
	DEPENDENT_PUBLICATION, /* names the table */
	DEPENDENT_SCHEMA_PUBLICATION, /* … its schema */
	DEPENDENT_SUBSCRIPTION,
	DEPENDENT_CHILD, /* a partition, or a table that inherits */
	DEPENDENT_KIND_COUNT
};

/* One object that holds on to a table by its OID, or to its schema. */
struct dependent {
	enum dependent_kind kind;
	const char *object; /* as SQL names it */
	struct rel_name on; /* the relation it belongs to, or is; NULLs: none */
	struct rel_name table; /* what it depends on: a table, or a sequence */
	const char *text; /* more about it, by kind; NULL: none */
};

/* A function or an expression, whose text is looked up each time it runs. */
struct dependent_code {
	const char *object; /* public.last_close(character varying) */
	const char *kind; /* function, procedure, default, constraint, policy, view */
	const char *language; /* expression: none of a function */
	const char *owner;
	const char *search_path; /* its own; NULL: the caller's */
	const char *text;
};

struct dependent_grant {
	struct rel_name table;
	bool is_sequence;
	const char *grantee; /* NULL: PUBLIC */
	const char *privilege;
	bool has_usage; /* on the schema the table is in */
};

struct dependent_index {
	struct rel_name table;
	const char *name, *column;
	bool unique;
};

struct dependent_owner {
	struct rel_name table;
	const char *owner;
	bool is_super; /* the owner is a superuser */
	bool is_part; /* of a partitioned table or an extension: goes where that goes */
};

struct dependents {
	struct arena arena;
	struct dependent *items;
	size_t count;
	struct dependent_code *code;
	size_t code_count;
	struct dependent_grant *grants;
	size_t grant_count;
	struct dependent_index *indexes; /* one for each plain column */
	size_t index_count;
	struct dependent_owner *owners;
	size_t owner_count;
	const char *user; /* who looked */
	bool reads_stats; /* … and may see what other roles' sessions are */
	bool is_pooled; /* something between us and the server answered for it */
};

const char *dependent_kind_name(enum dependent_kind kind);

/* dependents_out is to be ended with dependents_deinit only after success. */
bool dependents_load(struct catalog_connection *connection, uint32_t timeout_ms, struct dependents *dependents_out,
		     struct error *error_out);
void dependents_deinit(struct dependents *dependents);

#endif
