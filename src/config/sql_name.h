/*
 * Names in keys and values of configuration files, written as SQL writes
 * them: unquoted parts fold to lower case, "Quoted" parts stay as they are.
 * SQL keywords need no quotes here.
 */
#ifndef CROSSFADE_CONFIG_SQL_NAME_H
#define CROSSFADE_CONFIG_SQL_NAME_H

#include "model/name.h"

struct sql_name {
	struct rel_name name; /* schema NULL: one part only */
	bool star;	      /* written schema.*; name.name is "*" */
};

/* why_out: what is wrong, to follow the text in a message; a constant or in the arena. */
bool sql_name_parse(struct arena *arena, const char *text, struct sql_name *name_out, const char **why_out);
/* [[database.]schema.]table: what is not there is NULL. */
bool sql_name_parse_full(struct arena *arena, const char *text, const char **database_out, struct rel_name *name_out,
			 const char **why_out);
/* One identifier: a column, a schema, a role. */
bool sql_name_parse_single(struct arena *arena, const char *text, const char **name_out, const char **why_out);

#endif
