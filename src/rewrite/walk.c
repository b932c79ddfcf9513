#include "rewrite/walk.h"

#include "rewrite/clauses.h"
#include "rewrite/columns.h"
#include "rewrite/introspection.h"
#include "rewrite/tree.h"

/* ---- WITH ---- */

static void add_cte(struct analysis *a, const PgQuery__CommonTableExpr *query)
{
	struct cte *cte = ARENA_NEW(a->arena, struct cte);
	cte->name = query->ctename;
	cte->query = query;
	cte->next = a->ctes;
	a->ctes = cte;
}

/* A WITH query sees those before it; with RECURSIVE, itself and all others. */
static void walk_with(struct analysis *a, const PgQuery__WithClause *with)
{
	if (!with)
		return;
	for (size_t i = 0; with->recursive && i < with->n_ctes; i++)
		add_cte(a, with->ctes[i]->common_table_expr);
	for (size_t i = 0; i < with->n_ctes; i++) {
		const PgQuery__CommonTableExpr *cte = with->ctes[i]->common_table_expr;
		walk_node(a, cte->ctequery);
		if (cte->cycle_clause)
			walk_children(a, &cte->cycle_clause->base);
		if (!with->recursive)
			add_cte(a, cte);
	}
}

/* ---- FROM ---- */

static void walk_from(struct analysis *a, const PgQuery__Node *item);

static struct range *add_alias(struct analysis *a, const PgQuery__Alias *alias)
{
	if (!alias || !alias->aliasname[0])
		return NULL;
	struct range *range = scope_add(a, alias->aliasname);
	range->aliased = true;
	range->role = RANGE_COMPUTED;
	range->alias = alias;
	return range;
}

/* Without an alias it is called by a name of its own. */
static struct range *add_computed(struct analysis *a, const PgQuery__Alias *alias, const char *name)
{
	struct range *range = add_alias(a, alias);
	if (!range) {
		range = scope_add(a, name);
		range->aliased = true;
		range->role = RANGE_COMPUTED;
	}
	return range;
}

static void add_function(struct analysis *a, const PgQuery__RangeFunction *function)
{
	const PgQuery__Node *first = function->n_functions ? function->functions[0] : NULL;
	const char *name = "";
	if (first && first->node_case == PG_QUERY__NODE__NODE_LIST && first->list->n_items &&
	    first->list->items[0]->node_case == PG_QUERY__NODE__NODE_FUNC_CALL)
		name = tree_last_string(first->list->items[0]->func_call->funcname,
					first->list->items[0]->func_call->n_funcname);
	add_computed(a, function->alias, name)->function = function;
}

/* Shows what its sides have, which are ranges themselves. */
static struct range *add_join_alias(struct analysis *a, const PgQuery__JoinExpr *join, const PgQuery__Alias *alias)
{
	struct range *range = add_alias(a, alias);
	if (range) {
		range->is_join = true;
		range->join = join;
	}
	return range;
}

/* Outside of its parentheses an aliased join is known by the alias alone. */
static void hide_sides(struct range *first, const struct range *alias)
{
	for (struct range *r = first; r && r != alias; r = r->next)
		r->hidden_by = r->hidden_by ? r->hidden_by : alias;
}

/* ON sees the two sides of its join, and no other table of the FROM. */
static void walk_join(struct analysis *a, const PgQuery__JoinExpr *join)
{
	struct range **start = a->level->tail;
	struct window outer = a->window;
	walk_from(a, join->larg);
	walk_from(a, join->rarg);
	a->window = (struct window){ *start, a->level->last };
	scope_note_join(a, join, a->window);
	walk_node(a, join->quals);
	a->window = outer;
	struct range *alias = add_join_alias(a, join, join->alias);
	if (alias)
		hide_sides(*start, alias);
	add_join_alias(a, join, join->join_using_alias);
}

