/* Statements whose tree does not say where names stand: DROP, COMMENT and their kin. */
#include "rewrite/clauses.h"
#include "rewrite/tree.h"
#include "rewrite/walk_ddl.h"

static size_t type_words(PgQuery__ObjectType type)
{
	switch (type) {
	case OBJECT(FOREIGN_TABLE):
	case OBJECT(MATVIEW):
		return 2;
	case OBJECT(TABLE):
	case OBJECT(VIEW):
	case OBJECT(INDEX):
	case OBJECT(SEQUENCE):
	case OBJECT(COLUMN):
	case OBJECT(TABCONSTRAINT):
	case OBJECT(TRIGGER):
	case OBJECT(RULE):
	case OBJECT(POLICY):
		return 1;
	default:
		return 0;
	}
}

static bool is_of_table(PgQuery__ObjectType type)
{
	return type == OBJECT(TABCONSTRAINT) || type == OBJECT(TRIGGER) || type == OBJECT(RULE) ||
	       type == OBJECT(POLICY);
}

/* The name after `… TYPE [thing ON]` at token at, as COMMENT, SECURITY LABEL and ALTER EXTENSION write it. */
static const struct ruleset_name *object_at(struct analysis *a, size_t at, PgQuery__ObjectType type)
{
	struct token_name name;
	size_t words = type_words(type);
	if (!words)
		return NULL;
	at += words + (is_of_table(type) ? 2 : 0);
	if (!walk_token_name(a, at, &name))
		return NULL;
	bool column = type == OBJECT(COLUMN);
	a->name_fate = column ? COLUMNS_SERVED : COLUMNS_UNNAMED;
	const struct ruleset_name *found = walk_named_tokens(a, &name, name.count - column, USE_DDL);
	a->name_fate = COLUMNS_NAMED;
	if (column)
		alter_column_name(a, found, name.last);
	return found;
}

static bool retired_and_gone(const struct analysis *a, const struct token_name *name)
{
	if (name->count < 2)
		return false;
	const struct ruleset_name *found =
		ruleset_find(a->ruleset, name->parts[name->count - 2], name->parts[name->count - 1]);
	return found && resolve_is_retired(found) &&
	       (!a->ruleset->facts || !facts_find(a->ruleset->facts, found->written.schema, found->written.name));
}

/* Temporary tables are the session's own: nobody else's names change with them. */
static void note_temp_drop(struct analysis *a, const struct token_name *name)
{
	const char *last = name->parts[name->count - 1];
	bool may_be_temp = name->count == 1 || strcmp(name->parts[name->count - 2], "pg_temp") == 0;
	if (may_be_temp && session_state_has_temp(a->state, last))
		analysis_effect(a, (struct effect){ .kind = EFFECT_TEMP_DROP, .name = arena_strdup(a->arena, last) });
	else
		a->changes_catalog = true;
}

static void drop_relation(struct analysis *a, const PgQuery__DropStmt *drop, const struct token_name *name)
{
	note_temp_drop(a, name);
	if (drop->missing_ok && retired_and_gone(a, name))
		return; /* the server's notice is what an application of the new layout would get */
	size_t parts = name->count;
	a->name_fate = COLUMNS_UNNAMED;
	const struct ruleset_name *found = walk_named_tokens(a, name, parts, USE_DDL);
	a->name_fate = COLUMNS_NAMED;
	if (found && found->kind == NAME_TABLE && !is_of_table(drop->remove_type))
		ddl_refuse(a, found, clause_offset(a, name->first), "DROP");
	if (!found && ddl_is_relation_type(drop->remove_type))
		resolve_note_dropped(a, (struct written_name){ NULL, parts > 1 ? name->parts[parts - 2] : NULL,
							       name->parts[parts - 1] });
}

