/* Statements that name relations outside of FROM: DDL, maintenance, COPY, and what only contains another statement. */
#include "rewrite/dml.h"
#include "rewrite/tree.h"
#include "rewrite/used_columns.h"
#include "rewrite/walk.h"

#define OBJECT(name) PG_QUERY__OBJECT_TYPE__OBJECT_##name

static size_t offset_of(const struct analysis *a, size_t token)
{
	return a->tokens->items[token < a->end ? token : a->first].offset;
}

static bool word_at(const struct analysis *a, size_t index, const char *word)
{
	return index < a->end && token_is_word(a->text, &a->tokens->items[index], word);
}

/* ---- refusals ---- */

/* An old clean-up script must not drop the live table, under whatever name. */
static void refuse_ddl(struct analysis *a, const struct ruleset_name *name, size_t offset, const char *action)
{
	if (!name || a->refused || a->ruleset->policy.ddl == DDL_ALLOW || name->entry->kind == MAP_IDENTITY)
		return;
	struct slice written = resolve_spelled(a->arena, name->written);
	analysis_use(a, name, USE_DDL, USE_REFUSED);
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED, "%s of mapped table %s is refused",
					      action, written.data);
	error_detail(error, "The table is being moved between schemas; its shape and place are crossfade's to change.");
	error_hint(error, "Run it directly on the server, or set \"policy: {ddl: allow}\".");
}

static const struct ruleset_name *name_of(const struct range *range)
{
	return range ? range->name : NULL;
}

static size_t range_offset(const struct analysis *a, const struct range *range)
{
	return offset_of(a, range && range->last ? range->first : a->first);
}

/* ---- objects whose tree has no locations ---- */

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

static bool is_relation_type(PgQuery__ObjectType type)
{
	return type == OBJECT(TABLE) || type == OBJECT(VIEW) || type == OBJECT(MATVIEW) ||
	       type == OBJECT(FOREIGN_TABLE) || type == OBJECT(INDEX) || type == OBJECT(SEQUENCE);
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
	size_t parts = name.count - (type == OBJECT(COLUMN) ? 1 : 0);
	return walk_named_tokens(a, &name, parts, USE_DDL);
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
	const struct ruleset_name *found = walk_named_tokens(a, name, parts, USE_DDL);
	if (found && found->kind == NAME_TABLE && !is_of_table(drop->remove_type))
		refuse_ddl(a, found, offset_of(a, name->first), "DROP");
	if (!found && is_relation_type(drop->remove_type))
		resolve_note_dropped(a, (struct written_name){ NULL, parts > 1 ? name->parts[parts - 2] : NULL,
							       name->parts[parts - 1] });
}

static void on_drop_schema(struct analysis *a, const PgQuery__DropStmt *drop, size_t at)
{
	for (size_t i = 0; i < drop->n_objects; i++, at += 2) {
		const char *schema = tree_string(drop->objects[i]);
		if (schema)
			resolve_note_schema(a, schema, false);
		for (size_t e = 0; schema && e < a->ruleset->entry_count; e++) {
			const struct ruleset_entry *entry = &a->ruleset->entries[e];
			struct rel_name physical = entry->names[entry->physical];
			if (!physical.schema || strcmp(physical.schema, schema) != 0)
				continue;
			refuse_ddl(a, ruleset_find(a->ruleset, physical.schema, physical.name), offset_of(a, at),
				   "DROP SCHEMA");
			break;
		}
	}
}