/* Without LATERAL it sees nothing of the FROM it stands in. */
static void walk_subselect(struct analysis *a, const PgQuery__RangeSubselect *item)
{
	struct level *between = scope_enter(a);
	between->hides_outer = !item->lateral;
	walk_node(a, item->subquery);
	scope_leave(a, between);
	struct range *range = add_alias(a, item->alias);
	if (range && item->subquery->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
		range->query = item->subquery->select_stmt;
}

/* TABLESAMPLE method (…) [REPEATABLE (…)], of which the tree tells where the method stands. */
static void note_sample(struct analysis *a, const PgQuery__RangeTableSample *sample, struct range *range)
{
	struct token_name method;
	if (!walk_locate(a, sample->location, &method) || !clause_is_word(a, method.first - 1, "tablesample"))
		return;
	range->sample_first = method.first - 1;
	range->sample_last = clause_close(a, method.last + 1);
	if (clause_is_word(a, range->sample_last + 1, "repeatable"))
		range->sample_last = clause_close(a, range->sample_last + 2);
}

static void walk_from(struct analysis *a, const PgQuery__Node *item)
{
	if (!item)
		return;
	struct window outer = a->window;
	if (item->node_case != PG_QUERY__NODE__NODE_JOIN_EXPR)
		a->window = scope_so_far(a);
	switch (item->node_case) {
	case PG_QUERY__NODE__NODE_RANGE_VAR:
		walk_relation(a, item->range_var, RELATION_READ, a->read_kind);
		break;
	case PG_QUERY__NODE__NODE_JOIN_EXPR:
		walk_join(a, item->join_expr);
		break;
	case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
		walk_from(a, item->range_table_sample->relation);
		note_sample(a, item->range_table_sample, a->level->last);
		walk_nodes(a, item->range_table_sample->args, item->range_table_sample->n_args);
		walk_node(a, item->range_table_sample->repeatable);
		break;
	case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
		walk_subselect(a, item->range_subselect);
		break;
	case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
		a->in_from_function = true;
		walk_children(a, &item->range_function->base);
		a->in_from_function = false;
		add_function(a, item->range_function);
		break;
	case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC:
		walk_children(a, &item->range_table_func->base);
		add_computed(a, item->range_table_func->alias, "xmltable");
		break;
	default:
		walk_node(a, item);
	}
	a->window = outer;
}

static void walk_from_list(struct analysis *a, PgQuery__Node *const *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		walk_from(a, items[i]);
}

/* ---- queries and DML ---- */

static void created_by_query(struct analysis *a, const PgQuery__IntoClause *into);

/* (t).field is labelled by its field, which may be replaced with t. */
static const PgQuery__ColumnRef *row_of_field(const PgQuery__Node *value)
{
	if (!value || value->node_case != PG_QUERY__NODE__NODE_A_INDIRECTION || value->a_indirection->n_indirection != 1 ||
	    !value->a_indirection->arg || value->a_indirection->arg->node_case != PG_QUERY__NODE__NODE_COLUMN_REF ||
	    !tree_string(value->a_indirection->indirection[0]))
		return NULL;
	return value->a_indirection->arg->column_ref;
}

/* The lists of SELECT and RETURNING, whose items may get their labels from columns. */
static void walk_targets(struct analysis *a, PgQuery__Node *const *targets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const PgQuery__ResTarget *target = targets[i]->res_target;
		a->naming = NULL;
		if (!target->name[0])
			columns_label(target->val, &a->naming);
		if (!target->name[0] && !a->naming)
			a->naming = row_of_field(target->val);
		a->naming_item = target->location < 0 ? a->end : token_at(a->tokens, (size_t)target->location);
		enum column_place outer = a->place;
		a->place = COLUMN_IS_TARGET;
		if (target->val && target->val->node_case != PG_QUERY__NODE__NODE_COLUMN_REF)
			a->place = COLUMN_IN_EXPRESSION;
		walk_node(a, target->val);
		a->place = outer;
	}
	a->naming = NULL;
}

/* ORDER BY, DISTINCT ON and GROUP BY: an item that is just a name may mean an output column. */
static void walk_output_items(struct analysis *a, const PgQuery__SelectStmt *select, PgQuery__Node *const *items,
			      size_t count, enum column_place place)
{
	for (size_t i = 0; i < count; i++) {
		const PgQuery__Node *item = items[i];
		if (item && item->node_case == PG_QUERY__NODE__NODE_SORT_BY)
			item = item->sort_by->node;
		if (columns_is_output(select, item)) {
			if (place != COLUMN_IN_GROUP)
				continue;
			a->place = place;
		}
		walk_node(a, item);
		a->place = COLUMN_IN_EXPRESSION;
	}
}

