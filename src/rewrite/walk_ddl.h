/* What the files about DDL share. */
#ifndef CROSSFADE_REWRITE_WALK_DDL_H
#define CROSSFADE_REWRITE_WALK_DDL_H

#include "rewrite/walk.h"

#define OBJECT(name) PG_QUERY__OBJECT_TYPE__OBJECT_##name

/* Something that is dropped, renamed or moved as a table is: it may be one. */
bool ddl_is_relation_type(PgQuery__ObjectType type);
/* An old clean-up script must not drop the live table, under whatever name. */
void ddl_refuse(struct analysis *a, const struct ruleset_name *name, size_t offset, const char *action);
/* Of a schema that holds a mapped table. True: it is refused. */
bool ddl_refuse_schema(struct analysis *a, const char *schema, size_t at, const char *action);

/* walk_objects.c: handlers of statements whose tree does not say where names stand */
void objects_drop(struct analysis *a, const PgQuery__Node *node);
void objects_comment(struct analysis *a, const PgQuery__Node *node);
void objects_security_label(struct analysis *a, const PgQuery__Node *node);
void objects_extension_contents(struct analysis *a, const PgQuery__Node *node);
void objects_grant(struct analysis *a, const PgQuery__Node *node);
/* OWNED BY table.column of a sequence. */
void objects_owned_by(struct analysis *a);

/* walk_alter.c: handlers of statements that may name columns of their table */
void alter_table(struct analysis *a, const PgQuery__Node *node);
void alter_create_index(struct analysis *a, const PgQuery__Node *node);
void alter_vacuum(struct analysis *a, const PgQuery__Node *node);
/* The table that a foreign key refers to. */
void alter_references(struct analysis *a, const PgQuery__Constraint *constraint);
/* GRANT and REVOKE on tables and sequences. */
void alter_grant(struct analysis *a, const PgQuery__Node *node);
/* The column at the end of a name, as COMMENT ON COLUMN has it; table NULL: not a mapped one. */
void alter_column_name(struct analysis *a, const struct ruleset_name *table, size_t token);

/* walk_like.c */
void like_clause(struct analysis *a, const PgQuery__Node *node);

#endif