bool ddl_refuse_schema(struct analysis *a, const char *schema, size_t at, const char *action)
{
	for (size_t e = 0; e < a->ruleset->entry_count; e++) {
		const struct ruleset_entry *entry = &a->ruleset->entries[e];
		struct rel_name physical = entry->names[entry->physical];
		if (!physical.schema || strcmp(physical.schema, schema) != 0)
			continue;
		ddl_refuse(a, ruleset_find(a->ruleset, physical.schema, physical.name), clause_offset(a, at), action);
		break;
	}
	return a->refused;
}

static void on_drop_schema(struct analysis *a, const PgQuery__DropStmt *drop, size_t at)
{
	for (size_t i = 0; i < drop->n_objects; i++, at += 2) {
		const char *schema = tree_string(drop->objects[i]);
		if (!schema)
			continue;
		resolve_note_schema(a, schema, false);
		ddl_refuse_schema(a, schema, at, "DROP SCHEMA");
	}
}

void objects_drop(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__DropStmt *drop = node->drop_stmt;
	bool of_table = is_of_table(drop->remove_type);
	bool schema = drop->remove_type == OBJECT(SCHEMA);
	size_t words = schema ? 1 : type_words(drop->remove_type);
	size_t at = a->first + 1 + words + (drop->concurrent ? 1 : 0) + (drop->missing_ok ? 2 : 0) + (of_table ? 2 : 0);
	a->changes_catalog = schema || !words;
	walk_nodes(a, drop->objects, drop->n_objects); /* types, in signatures of functions and the like */
	if (schema)
		on_drop_schema(a, drop, at);
	for (size_t i = 0; words && !schema && i < drop->n_objects; i++) {
		struct token_name name;
		if (!walk_token_name(a, at, &name)) {
			a->changes_catalog = true;
			return;
		}
		drop_relation(a, drop, &name);
		at = name.last + 2;
	}
}

void objects_comment(struct analysis *a, const PgQuery__Node *node)
{
	object_at(a, a->first + 2, node->comment_stmt->objtype);
	walk_node(a, node->comment_stmt->object);
}

void objects_security_label(struct analysis *a, const PgQuery__Node *node)
{
	object_at(a, a->first + (clause_is_word(a, a->first + 2, "for") ? 5 : 3), node->sec_label_stmt->objtype);
	walk_node(a, node->sec_label_stmt->object);
}

void objects_extension_contents(struct analysis *a, const PgQuery__Node *node)
{
	object_at(a, a->first + 4, node->alter_extension_contents_stmt->objtype);
	walk_node(a, node->alter_extension_contents_stmt->object);
}

void objects_owned_by(struct analysis *a)
{
	for (size_t i = a->first; i + 2 < a->end; i++) {
		struct token_name name;
		if (clause_is_word(a, i, "owned") && clause_is_word(a, i + 1, "by") && walk_token_name(a, i + 2, &name) &&
		    name.count >= 2)
			walk_named_tokens(a, &name, name.count - 1, USE_DDL);
	}
}

/* ON TYPE a, b: row types have privileges of their own. */
static void grant_on_types(struct analysis *a)
{
	size_t at = clause_find_word(a, a->first, a->end - 1, "on") + 2;
	struct token_name name;
	while (walk_token_name(a, at, &name)) {
		walk_named_tokens(a, &name, name.count, USE_DDL);
		if (!clause_is_mark(a, name.last + 1, ","))
			return;
		at = name.last + 2;
	}
}

void objects_grant(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__GrantStmt *grant = node->grant_stmt;
	a->changes_catalog = true;
	if (grant->objtype == OBJECT(TYPE) || grant->objtype == OBJECT(DOMAIN))
		grant_on_types(a);
	if (grant->targtype == PG_QUERY__GRANT_TARGET_TYPE__ACL_TARGET_OBJECT &&
	    (grant->objtype == OBJECT(TABLE) || grant->objtype == OBJECT(SEQUENCE)))
		alter_grant(a, node);
	else
		walk_nodes(a, grant->objects, grant->n_objects);
}