static void walk_row(struct analysis *a, PgQuery__Node *const *values, size_t count);

static void walk_select_body(struct analysis *a, const PgQuery__SelectStmt *select)
{
	if (select->into_clause)
		created_by_query(a, select->into_clause);
	walk_from_list(a, select->from_clause, select->n_from_clause);
	walk_output_items(a, select, select->distinct_clause, select->n_distinct_clause, COLUMN_IN_EXPRESSION);
	walk_targets(a, select->target_list, select->n_target_list);
	walk_node(a, select->where_clause);
	walk_output_items(a, select, select->group_clause, select->n_group_clause, COLUMN_IN_GROUP);
	walk_node(a, select->having_clause);
	walk_nodes(a, select->window_clause, select->n_window_clause);
	for (size_t i = 0; i < select->n_values_lists; i++)
		walk_row(a, select->values_lists[i]->list->items, select->values_lists[i]->list->n_items);
}

void walk_select(struct analysis *a, const PgQuery__SelectStmt *select)
{
	struct cte *outer = a->ctes;
	walk_with(a, select->with_clause);
	struct level *level = scope_enter(a);
	level->query = select;
	if (select->larg)
		walk_select(a, select->larg);
	if (select->rarg)
		walk_select(a, select->rarg);
	walk_select_body(a, select);
	walk_output_items(a, select, select->sort_clause, select->n_sort_clause, COLUMN_IN_EXPRESSION);
	walk_node(a, select->limit_offset);
	walk_node(a, select->limit_count);
	walk_nodes(a, select->locking_clause, select->n_locking_clause);
	scope_leave(a, level);
	a->ctes = outer;
}

struct dml *walk_note_dml(struct analysis *a, const PgQuery__Node *node, struct range *target)
{
	struct dml *dml = ARENA_NEW(a->arena, struct dml);
	dml->node = node;
	dml->target = target;
	dml->level = a->level;
	dml->next = a->dmls;
	a->dmls = dml;
	return dml;
}

/* What is inferred from sees the target alone, DO UPDATE also the row that was not inserted. */
static void walk_on_conflict(struct analysis *a, const PgQuery__OnConflictClause *clause, struct dml *dml)
{
	if (clause->infer) {
		a->place = COLUMN_IN_INFERENCE;
		walk_children(a, &clause->infer->base);
		a->place = COLUMN_IN_EXPRESSION;
	}
	struct level *level = scope_enter(a);
	level->joined = true;
	dml->excluded = scope_add(a, "excluded");
	dml->excluded->aliased = true;
	dml->excluded->role = RANGE_EXCLUDED;
	dml->excluded->shape = dml->target->shape;
	dml->excluded->name = dml->target->name;
	dml->excluded->schema = dml->target->schema;
	dml->excluded->relname = dml->target->relname;
	dml->excluded->use = dml->target->use;
	walk_nodes(a, clause->target_list, clause->n_target_list);
	walk_node(a, clause->where_clause);
	scope_leave(a, level);
}

static void walk_insert(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__InsertStmt *insert = node->insert_stmt;
	struct cte *outer = a->ctes;
	walk_with(a, insert->with_clause);
	struct level *level = scope_enter(a);
	struct dml *dml = walk_note_dml(a, node, walk_relation(a, insert->relation, RELATION_TARGET, USE_INSERT));
	walk_nodes(a, insert->cols, insert->n_cols);
	a->level = level->outer; /* the query cannot see the target */
	walk_node(a, insert->select_stmt);
	a->level = level;
	if (insert->on_conflict_clause)
		walk_on_conflict(a, insert->on_conflict_clause, dml);
	walk_targets(a, insert->returning_list, insert->n_returning_list);
	scope_leave(a, level);
	a->ctes = outer;
}

static void walk_update(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__UpdateStmt *update = node->update_stmt;
	struct cte *outer = a->ctes;
	walk_with(a, update->with_clause);
	struct level *level = scope_enter(a);
	walk_note_dml(a, node, walk_relation(a, update->relation, RELATION_TARGET, USE_UPDATE));
	walk_from_list(a, update->from_clause, update->n_from_clause);
	walk_nodes(a, update->target_list, update->n_target_list);
	walk_node(a, update->where_clause);
	walk_targets(a, update->returning_list, update->n_returning_list);
	scope_leave(a, level);
	a->ctes = outer;
}

