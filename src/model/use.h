/*
 * A use: one statement named one side of one map entry. The shape is the
 * statement without its literals; shapes are made by the rewriter, shared
 * (refcounted across threads) and counted by usage/.
 */
#ifndef CROSSFADE_MODEL_USE_H
#define CROSSFADE_MODEL_USE_H

#include "base/ref.h"
#include "base/slice.h"
#include "model/stage.h"

enum use_kind {
	USE_SELECT,
	USE_INSERT,
	USE_UPDATE,
	USE_DELETE,
	USE_MERGE,
	USE_COPY_IN,
	USE_COPY_OUT,
	USE_TRUNCATE,
	USE_LOCK,
	USE_MAINTENANCE,   /* VACUUM, ANALYZE, CLUSTER, REINDEX */
	USE_DDL,
	USE_OPAQUE,	   /* a body or string that is scanned, not rewritten */
	USE_INTROSPECTION, /* information_schema, pg_catalog */
	USE_KIND_COUNT
};

enum use_flag {
	USE_REWRITTEN = 1 << 0, /* the name was changed */
	USE_REFUSED = 1 << 1,
	USE_UNPARSED = 1 << 2,	/* seen among the tokens of a statement the parser rejects */
};

struct use {
	uint32_t entry; /* ruleset_entry.id: stable while the ruleset lives */
	uint8_t side;	/* enum side: which name was written */
	uint8_t kind;	/* enum use_kind */
	uint16_t flags; /* enum use_flag */
	struct { const char *schema, *name; } written; /* lives as long as the shape */
	const char *table; /* the entry's stable key "schema.name" of its old name; same life */
	/*
	 * The columns that the statement names, sorted, under their old names (those without one:
	 * under their own); same life. Where it cannot be told which table a column is of, it is
	 * counted for all that may have it.
	 */
	const char *const *columns;
	uint16_t column_count;
	bool all_columns; /* a star, the row as a value, or it cannot be told; columns is empty then */
};

enum { USE_COLUMNS_MAX = 256 }; /* more are all */

struct statement_shape {
	struct ref ref;
	uint64_t hash;	     /* of text */
	struct slice text;   /* normalised: literals as $n, comments gone, bounded length */
	size_t bytes;	     /* of this block */
	size_t use_count;
	struct use uses[];   /* one per entry and side; text and names follow in the same block */
};

const char *use_kind_name(enum use_kind kind);

/* Copies everything; equal (entry, side, kind) uses are merged, their flags and columns joined. */
struct statement_shape *statement_shape_new(struct slice text, const struct use *uses, size_t use_count);
struct statement_shape *statement_shape_ref(struct statement_shape *shape);
void statement_shape_unref(struct statement_shape *shape);

#endif
