/* Statements that name relations outside of FROM: DDL, maintenance, COPY, and what only contains another statement. */
#include "rewrite/clauses.h"
#include "rewrite/dml.h"
#include "rewrite/tree.h"
#include "rewrite/used_columns.h"
#include "rewrite/walk_ddl.h"

bool ddl_is_relation_type(PgQuery__ObjectType type)
{
	return type == OBJECT(TABLE) || type == OBJECT(VIEW) || type == OBJECT(MATVIEW) ||
	       type == OBJECT(FOREIGN_TABLE) || type == OBJECT(INDEX) || type == OBJECT(SEQUENCE);
}

/* ---- refusals ---- */

void ddl_refuse(struct analysis *a, const struct ruleset_name *name, size_t offset, const char *action)
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
	return clause_offset(a, range && range->last ? range->first : a->first);
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

static void create_table(struct analysis *a, const PgQuery__CreateStmt *create)
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

static void on_create_table(struct analysis *a, const PgQuery__Node *node)
{
	create_table(a, node->create_stmt);
}

static void on_create_foreign_table(struct analysis *a, const PgQuery__Node *node)
{
	create_table(a, node->create_foreign_table_stmt->base_stmt);
}

/* A view in the place of a mapped name would hide the table from crossfade and from the cutover. */
static struct range *create_view_name(struct analysis *a, const PgQuery__RangeVar *view)
{
	a->changes_catalog = true;
	struct range *range = walk_relation(a, view, RELATION_CREATED, USE_DDL);
	ddl_refuse(a, name_of(range), range_offset(a, range), "CREATE VIEW in place");
	return range;
}

/* The WITH query that CREATE RECURSIVE VIEW stands for bears the view's name, which is to change:
 * then it is written out, as the server does. False: there is nothing to do. */
static bool is_recursive_elsewhere(const PgQuery__ViewStmt *view, const struct range *range)
{
	const PgQuery__SelectStmt *select =
		view->query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT ? view->query->select_stmt : NULL;
	const PgQuery__WithClause *with = select ? select->with_clause : NULL;
	return range && range->changes && range->last && with && with->recursive && with->n_ctes == 1 &&
	       strcmp(with->ctes[0]->common_table_expr->ctename, range->name->written.name) == 0 &&
	       strcmp(range->name->physical.name, range->name->written.name) != 0;
}

static void splice_recursive(struct analysis *a, const struct range *range)
{
	size_t word = clause_find_word(a, a->first, range->first, "recursive");
	size_t open = range->last + 1, close = clause_close(a, open);
	size_t as = clause_find_word(a, close, a->end - 1, "as");
	if (word >= range->first || !clause_is_mark(a, open, "(") || close >= a->end || as + 1 >= a->end)
		return; /* a view whose own query is recursive */
	struct buf text;
	buf_init(&text);
	name_append_quoted(&text, range->name->written.name);
	char *name = arena_copy(a->arena, text.data, text.len);
	buf_deinit(&text);
	size_t list = clause_end_offset(a, open);
	int list_len = (int)(clause_offset(a, close) - list);
	const char *columns = a->text.data + list;
	splice_add(a->splices, clause_offset(a, word), clause_offset(a, word + 1) - clause_offset(a, word),
		   slice_of("", 0));
	splice_add(a->splices, clause_offset(a, as + 1), 0,
		   slice_str(arena_printf(a->arena, "WITH RECURSIVE %s (%.*s) AS (", name, list_len, columns)));
	splice_add(a->splices, clause_end_offset(a, a->end - 1), 0,
		   slice_str(arena_printf(a->arena, ") SELECT %.*s FROM %s", list_len, columns, name)));
}

static void on_create_view(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__ViewStmt *view = node->view_stmt;
	a->read_kind = USE_DDL;
	if (!created_temporary(a, view->view, false)) {
		const struct range *range = create_view_name(a, view->view);
		if (is_recursive_elsewhere(view, range))
			splice_recursive(a, range);
	}
	walk_node(a, view->query);
}