static void walk_delete(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__DeleteStmt *delete_stmt = node->delete_stmt;
	struct cte *outer = a->ctes;
	walk_with(a, delete_stmt->with_clause);
	struct level *level = scope_enter(a);
	walk_note_dml(a, node, walk_relation(a, delete_stmt->relation, RELATION_TARGET, USE_DELETE));
	walk_from_list(a, delete_stmt->using_clause, delete_stmt->n_using_clause);
	walk_node(a, delete_stmt->where_clause);
	walk_targets(a, delete_stmt->returning_list, delete_stmt->n_returning_list);
	scope_leave(a, level);
	a->ctes = outer;
}

/* An INSERT of MERGE sees the source alone. */
static void walk_merge_action(struct analysis *a, const PgQuery__MergeWhenClause *action, struct window source)
{
	struct window outer = a->window;
	walk_node(a, action->condition);
	walk_nodes(a, action->target_list, action->n_target_list);
	a->window = source;
	walk_nodes(a, action->values, action->n_values);
	a->window = outer;
}

static void walk_merge(struct analysis *a, const PgQuery__Node *node)
{
	const PgQuery__MergeStmt *merge = node->merge_stmt;
	struct cte *outer = a->ctes;
	walk_with(a, merge->with_clause);
	struct level *level = scope_enter(a);
	level->names_once = true;
	walk_note_dml(a, node, walk_relation(a, merge->relation, RELATION_TARGET, USE_MERGE));
	struct range **source = level->tail;
	walk_from(a, merge->source_relation);
	struct window seen = { *source, level->last };
	walk_node(a, merge->join_condition);
	for (size_t i = 0; i < merge->n_merge_when_clauses; i++)
		walk_merge_action(a, merge->merge_when_clauses[i]->merge_when_clause, seen);
	scope_leave(a, level);
	a->ctes = outer;
}

static void created_by_query(struct analysis *a, const PgQuery__IntoClause *into)
{
	if (!into->rel)
		return;
	if (resolve_creates_temporary(a, into->rel)) {
		analysis_effect(a, (struct effect){ .kind = EFFECT_TEMP_CREATE,
						    .name = into->rel->relname,
						    .local = into->on_commit ==
							     PG_QUERY__ON_COMMIT_ACTION__ONCOMMIT_DROP });
		return;
	}
	a->changes_catalog = true;
	walk_relation(a, into->rel, RELATION_CREATED, USE_DDL);
}

/* ---- expressions ---- */

/* The name before a column's, as far as it is one. */
static struct qualifier *note_qualifier(struct analysis *a, const PgQuery__ColumnRef *ref, size_t first)
{
	const char *parts[3];
	if (ref->n_fields < 2 || ref->n_fields > 4)
		return NULL;
	for (size_t i = 0; i + 1 < ref->n_fields; i++) {
		parts[i] = tree_string(ref->fields[i]);
		if (!parts[i])
			return NULL;
	}
	return scope_note_qualifier(a, parts, ref->n_fields - 1, first);
}

static struct column_use *walk_column_ref(struct analysis *a, const PgQuery__ColumnRef *ref)
{
	size_t first = ref->location < 0 ? a->end : token_at(a->tokens, (size_t)ref->location);
	size_t last = first + 2 * (ref->n_fields - 1);
	if (first < a->first || ref->n_fields == 0 || last >= a->end)
		return NULL;
	struct column_use *use = ARENA_NEW(a->arena, struct column_use);
	use->level = a->level;
	use->window = a->window;
	use->ref = ref;
	use->first = first;
	use->last = last;
	use->place = a->place;
	use->names_output = ref == a->naming;
	use->item = a->naming_item;
	use->qualifier = note_qualifier(a, ref, first);
	*a->columns_tail = use;
	a->columns_tail = &use->next;
	return use;
}

