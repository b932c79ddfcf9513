/*
 * What a statement will do to its session once it has succeeded. Predicted by
 * the rewriter, applied to a session_state by the proxy when the server says
 * CommandComplete (rewriting.md §1.5).
 */
#ifndef CROSSFADE_MODEL_EFFECT_H
#define CROSSFADE_MODEL_EFFECT_H

#include <stdbool.h>

enum effect_kind {
	EFFECT_SET,	    /* name = value; local */
	EFFECT_RESET,	    /* name back to the session's start value; local for SET LOCAL … TO DEFAULT */
	EFFECT_RESET_ALL,
	EFFECT_DISCARD_ALL, /* also temp tables, prepared statements */
	EFFECT_DISCARD_TEMP,
	EFFECT_SET_UNKNOWN, /* name becomes something only the server knows: a setting, role, or EFFECT_TEMPS */
	EFFECT_ROLE,	    /* value: role, NULL: none (RESET ROLE) */
	EFFECT_SESSION_USER, /* value: role, NULL: default */
	EFFECT_TEMP_CREATE, /* name; local: ON COMMIT DROP */
	EFFECT_TEMP_DROP,   /* name */
	EFFECT_BEGIN,
	EFFECT_COMMIT,	    /* chain */
	EFFECT_ROLLBACK,    /* chain */
	EFFECT_PREPARE_TRANSACTION,
	EFFECT_SAVEPOINT,   /* name */
	EFFECT_RELEASE,	    /* name */
	EFFECT_ROLLBACK_TO, /* name */
	EFFECT_DDL,	    /* the catalog changes: facts must be read anew */
	EFFECT_RELATION_CREATED, /* name, in schema `value`: an unmapped relation with a mapped table's name … */
	EFFECT_RELATION_DROPPED, /* … which decides what that name means from here on */
	EFFECT_COLUMN_ADDED,	   /* name, to the mapped table `text` of schema `value`, whose columns differ */
	EFFECT_CONSTRAINT_CREATED, /* name, on a mapped table whose rows are in schema `value`; an index, too */
	EFFECT_PREPARE,	    /* name: SQL-level prepared statement; value: numbers of the parameters that are
			     * read as names of relations, with spaces between; NULL: none */
	EFFECT_DEALLOCATE,  /* name, NULL: all */
	EFFECT_EXECUTE,	    /* name: runs a prepared statement, whose uses count */
};

/* Not a setting: the temporary tables of the session. */
#define EFFECT_TEMPS "temporary_tables"

struct effect {
	enum effect_kind kind;
	const char *name;  /* decoded, folded; setting names in lower case */
	const char *value; /* as the server would show it; NULL: default */
	bool local;	   /* SET LOCAL, ON COMMIT DROP */
	bool chain;	   /* AND CHAIN */
	bool has_values;   /* EFFECT_EXECUTE: it gives some */
	bool begins_text;  /* EFFECT_PREPARE: nothing stands before it, not even a space */
	const char *text;  /* EFFECT_PREPARE: the whole statement as it was written; EFFECT_COLUMN_ADDED: a table */
	struct statement_shape *shape; /* EFFECT_PREPARE: what each EXECUTE uses; borrowed */
};

#endif
