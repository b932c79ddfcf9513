/* What the files about DDL share. */
#ifndef CROSSFADE_REWRITE_WALK_DDL_H
#define CROSSFADE_REWRITE_WALK_DDL_H

#include "rewrite/walk.h"

#define OBJECT(name) PG_QUERY__OBJECT_TYPE__OBJECT_##name

/* Something that is dropped, renamed or moved as a table is: it may be one. */
bool ddl_is_relation_type(PgQuery__ObjectType type);
/* An old clean-up script must not drop the live table, under whatever name. */
void ddl_refuse(struct analysis *a, const struct ruleset_name *name, size_t offset, const char *action);

/* walk_objects.c: handlers of statements whose tree does not say where names stand */
void objects_drop(struct analysis *a, const PgQuery__Node *node);
void objects_comment(struct analysis *a, const PgQuery__Node *node);
void objects_security_label(struct analysis *a, const PgQuery__Node *node);
void objects_extension_contents(struct analysis *a, const PgQuery__Node *node);
void objects_grant(struct analysis *a, const PgQuery__Node *node);
/* OWNED BY table.column of a sequence. */
void objects_owned_by(struct analysis *a);

#endif