/* (t).field: the row of a table that is written has other fields where it is. */
static void walk_field(struct analysis *a, const PgQuery__AIndirection *indirection)
{
	const char *field = tree_string(indirection->indirection[0]);
	struct column_use *use = walk_column_ref(a, indirection->arg->column_ref);
	if (!use || !field)
		return;
	use->field_first = use->first;
	use->field_last = use->last + 1;
	while (use->field_first > a->first && clause_is_mark(a, use->field_first - 1, "(") && clause_is_mark(a, use->field_last, ")")) {
		use->field_first--;
		use->field_last++;
	}
	if (clause_is_mark(a, use->field_last, ".") && use->field_first < use->first)
		use->field = field;
	use->field_last++;
}

static void walk_indirection(struct analysis *a, const PgQuery__AIndirection *indirection)
{
	if (!indirection->n_indirection || !indirection->arg ||
	    indirection->arg->node_case != PG_QUERY__NODE__NODE_COLUMN_REF) {
		walk_children(a, &indirection->base);
		return;
	}
	walk_field(a, indirection);
	walk_nodes(a, indirection->indirection, indirection->n_indirection);
}

/* A star among them stands for several values. */
static void walk_row(struct analysis *a, PgQuery__Node *const *values, size_t count)
{
	enum column_place outer = a->place;
	for (size_t i = 0; i < count; i++) {
		bool is_column = values[i]->node_case == PG_QUERY__NODE__NODE_COLUMN_REF;
		a->place = is_column ? COLUMN_IN_ROW : COLUMN_IN_EXPRESSION;
		walk_node(a, values[i]);
	}
	a->place = outer;
}

/* FOR UPDATE OF t means the table as FROM calls it, not a relation. */
static void walk_locking(struct analysis *a, const PgQuery__LockingClause *locking)
{
	for (size_t i = 0; i < locking->n_locked_rels; i++) {
		const PgQuery__RangeVar *relation = locking->locked_rels[i]->range_var;
		const char *parts[1] = { relation->relname };
		struct token_name where;
		if (walk_locate(a, relation->location, &where) && where.count == 1)
			scope_note_qualifier(a, parts, 1, where.first)->locks = true;
	}
}

