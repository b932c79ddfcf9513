/*
 * A parse tree as text, without locations, with names of relations as a map
 * has them: two statements that mean the same but for moved tables have equal
 * texts. Its rules for CTEs are its own, so that it can contradict the
 * rewriter.
 */
#ifndef CROSSFADE_PROPERTIES_CANONICAL_H
#define CROSSFADE_PROPERTIES_CANONICAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/ruleset.h"

#include <pg_query/pg_query.pb-c.h>

enum canonical_view {
	CANONICAL_EXPECTED,  /* an original: mapped names are exchanged for their new ones */
	CANONICAL_REWRITTEN, /* names as they stand; aliases that only keep an old name are dropped */
	CANONICAL_PLAIN,     /* names as they stand, a schema added where the search_path gives one */
};

/* The schema that an unqualified name means. */
#define CANONICAL_SCHEMA "public"
/* What new names end with, where a table gets one. */
#define CANONICAL_NEW_SUFFIX " new"

/* What looks like relations in these are constraints, or tables of another server. */
bool canonical_names_others(const ProtobufCMessage *statement);

struct canonical_context {
	const struct ruleset *ruleset;
	const char *database;  /* the one that names without a database are in */
	struct slice original; /* the text before any rewriting: an alias that it has is not made up */
};

void canonical_print(const PgQuery__Node *statement, const struct canonical_context *context,
		     enum canonical_view view, struct arena *arena, struct buf *out);

#endif