static void on_create_as(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__CreateTableAsStmt *create = node->create_table_as_stmt;
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

static void on_create_sequence(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__CreateSeqStmt *create = node->create_seq_stmt;
	if (!created_temporary(a, create->sequence, false)) {
		a->changes_catalog = true;
		walk_relation(a, create->sequence, RELATION_CREATED, USE_DDL);
	}
	objects_owned_by(a);
}

static void on_alter_sequence(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__AlterSeqStmt *alter = node->alter_seq_stmt;
	walk_relation(a, alter->sequence, RELATION_NAMED, USE_DDL);
	objects_owned_by(a);
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

static void on_create_schema(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__CreateSchemaStmt *create = node->create_schema_stmt;
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

static void on_create_function(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__CreateFunctionStmt *create = node->create_function_stmt;
	a->changes_catalog = true;
	a->read_kind = USE_DDL;
	walk_nodes(a, create->parameters, create->n_parameters);
	if (create->return_type)
		walk_type(a, create->return_type);
	walk_node(a, create->sql_body);
	bodies_scan(a);
}

/* ---- ALTER ---- */

static void rename_temporary(struct analysis *a, const PgQuery__RangeVar *relation, const char *new_name)
{
	bool may_be_temp = !relation->schemaname[0] || strcmp(relation->schemaname, "pg_temp") == 0;
	if (!may_be_temp || !session_state_has_temp(a->state, relation->relname))
		return;
	analysis_effect(a, (struct effect){ .kind = EFFECT_TEMP_DROP, .name = relation->relname });
	analysis_effect(a, (struct effect){ .kind = EFFECT_TEMP_CREATE, .name = new_name });
}

static void on_rename(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__RenameStmt *rename = node->rename_stmt;
	a->changes_catalog = true;
	if (rename->rename_type == OBJECT(SCHEMA) && !ddl_refuse_schema(a, rename->subname, a->first + 2, "ALTER SCHEMA"))
		resolve_note_schema_renamed(a, rename->subname, rename->newname);
	struct range *range = walk_relation(a, rename->relation, RELATION_NAMED, USE_DDL);
	if (rename->relation && ddl_is_relation_type(rename->rename_type))
		rename_temporary(a, rename->relation, rename->newname);
	bool changes_table = ddl_is_relation_type(rename->rename_type) || rename->rename_type == OBJECT(COLUMN);
	if (changes_table && name_of(range) && range->name->kind == NAME_TABLE)
		ddl_refuse(a, range->name, range_offset(a, range), "RENAME");
	if (rename->relation && ddl_is_relation_type(rename->rename_type) && !name_of(range))
		resolve_note_moved(a, resolve_written(rename->relation), NULL, rename->newname);
	walk_node(a, rename->object);
}

static void on_set_schema(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__AlterObjectSchemaStmt *alter = node->alter_object_schema_stmt;
	a->changes_catalog = true;
	struct range *range = walk_relation(a, alter->relation, RELATION_NAMED, USE_DDL);
	if (name_of(range) && range->name->kind == NAME_TABLE)
		ddl_refuse(a, range->name, range_offset(a, range), "SET SCHEMA");
	if (alter->relation && !name_of(range))
		resolve_note_moved(a, resolve_written(alter->relation), alter->newschema, NULL);
	walk_node(a, alter->object);
}

/* ---- data and maintenance ---- */

static void on_copy(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__CopyStmt *copy = node->copy_stmt;
	enum use_kind kind = copy->is_from ? USE_COPY_IN : USE_COPY_OUT;
	a->read_kind = kind;
	struct range *range = walk_relation(a, copy->relation, RELATION_NAMED, kind);
	if (range)
		used_columns_copy(a, copy, range);
	if (range)
		copy_splice(a, node, range);
	walk_node(a, copy->query);
	bool by_name = range && range->shape;
	a->place = by_name ? COLUMN_IN_INFERENCE : a->place;
	walk_node(a, copy->where_clause);
	a->place = COLUMN_IN_EXPRESSION;
}

static void named(struct analysis *a, const PgQuery__Node *node, enum use_kind kind)
{
	a->name_kind = kind;
	walk_children(a, tree_unwrap(node));
	a->name_kind = USE_DDL;
}

static void on_truncate(struct analysis *a, const PgQuery__Node *node)
{
	named(a, node, USE_TRUNCATE);
}

static void on_lock(struct analysis *a, const PgQuery__Node *node)
{
	named(a, node, USE_LOCK);
}

static void on_maintenance(struct analysis *a, const PgQuery__Node *node)
{
	named(a, node, USE_MAINTENANCE);
}

static void on_other_ddl(struct analysis *a, const PgQuery__Node *node)
{
	a->changes_catalog = true;
	a->read_kind = USE_DDL;
	named(a, node, USE_DDL);
}

/* Its tables are those of another server. */
static void on_import(struct analysis *a, const PgQuery__Node *node)
{
	a->changes_catalog = true;
}

static void on_do(struct analysis *a, const PgQuery__Node *node)
{
	bodies_scan(a);
	a->changes_catalog = bodies_change_catalog(a);
}

static void on_set_constraints(struct analysis *a, const PgQuery__Node *node)
{
	constraints_set(a, node->constraints_set_stmt);
}

static void on_prepare(struct analysis *a, const PgQuery__Node *node)
{
	strings_prepare(a, node->prepare_stmt);
}

static void on_execute(struct analysis *a, const PgQuery__Node *node)
{
	strings_execute(a, node->execute_stmt);
}

static void on_constraint(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__Constraint *constraint = node->constraint;
	if (constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN)
		alter_references(a, constraint);
	else
		walk_children(a, &constraint->base);
}

#define HANDLER(name) [PG_QUERY__NODE__NODE_##name##_STMT]
static void (*const handlers[])(struct analysis *a, const PgQuery__Node *node) = {
	HANDLER(TRUNCATE) = on_truncate,
	HANDLER(LOCK) = on_lock,
	HANDLER(VACUUM) = alter_vacuum,
	HANDLER(CLUSTER) = on_maintenance,
	HANDLER(REINDEX) = on_maintenance,
	HANDLER(REFRESH_MAT_VIEW) = on_maintenance,
	HANDLER(COPY) = on_copy,
	HANDLER(PREPARE) = on_prepare,
	HANDLER(EXECUTE) = on_execute,
	HANDLER(DO) = on_do,
	HANDLER(CONSTRAINTS_SET) = on_set_constraints,
	HANDLER(DROP) = objects_drop,
	HANDLER(COMMENT) = objects_comment,
	HANDLER(SEC_LABEL) = objects_security_label,
	HANDLER(ALTER_EXTENSION_CONTENTS) = objects_extension_contents,
	HANDLER(CREATE) = on_create_table,
	HANDLER(CREATE_FOREIGN_TABLE) = on_create_foreign_table,
	HANDLER(VIEW) = on_create_view,
	HANDLER(CREATE_TABLE_AS) = on_create_as,
	HANDLER(CREATE_SEQ) = on_create_sequence,
	HANDLER(CREATE_SCHEMA) = on_create_schema,
	HANDLER(CREATE_FUNCTION) = on_create_function,
	HANDLER(ALTER_SEQ) = on_alter_sequence,
	HANDLER(ALTER_TABLE) = alter_table,
	HANDLER(RENAME) = on_rename,
	HANDLER(ALTER_OBJECT_SCHEMA) = on_set_schema,
	HANDLER(IMPORT_FOREIGN_SCHEMA) = on_import,
	HANDLER(INDEX) = alter_create_index,
	HANDLER(CREATE_TRIG) = on_other_ddl,
	HANDLER(RULE) = on_other_ddl,
	HANDLER(CREATE_STATS) = on_other_ddl,
	HANDLER(CREATE_POLICY) = on_other_ddl,
	HANDLER(ALTER_POLICY) = on_other_ddl,
	HANDLER(GRANT) = objects_grant,
	HANDLER(COMPOSITE_TYPE) = on_other_ddl,
	[PG_QUERY__NODE__NODE_CONSTRAINT] = on_constraint,
	[PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE] = like_clause,
};

bool walk_ddl(struct analysis *a, const PgQuery__Node *node)
{
	size_t kind = (size_t)node->node_case;
	if (kind >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[kind])
		return false;
	handlers[kind](a, node);
	return true;
}
