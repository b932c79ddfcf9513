/* Which relation a name means (docs/rewriting.md "Which table a name means"). */
#ifndef CROSSFADE_REWRITE_RESOLVE_H
#define CROSSFADE_REWRITE_RESOLVE_H

#include "rewrite/analysis.h"

/* A name as the text has it, decoded. */
struct written_name {
	const char *database; /* NULL or empty: none */
	const char *schema;   /* NULL or empty: unqualified */
	const char *name;
};

static inline struct written_name resolve_written(const PgQuery__RangeVar *relation)
{
	return (struct written_name){ relation->catalogname, relation->schemaname, relation->relname };
}

struct resolved {
	const struct ruleset_name *name; /* NULL: nothing of the map */
	const char *how;		 /* for explain: "qualified", "search_path", "CTE", … */
	bool qualify; /* the server, left alone, would find another relation */
};

/* An existing relation. Read references also see the CTEs in scope. */
struct resolved resolve_relation(struct analysis *a, struct written_name written, bool read, size_t offset);
/* Whether CREATE would make a temporary relation: by its own words, or because search_path begins with pg_temp. */
bool resolve_creates_temporary(struct analysis *a, const PgQuery__RangeVar *relation);
/* The relation that CREATE would make under this name. */
struct resolved resolve_created(struct analysis *a, struct written_name written, size_t offset);

/*
 * Unmapped relations that the statement makes, drops or moves, for the
 * session to know before the catalog is read again. Only those that bear a
 * mapped table's name are noted.
 */
void resolve_note_created(struct analysis *a, struct written_name written);
void resolve_note_dropped(struct analysis *a, struct written_name written);
void resolve_note_moved(struct analysis *a, struct written_name written, const char *new_schema,
			const char *new_name); /* NULL: as before */
void resolve_note_schema(struct analysis *a, const char *schema, bool created);
void resolve_note_schema_renamed(struct analysis *a, const char *schema, const char *new_schema);

/* What becomes of a mapped name where it stands. */
enum verdict { VERDICT_KEEP, VERDICT_CHANGE, VERDICT_REFUSED };
enum verdict resolve_settle(struct analysis *a, struct resolved resolved, enum use_kind kind, enum columns_fate fate,
			    size_t offset);

bool resolve_is_retired(const struct ruleset_name *name);
/* "schema.name", quoted as SQL wants it. */
struct slice resolve_spelled(struct arena *arena, struct rel_name name);

#endif