/* Base types that are found before any table of the same name. */
bool walk_is_builtin_type(const char *name)
{
	static const char *const names[] = {
		"abstime", "aclitem", "bit", "bool", "box", "bpchar", "bytea", "char", "cid", "cidr", "circle",
		"date", "float4", "float8", "inet", "int2", "int4", "int8", "interval", "json", "jsonb",
		"jsonpath", "line", "lseg", "macaddr", "macaddr8", "money", "name", "numeric", "oid", "path",
		"pg_lsn", "point", "polygon", "record", "refcursor", "regclass", "regproc", "regtype", "text",
		"tid", "time", "timestamp", "timestamptz", "timetz", "tsquery", "tsvector", "uuid", "varbit",
		"varchar", "void", "xid", "xid8", "xml",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Row types bear the names of their tables: casts, SETOF, t.c%TYPE. */
void walk_type(struct analysis *a, const PgQuery__TypeName *type)
{
	walk_nodes(a, type->typmods, type->n_typmods);
	size_t parts = type->n_names - (type->pct_type && type->n_names ? 1 : 0);
	if (parts == 0 || parts > 3)
		return;
	const char *name = tree_string(type->names[parts - 1]);
	if (!name || !ruleset_mentions(a->ruleset, name, strlen(name)) || (parts == 1 && walk_is_builtin_type(name)))
		return;
	struct token_name where;
	if (!walk_locate(a, type->location, &where))
		return;
	if (clause_is_word(a, where.first, "setof") && where.count == 1 && !walk_token_name(a, where.first + 1, &where))
		return;
	if (where.count >= parts && strcmp(where.parts[parts - 1], name) == 0)
		walk_named_tokens(a, &where, parts, a->name_kind);
}

/* xmlforest(c) and xmlattributes(c) show how the column is called. */
static void walk_xml(struct analysis *a, const PgQuery__XmlExpr *xml)
{
	const PgQuery__ColumnRef *naming = a->naming;
	size_t item = a->naming_item;
	for (size_t i = 0; i < xml->n_named_args; i++) {
		const PgQuery__ResTarget *target = xml->named_args[i]->res_target;
		bool names = !target->name[0] && target->location >= 0 && target->val &&
			     target->val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF;
		a->naming = names ? target->val->column_ref : NULL;
		a->naming_item = names ? token_at(a->tokens, (size_t)target->location) : a->end;
		walk_node(a, target->val);
	}
	a->naming = naming;
	a->naming_item = item;
	walk_nodes(a, xml->args, xml->n_args);
}

static void walk_call(struct analysis *a, const PgQuery__FuncCall *call)
{
	walk_children(a, &call->base);
	strings_call(a, call);
	bodies_call(a, call);
	introspection_call(a, call);
	effects_call(a, call);
}

/* ---- all nodes ---- */

static void walk_direct(void *context, const ProtobufCMessage *message)
{
	struct analysis *a = context;
	const ProtobufCMessageDescriptor *type = message->descriptor;
	if (type == &pg_query__node__descriptor)
		walk_node(a, (const PgQuery__Node *)message);
	else if (type == &pg_query__range_var__descriptor)
		walk_relation(a, (const PgQuery__RangeVar *)message, RELATION_NAMED, a->name_kind);
	else if (type == &pg_query__select_stmt__descriptor)
		walk_select(a, (const PgQuery__SelectStmt *)message);
	else if (type == &pg_query__type_name__descriptor)
		walk_type(a, (const PgQuery__TypeName *)message);
	else if (type == &pg_query__func_call__descriptor)
		walk_call(a, (const PgQuery__FuncCall *)message);
	else if (type == &pg_query__into_clause__descriptor)
		created_by_query(a, (const PgQuery__IntoClause *)message);
	else
		walk_children(a, message);
}

void walk_children(struct analysis *a, const ProtobufCMessage *message)
{
	tree_each_child(message, walk_direct, a);
}

void walk_nodes(struct analysis *a, PgQuery__Node *const *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		walk_node(a, nodes[i]);
}

void walk_node(struct analysis *a, const PgQuery__Node *node)
{
	const ProtobufCMessage *message = node ? tree_unwrap(node) : NULL;
	if (!message)
		return;
	switch (node->node_case) {
	case PG_QUERY__NODE__NODE_SELECT_STMT:
		walk_select(a, node->select_stmt);
		break;
	case PG_QUERY__NODE__NODE_INSERT_STMT:
		walk_insert(a, node);
		break;
	case PG_QUERY__NODE__NODE_UPDATE_STMT:
		walk_update(a, node);
		break;
	case PG_QUERY__NODE__NODE_DELETE_STMT:
		walk_delete(a, node);
		break;
	case PG_QUERY__NODE__NODE_MERGE_STMT:
		walk_merge(a, node);
		break;
	case PG_QUERY__NODE__NODE_COLUMN_REF:
		walk_column_ref(a, node->column_ref);
		break;
	case PG_QUERY__NODE__NODE_A_INDIRECTION:
		walk_indirection(a, node->a_indirection);
		break;
	case PG_QUERY__NODE__NODE_ROW_EXPR:
		walk_row(a, node->row_expr->args, node->row_expr->n_args);
		break;
	case PG_QUERY__NODE__NODE_LOCKING_CLAUSE:
		walk_locking(a, node->locking_clause);
		break;
	case PG_QUERY__NODE__NODE_FUNC_CALL:
		walk_call(a, node->func_call);
		break;
	case PG_QUERY__NODE__NODE_XML_EXPR:
		walk_xml(a, node->xml_expr);
		break;
	case PG_QUERY__NODE__NODE_TYPE_CAST:
		walk_children(a, message);
		strings_cast(a, node->type_cast);
		break;
	case PG_QUERY__NODE__NODE_A_EXPR:
		walk_children(a, message);
		strings_compare(a, node->a_expr);
		break;
	case PG_QUERY__NODE__NODE_COALESCE_EXPR:
		walk_children(a, message);
		strings_alternatives(a, node->coalesce_expr->args, node->coalesce_expr->n_args);
		break;
	case PG_QUERY__NODE__NODE_STRING:
	case PG_QUERY__NODE__NODE_A_CONST:
		break;
	default:
		if (!walk_ddl(a, node))
			walk_direct(a, message);
	}
}