static void on_drop(struct analysis *a, const PgQuery__DropStmt *drop)
{
	bool of_table = is_of_table(drop->remove_type);
	bool schema = drop->remove_type == OBJECT(SCHEMA);
	size_t words = schema ? 1 : type_words(drop->remove_type);
	size_t at = a->first + 1 + words + (drop->concurrent ? 1 : 0) + (drop->missing_ok ? 2 : 0) + (of_table ? 2 : 0);
	a->changes_catalog = schema || !words;
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

static void on_comment(struct analysis *a, const PgQuery__CommentStmt *comment)
{
	object_at(a, a->first + 2, comment->objtype);
}

static void on_security_label(struct analysis *a, const PgQuery__SecLabelStmt *label)
{
	object_at(a, a->first + (word_at(a, a->first + 2, "for") ? 5 : 3), label->objtype);
}

static void on_extension_contents(struct analysis *a, const PgQuery__AlterExtensionContentsStmt *alter)
{
	object_at(a, a->first + 4, alter->objtype);
}

/* OWNED BY table.column of a sequence. */
static void on_owned_by(struct analysis *a)
{
	for (size_t i = a->first; i + 2 < a->end; i++) {
		struct token_name name;
		if (word_at(a, i, "owned") && word_at(a, i + 1, "by") && walk_token_name(a, i + 2, &name) &&
		    name.count >= 2)
			walk_named_tokens(a, &name, name.count - 1, USE_DDL);
	}
}

/* ---- CREATE ---- */

/* True when the relation is a temporary one, which shadows from here on. */
static bool created_temporary(struct analysis *a, const PgQuery__RangeVar *relation, bool drops_on_commit)
{
	if (!resolve_creates_temporary(a, relation))
		return false;
	analysis_effect(a, (struct effect){
				   .kind = EFFECT_TEMP_CREATE, .name = relation->relname, .local = drops_on_commit });
	return true;
}

static void on_create_table(struct analysis *a, const PgQuery__CreateStmt *create)
{
	bool drops = create->oncommit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP;
	if (!created_temporary(a, create->relation, drops)) {
		a->changes_catalog = true;
		walk_relation(a, create->relation, RELATION_CREATED, USE_DDL);
	}
	walk_nodes(a, create->inh_relations, create->n_inh_relations);
	walk_nodes(a, create->table_elts, create->n_table_elts);
	walk_nodes(a, create->constraints, create->n_constraints);
	if (create->partbound)
		walk_children(a, &create->partbound->base);
	if (create->partspec)
		walk_children(a, &create->partspec->base);
	if (create->of_typename)
		walk_type(a, create->of_typename);
}

/* A view in the place of a mapped name would hide the table from crossfade and from the cutover. */
static struct range *create_view_name(struct analysis *a, const PgQuery__RangeVar *view)
{
	a->changes_catalog = true;
	struct range *range = walk_relation(a, view, RELATION_CREATED, USE_DDL);
	refuse_ddl(a, name_of(range), range_offset(a, range), "CREATE VIEW in place");
	return range;
}

/* Its own name is that of the WITH query it stands for. */
static void refuse_recursive_elsewhere(struct analysis *a, const PgQuery__ViewStmt *view, const struct range *range)
{
	const PgQuery__SelectStmt *select =
		view->query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT ? view->query->select_stmt : NULL;
	const PgQuery__WithClause *with = select ? select->with_clause : NULL;
	if (!range || !range->changes || !with || !with->recursive || with->n_ctes != 1 ||
	    strcmp(with->ctes[0]->common_table_expr->ctename, range->name->written.name) != 0 ||
	    strcmp(range->name->physical.name, range->name->written.name) == 0)
		return;
	struct error *error = analysis_refuse(a, range_offset(a, range), SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "CREATE RECURSIVE VIEW cannot follow the table to another name");
	error_hint(error, "Write CREATE VIEW … AS WITH RECURSIVE ….");
}

static void on_create_view(struct analysis *a, const PgQuery__ViewStmt *view)
{
	a->read_kind = USE_DDL;
	if (!created_temporary(a, view->view, false))
		refuse_recursive_elsewhere(a, view, create_view_name(a, view->view));
	walk_node(a, view->query);
}

static void on_create_as(struct analysis *a, const PgQuery__CreateTableAsStmt *create)
{
	bool temporary = created_temporary(a, create->into->rel,
					   create->into->on_commit == PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP);
	if (!temporary && create->objtype == OBJECT(MATVIEW)) {
		a->read_kind = USE_DDL;
		create_view_name(a, create->into->rel);
	} else if (!temporary) {
		a->changes_catalog = true;
		walk_relation(a, create->into->rel, RELATION_CREATED, USE_DDL);
	}
	walk_node(a, create->query);
}

static void on_create_sequence(struct analysis *a, const PgQuery__CreateSeqStmt *create)
{
	if (!created_temporary(a, create->sequence, false)) {
		a->changes_catalog = true;
		walk_relation(a, create->sequence, RELATION_CREATED, USE_DDL);
	}
	on_owned_by(a);
}

static void on_alter_sequence(struct analysis *a, const PgQuery__AlterSeqStmt *alter)
{
	walk_relation(a, alter->sequence, RELATION_NAMED, USE_DDL);
	on_owned_by(a);
}

static const char *element_name(const PgQuery__Node *element)
{
	switch (element->node_case) {
	case PG_QUERY__NODE__NODE_CREATE_STMT:
		return element->create_stmt->relation->relname;
	case PG_QUERY__NODE__NODE_VIEW_STMT:
		return element->view_stmt->view->relname;
	case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
		return element->create_seq_stmt->sequence->relname;
	default:
		return NULL;
	}
}

/* The elements may name each other; the catalog does not know them yet. */
static void note_elements(struct analysis *a, const PgQuery__CreateSchemaStmt *create)
{
	for (size_t i = 0; i < create->n_schema_elts; i++) {
		const char *name = element_name(create->schema_elts[i]);
		if (!name || !ruleset_mentions(a->ruleset, name, strlen(name)))
			continue;
		struct cte *created = ARENA_NEW(a->arena, struct cte);
		created->name = name;
		created->next = a->created;
		a->created = created;
	}
}

/* PostgreSQL takes no element of another schema than the new one. */
static void refuse_elements_elsewhere(struct analysis *a, const PgQuery__CreateSchemaStmt *create)
{
	for (size_t i = 0; i < create->n_schema_elts; i++) {
		const char *element = element_name(create->schema_elts[i]);
		const struct ruleset_name *name =
			element ? ruleset_find(a->ruleset, a->schema_being_created, element) : NULL;
		if (!name || rel_name_eq(name->written, name->physical))
			continue;
		struct error *error = analysis_refuse(a, a->tokens->items[a->first].offset,
						      SQLSTATE_FEATURE_NOT_SUPPORTED,
						      "CREATE SCHEMA cannot create %s, which is %s now",
						      resolve_spelled(a->arena, name->written).data,
						      resolve_spelled(a->arena, name->physical).data);
		error_hint(error, "Create the schema and its tables by statements of their own.");
	}
}

static void on_create_schema(struct analysis *a, const PgQuery__CreateSchemaStmt *create)
{
	a->changes_catalog = true;
	a->schema_being_created = create->schemaname[0] ? create->schemaname : session_state_user(a->state);
	if (a->schema_being_created)
		resolve_note_schema(a, a->schema_being_created, true);
	note_elements(a, create);
	walk_nodes(a, create->schema_elts, create->n_schema_elts);
	refuse_elements_elsewhere(a, create);
	a->schema_being_created = NULL;
	a->created = NULL;
}

static void on_create_function(struct analysis *a, const PgQuery__CreateFunctionStmt *create)
{
	a->changes_catalog = true;
	a->read_kind = USE_DDL;
	walk_nodes(a, create->parameters, create->n_parameters);
	if (create->return_type)
		walk_type(a, create->return_type);
	walk_node(a, create->sql_body);
	strings_opaque(a);
}

/* ---- ALTER ---- */

static const char *dangerous_change(const PgQuery__AlterTableStmt *alter)
{
	for (size_t i = 0; i < alter->n_cmds; i++) {
		if (alter->cmds[i]->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_CMD)
			continue;
		switch (alter->cmds[i]->alter_table_cmd->subtype) {
		case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
			return "DROP COLUMN";
		case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
			return "ALTER COLUMN TYPE";
		default:
			break;
		}
	}
	return NULL;
}

static void on_alter_table(struct analysis *a, const PgQuery__AlterTableStmt *alter)
{
	a->changes_catalog = true;
	struct range *range = walk_relation(a, alter->relation, RELATION_NAMED, USE_DDL);
	const char *action = dangerous_change(alter);
	if (action && name_of(range) && range->name->kind == NAME_TABLE)
		refuse_ddl(a, range->name, range_offset(a, range), action);
	walk_nodes(a, alter->cmds, alter->n_cmds);
}

static void rename_temporary(struct analysis *a, const PgQuery__RangeVar *relation, const char *new_name)
{
	bool may_be_temp = !relation->schemaname[0] || strcmp(relation->schemaname, "pg_temp") == 0;
	if (!may_be_temp || !session_state_has_temp(a->state, relation->relname))
		return;
	analysis_effect(a, (struct effect){ .kind = EFFECT_TEMP_DROP, .name = relation->relname });
	analysis_effect(a, (struct effect){ .kind = EFFECT_TEMP_CREATE, .name = new_name });
}

static void on_rename(struct analysis *a, const PgQuery__RenameStmt *rename)
{
	a->changes_catalog = true;
	struct range *range = walk_relation(a, rename->relation, RELATION_NAMED, USE_DDL);
	if (rename->relation && is_relation_type(rename->rename_type))
		rename_temporary(a, rename->relation, rename->newname);
	bool changes_table = is_relation_type(rename->rename_type) || rename->rename_type == OBJECT(COLUMN);
	if (changes_table && name_of(range) && range->name->kind == NAME_TABLE)
		refuse_ddl(a, range->name, range_offset(a, range), "RENAME");
	if (rename->relation && is_relation_type(rename->rename_type) && !name_of(range))
		resolve_note_moved(a, resolve_written(rename->relation), NULL, rename->newname);
	walk_node(a, rename->object);
}

static void on_set_schema(struct analysis *a, const PgQuery__AlterObjectSchemaStmt *alter)
{
	a->changes_catalog = true;
	struct range *range = walk_relation(a, alter->relation, RELATION_NAMED, USE_DDL);
	if (name_of(range) && range->name->kind == NAME_TABLE)
		refuse_ddl(a, range->name, range_offset(a, range), "SET SCHEMA");
	if (alter->relation && !name_of(range))
		resolve_note_moved(a, resolve_written(alter->relation), alter->newschema, NULL);
	walk_node(a, alter->object);
}

/* SET CONSTRAINTS names constraints; one that is an index of a mapped table moves with it. */
static void on_set_constraints(struct analysis *a, const PgQuery__ConstraintsSetStmt *set)
{
	for (size_t i = 0; i < set->n_constraints; i++) {
		const PgQuery__RangeVar *name = set->constraints[i]->range_var;
		if (name && name->schemaname[0])
			walk_relation(a, name, RELATION_NAMED, USE_DDL);
	}
}

/* ---- data and maintenance ---- */

static void on_copy(struct analysis *a, const PgQuery__CopyStmt *copy)
{
	enum use_kind kind = copy->is_from ? USE_COPY_IN : USE_COPY_OUT;
	a->read_kind = kind;
	struct range *range = walk_relation(a, copy->relation, RELATION_NAMED, kind);
	if (range)
		used_columns_copy(a, copy, range);
	if (range)
		copy_splice(a, copy, range);
	walk_node(a, copy->query);
	walk_node(a, copy->where_clause);
}

static void named(struct analysis *a, const PgQuery__Node *node, enum use_kind kind)
{
	a->name_kind = kind;
	walk_children(a, tree_unwrap(node));
	a->name_kind = USE_DDL;
}

static void named_ddl(struct analysis *a, const PgQuery__Node *node)
{
	a->changes_catalog = true;
	a->read_kind = USE_DDL;
	named(a, node, USE_DDL);
}

bool walk_ddl(struct analysis *a, const PgQuery__Node *node)
{
	switch (node->node_case) {
	case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
		named(a, node, USE_TRUNCATE);
		return true;
	case PG_QUERY__NODE__NODE_LOCK_STMT:
		named(a, node, USE_LOCK);
		return true;
	case PG_QUERY__NODE__NODE_VACUUM_STMT:
	case PG_QUERY__NODE__NODE_CLUSTER_STMT:
	case PG_QUERY__NODE__NODE_REINDEX_STMT:
	case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
		named(a, node, USE_MAINTENANCE);
		return true;
	case PG_QUERY__NODE__NODE_COPY_STMT:
		on_copy(a, node->copy_stmt);
		return true;
	case PG_QUERY__NODE__NODE_DROP_STMT:
		on_drop(a, node->drop_stmt);
		return true;
	case PG_QUERY__NODE__NODE_COMMENT_STMT:
		on_comment(a, node->comment_stmt);
		return true;
	case PG_QUERY__NODE__NODE_SEC_LABEL_STMT:
		on_security_label(a, node->sec_label_stmt);
		return true;
	case PG_QUERY__NODE__NODE_ALTER_EXTENSION_CONTENTS_STMT:
		on_extension_contents(a, node->alter_extension_contents_stmt);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_STMT:
		on_create_table(a, node->create_stmt);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT:
		on_create_table(a, node->create_foreign_table_stmt->base_stmt);
		return true;
	case PG_QUERY__NODE__NODE_VIEW_STMT:
		on_create_view(a, node->view_stmt);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
		on_create_as(a, node->create_table_as_stmt);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
		on_create_sequence(a, node->create_seq_stmt);
		return true;
	case PG_QUERY__NODE__NODE_ALTER_SEQ_STMT:
		on_alter_sequence(a, node->alter_seq_stmt);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
		on_create_schema(a, node->create_schema_stmt);
		return true;
	case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
		on_create_function(a, node->create_function_stmt);
		return true;
	case PG_QUERY__NODE__NODE_DO_STMT:
		strings_opaque(a);
		return true;
	case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
		on_alter_table(a, node->alter_table_stmt);
		return true;
	case PG_QUERY__NODE__NODE_RENAME_STMT:
		on_rename(a, node->rename_stmt);
		return true;
	case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
		on_set_schema(a, node->alter_object_schema_stmt);
		return true;
	case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
		on_set_constraints(a, node->constraints_set_stmt);
		return true;
	case PG_QUERY__NODE__NODE_IMPORT_FOREIGN_SCHEMA_STMT:
		a->changes_catalog = true; /* its tables are those of another server */
		return true;
	case PG_QUERY__NODE__NODE_INDEX_STMT:
	case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT:
	case PG_QUERY__NODE__NODE_RULE_STMT:
	case PG_QUERY__NODE__NODE_CREATE_STATS_STMT:
	case PG_QUERY__NODE__NODE_CREATE_POLICY_STMT:
	case PG_QUERY__NODE__NODE_ALTER_POLICY_STMT:
	case PG_QUERY__NODE__NODE_GRANT_STMT:
	case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
		named_ddl(a, node);
		return true;
	default:
		return false;
	}
}
