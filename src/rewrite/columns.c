#include "rewrite/columns.h"

#include "rewrite/tree.h"

enum { COLUMN_WORK_MAX = 20 * 1000 * 1000 };

/* ---- the columns of a range ---- */

void columns_add(struct analysis *a, struct column_names *columns, const char *name)
{
	if (columns->count == columns->capacity) {
		columns->capacity = columns->capacity ? columns->capacity * 2 : 8;
		const char **grown = ARENA_ARRAY(a->arena, columns->capacity, const char *);
		if (columns->count)
			memcpy(grown, columns->names, columns->count * sizeof(*grown));
		columns->names = grown;
	}
	columns->names[columns->count++] = name;
}

static void add_all(struct analysis *a, struct column_names *columns, const struct column_names *more)
{
	for (size_t i = 0; i < more->count; i++)
		columns_add(a, columns, more->names[i]);
	columns->complete = columns->complete && more->complete;
}

static void add_fact_columns(struct analysis *a, struct column_names *columns, const struct fact_relation *relation)
{
	columns->complete = relation && relation->column_count;
	for (size_t i = 0; relation && i < relation->column_count; i++)
		columns_add(a, columns, relation->columns[i].name);
}

/* NULL: no such relation, or nobody knows. */
static const struct fact_relation *find_relation(const struct analysis *a, const struct range *range)
{
	const struct facts *facts = a->ruleset->facts;
	if (!facts)
		return NULL;
	if (range->schema)
		return facts_find(facts, range->schema, range->relname);
	const struct name_list *path = session_state_search_path(a->state);
	if (!path || session_state_has_temp(a->state, range->relname) || strncmp(range->relname, "pg_", 3) == 0)
		return NULL;
	for (size_t i = 0; i < path->count; i++) {
		const char *schema = path->names[i];
		if (strcmp(schema, "$user") == 0)
			schema = session_state_user(a->state);
		if (!schema || !facts_may_use(facts, session_state_user(a->state), schema))
			continue;
		const struct fact_relation *found = facts_find(facts, schema, range->relname);
		if (found)
			return found;
	}
	return NULL;
}

static void add_relation(struct analysis *a, struct column_names *columns, const struct range *range)
{
	if (range->shape) {
		for (size_t i = 0; i < range->shape->written_count; i++)
			columns_add(a, columns, range->shape->written[i].name);
		columns->complete = true;
	} else if (range->name) {
		add_fact_columns(a, columns, range->name->entry->relation[range->name->entry->physical]);
	} else {
		a->depends_on_state = true;
		add_fact_columns(a, columns, find_relation(a, range));
	}
}

static struct level *level_of(const struct analysis *a, const PgQuery__SelectStmt *query)
{
	for (struct level *level = a->levels; level; level = level->next) {
		if (level->query == query)
			return level;
	}
	return NULL;
}

/* Where the text does not name the schema it is not worked out, but for mapped tables. */
static bool is_of_schema(const struct range *range, const char *schema)
{
	const char *own = range->name ? range->name->written.schema : range->schema;
	return own && strcmp(own, schema) == 0;
}

static bool is_in(const struct range *range, struct window window)
{
	for (const struct range *r = window.first; r; r = r == window.last ? NULL : r->next) {
		if (r == range)
			return true;
	}
	return false;
}

bool columns_is_hidden(const struct range *range, struct window window)
{
	return range->hidden_by && (!window.first || is_in(range->hidden_by, window));
}

bool columns_hides(const struct range *join, const struct range *range)
{
	const struct range *by = range->hidden_by;
	while (by && by != join)
		by = by->hidden_by;
	return by != NULL;
}

static struct range *range_named(const struct level *level, struct window window, const char *name)
{
	struct range *found = NULL;
	for (struct range *r = columns_first(level, window); r; r = columns_next(r, window)) {
		if (strcmp(r->refname, name) != 0 || columns_is_hidden(r, window))
			continue;
		if (found)
			return NULL;
		found = r;
	}
	return found;
}

/* t.*, schema.t.* and database.schema.t.* */
static void add_star_of(struct analysis *a, struct column_names *columns, const struct level *level,
			const PgQuery__ColumnRef *ref)
{
	const char *schema = ref->n_fields >= 3 ? tree_string(ref->fields[ref->n_fields - 3]) : NULL;
	const char *name = tree_string(ref->fields[ref->n_fields - 2]);
	struct range *range = NULL;
	if (name && ref->n_fields == 2)
		range = range_named(level, (struct window){ NULL, NULL }, name);
	for (struct range *r = level->ranges; schema && name && r; r = r->next) {
		if (r->is_relation && !r->aliased && !r->hidden_by && strcmp(r->refname, name) == 0 &&
		    is_of_schema(r, schema))
			range = r;
	}
	if (range)
		add_all(a, columns, columns_of(a, range));
	columns->complete = columns->complete && range;
}

/* Columns that USING merged are named twice here: good for asking whether a name is there. */
static void add_star(struct analysis *a, struct column_names *columns, const struct level *level,
		     const PgQuery__ColumnRef *ref)
{
	if (!level) {
		columns->complete = false;
		return;
	}
	if (ref->n_fields > 1) {
		add_star_of(a, columns, level, ref);
		return;
	}
	for (struct range *r = level->ranges; r; r = r->next) {
		if (r->role != RANGE_OTHER && !r->hidden_by)
			add_all(a, columns, columns_of(a, r));
	}
}

/* What an alias over a join shows: the columns of its sides. USING puts those that it merges first. */
static void add_join(struct analysis *a, struct column_names *columns, const struct level *level, const struct range *join)
{
	bool merges = join->join->is_natural || join->join->n_using_clause;
	columns->complete = !(merges && join->alias->n_colnames);
	for (struct range *r = level->ranges; r && r != join; r = r->next) {
		if (r->hidden_by == join)
			add_all(a, columns, columns_of(a, r));
	}
}

bool columns_ref_is_star(const PgQuery__ColumnRef *ref)
{
	return ref->n_fields && ref->fields[ref->n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR;
}

/* Expressions that the server calls "?column?"; other labels of its own are not worked out here. */
static bool is_unlabelled(const PgQuery__Node *node)
{
	switch (node ? node->node_case : PG_QUERY__NODE__NODE__NOT_SET) {
	case PG_QUERY__NODE__NODE_COLUMN_REF: /* a star */
	case PG_QUERY__NODE__NODE_A_CONST:
	case PG_QUERY__NODE__NODE_A_EXPR:
	case PG_QUERY__NODE__NODE_BOOL_EXPR:
	case PG_QUERY__NODE__NODE_NULL_TEST:
	case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
	case PG_QUERY__NODE__NODE_PARAM_REF:
		return true;
	default:
		return false;
	}
}

static void add_targets(struct analysis *a, struct column_names *columns, const struct level *level,
			PgQuery__Node *const *targets, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const PgQuery__Node *value = targets[i]->res_target->val;
		const char *label = columns_target_label(targets[i]);
		if (value && value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && columns_ref_is_star(value->column_ref))
			add_star(a, columns, level, value->column_ref);
		else
			columns_add(a, columns, label ? label : "?column?");
		columns->complete = columns->complete && (label || is_unlabelled(value));
	}
}

static void add_query(struct analysis *a, struct column_names *columns, const PgQuery__SelectStmt *query)
{
	while (query->larg)
		query = query->larg;
	columns->complete = true;
	if (!query->n_values_lists) {
		add_targets(a, columns, level_of(a, query), query->target_list, query->n_target_list);
		return;
	}
	const PgQuery__Node *row = query->values_lists[0];
	for (size_t i = 0; row->node_case == PG_QUERY__NODE__NODE_LIST && i < row->list->n_items; i++)
		columns_add(a, columns, arena_printf(a->arena, "column%zu", i + 1));
}

/* What the RETURNING of a WITH query gives. */
static void add_returning(struct analysis *a, struct column_names *columns, const PgQuery__Node *node)
{
	const struct dml *dml = a->dmls;
	while (dml && dml->node != node)
		dml = dml->next;
	if (!dml)
		return;
	columns->complete = true;
	if (node->node_case == PG_QUERY__NODE__NODE_INSERT_STMT)
		add_targets(a, columns, dml->level, node->insert_stmt->returning_list, node->insert_stmt->n_returning_list);
	else if (node->node_case == PG_QUERY__NODE__NODE_UPDATE_STMT)
		add_targets(a, columns, dml->level, node->update_stmt->returning_list, node->update_stmt->n_returning_list);
	else if (node->node_case == PG_QUERY__NODE__NODE_DELETE_STMT)
		add_targets(a, columns, dml->level, node->delete_stmt->returning_list, node->delete_stmt->n_returning_list);
	else
		columns->complete = false;
}

static void add_cte(struct analysis *a, struct column_names *columns, const struct cte *cte)
{
	const PgQuery__CommonTableExpr *query = cte->query;
	if (!query || !query->ctequery || query->search_clause || query->cycle_clause)
		return;
	const PgQuery__Node *node = query->ctequery;
	if (node->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
		add_query(a, columns, node->select_stmt);
	else
		add_returning(a, columns, node);
	for (size_t i = 0; i < query->n_aliascolnames && i < columns->count; i++) {
		const char *name = tree_string(query->aliascolnames[i]);
		if (name)
			columns->names[i] = name;
	}
}

/* f(…) AS x(a integer, b text) */
static void add_defined(struct analysis *a, struct column_names *columns, const PgQuery__RangeFunction *function)
{
	for (size_t i = 0; i < function->n_coldeflist; i++)
		columns_add(a, columns, function->coldeflist[i]->column_def->colname);
	if (function->ordinality)
		columns_add(a, columns, "ordinality");
	columns->complete = true;
}

static bool yields_pairs(const char *function)
{
	static const char *const names[] = { "json_each", "jsonb_each", "json_each_text", "jsonb_each_text" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(function, names[i]) == 0)
			return true;
	}
	return false;
}

/* The server's own functions that yield one column; its name is the alias', or theirs. */
static void add_function(struct analysis *a, struct column_names *columns, const struct range *range)
{
	static const char *const names[] = { "generate_series", "generate_subscripts", "regexp_split_to_table",
					     "string_to_table", "json_array_elements", "jsonb_array_elements",
					     "json_array_elements_text", "jsonb_array_elements_text",
					     "json_object_keys", "jsonb_object_keys", "regexp_matches" };
	const PgQuery__RangeFunction *function = range->function;
	const PgQuery__Node *first = function->n_functions == 1 ? function->functions[0] : NULL;
	if (first && function->n_coldeflist) {
		add_defined(a, columns, function);
		return;
	}
	if (!first || first->node_case != PG_QUERY__NODE__NODE_LIST ||
	    first->list->n_items == 0 || first->list->items[0]->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
		return;
	const PgQuery__FuncCall *call = first->list->items[0]->func_call;
	if (call->n_funcname == 1 && yields_pairs(tree_last_string(call->funcname, 1))) {
		columns_add(a, columns, "key");
		columns_add(a, columns, "value");
		if (function->ordinality)
			columns_add(a, columns, "ordinality");
		columns->complete = true;
	}
	for (size_t i = 0; call->n_funcname == 1 && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(tree_last_string(call->funcname, 1), names[i]) != 0)
			continue;
		columns_add(a, columns, range->refname);
		if (function->ordinality)
			columns_add(a, columns, "ordinality");
		columns->complete = true;
	}
}

/* `AS t(a, b)` renames the first columns. */
static void apply_alias(struct analysis *a, struct column_names *columns, const PgQuery__Alias *alias)
{
	for (size_t i = 0; alias && i < alias->n_colnames; i++) {
		const char *name = tree_string(alias->colnames[i]);
		if (!name)
			continue;
		if (i < columns->count)
			columns->names[i] = name;
		else
			columns_add(a, columns, name);
	}
}

const struct column_names *columns_of(struct analysis *a, struct range *range)
{
	static const struct column_names unknown;
	if (range->columns)
		return range->columns;
	if (range->columns_asked)
		return &unknown; /* a recursive WITH query asks for itself */
	range->columns_asked = true;
	struct column_names *columns = ARENA_NEW(a->arena, struct column_names);
	if (range->query)
		add_query(a, columns, range->query);
	else if (range->function)
		add_function(a, columns, range);
	else if (range->cte)
		add_cte(a, columns, range->cte);
	else if (range->is_join)
		add_join(a, columns, range->level, range);
	else if (range->relname || range->role == RANGE_EXCLUDED)
		add_relation(a, columns, range);
	apply_alias(a, columns, range->alias);
	range->columns = columns;
	return columns;
}

bool columns_count(struct analysis *a, const PgQuery__SelectStmt *query, size_t *count_out)
{
	struct column_names columns = { 0 };
	while (query->larg)
		query = query->larg;
	struct level *level = level_of(a, query);
	for (size_t i = 0; i < query->n_target_list; i++) {
		const PgQuery__Node *value = query->target_list[i]->res_target->val;
		bool star = value && value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && columns_ref_is_star(value->column_ref);
		if (star && (!level || level->joins))
			return false;
	}
	add_query(a, &columns, query);
	bool by_star = false;
	for (size_t i = 0; i < query->n_target_list; i++)
		by_star = by_star || (query->target_list[i]->res_target->val->node_case ==
					      PG_QUERY__NODE__NODE_COLUMN_REF &&
				      columns_ref_is_star(query->target_list[i]->res_target->val->column_ref));
	if (by_star && !columns.complete)
		return false;
	*count_out = columns.count;
	return true;
}

/* ---- what a reference means ---- */

struct range *columns_first(const struct level *level, struct window window)
{
	struct range *range = window.first ? (struct range *)window.first : level->ranges;
	while (range && range->role == RANGE_OTHER)
		range = columns_next(range, window);
	return range;
}

struct range *columns_next(const struct range *range, struct window window)
{
	do {
		if (range == window.last)
			return NULL;
		range = range->next;
	} while (range && range->role == RANGE_OTHER);
	return (struct range *)range;
}

static bool has(const struct column_names *columns, const char *name)
{
	for (size_t i = 0; i < columns->count; i++) {
		if (strcmp(columns->names[i], name) == 0)
			return true;
	}
	return false;
}

struct tally {
	size_t yes, maybe;
	struct range *range, *target, *capture;
};

static void count_level(struct analysis *a, const struct level *level, struct window window, const char *name,
			struct tally *tally)
{
	for (struct range *r = columns_first(level, window); r; r = columns_next(r, window)) {
		if (columns_is_hidden(r, window))
			continue;
		const struct column_names *columns = columns_of(a, r);
		a->column_work += columns->count + 1;
		bool yes = has(columns, name), target = r->role == RANGE_TARGET || r->role == RANGE_EXCLUDED;
		if (yes) {
			tally->yes++;
			tally->range = r;
			tally->target = target && r->shape ? r : tally->target;
		} else if (!columns->complete) {
			tally->maybe++;
		}
		if (!yes && target && r->shape && shape_physical_column(r->shape, name))
			tally->capture = r;
	}
}

/* No statement of use comes near it. */
static bool is_too_much(struct analysis *a, const struct column_use *use)
{
	if (a->column_work < COLUMN_WORK_MAX)
		return false;
	struct error *error = analysis_refuse(a, a->tokens->items[use->first].offset, SQLSTATE_LIMIT_EXCEEDED,
					      "statement has too many columns to tell apart");
	error_hint(error, "Split the statement, or write the tables' present names and columns.");
	return true;
}

/* The name may turn out to be none of the nearer tables': is there a target that it would then mean? */
static struct range *find_beyond(const struct level *level, const char *name)
{
	bool hidden = level->hides_outer;
	struct window window = level->outer_window;
	for (level = level->outer; level; level = level->outer) {
		for (struct range *r = columns_first(level, window); r && !hidden; r = columns_next(r, window)) {
			bool target = r->role == RANGE_TARGET || r->role == RANGE_EXCLUDED;
			if (target && r->shape && (shape_written_column(r->shape, name) ||
						   shape_physical_column(r->shape, name)))
				return r;
		}
		hidden = level->hides_outer;
		window = level->outer_window;
	}
	return NULL;
}

struct column_meaning columns_resolve(struct analysis *a, const struct column_use *use, const char *name)
{
	struct window window = use->window;
	struct tally tally = { 0 };
	struct range *capture = NULL;
	struct range *beyond = NULL;
	bool hidden = false;
	if (is_too_much(a, use))
		return (struct column_meaning){ .answer = COLUMN_UNSURE };
	for (const struct level *level = use->level; level; level = level->outer) {
		if (!hidden)
			count_level(a, level, window, name, &tally);
		window = level->outer_window;
		hidden = level->hides_outer;
		if (level->joined || (tally.yes == 0 && tally.maybe == 0)) {
			if (use->place == COLUMN_IN_GROUP && !level->joined)
				break;
			capture = tally.capture ? tally.capture : capture;
			tally.capture = NULL;
			continue;
		}
		if (tally.yes == 0)
			beyond = find_beyond(level, name);
		break;
	}
	struct column_meaning meaning = { .range = tally.range, .target = tally.target, .beyond = beyond,
					  .capture = tally.capture ? tally.capture : capture };
	if (tally.yes > 1)
		meaning.answer = COLUMN_AMBIGUOUS;
	else if (tally.maybe)
		meaning.answer = COLUMN_UNSURE;
	else if (tally.yes)
		meaning.answer = COLUMN_FOUND;
	return meaning;
}

static struct range *relation_in(const struct level *level, struct window window, const struct ruleset_name *name)
{
	for (struct range *r = columns_first(level, window); r; r = columns_next(r, window)) {
		if (r->is_relation && !r->aliased && r->name == name && name && !columns_is_hidden(r, window))
			return r;
	}
	return NULL;
}

/* blind: what ON and LATERAL cannot see is not forgotten. It may be what the text means, and the server will say so. */
static struct range *qualified(struct analysis *a, const struct column_use *use, bool blind)
{
	const struct qualifier *q = use->qualifier;
	if (!q)
		return NULL;
	const struct ruleset_name *name =
		q->part_count > 1 ? ruleset_find(a->ruleset, q->parts[q->part_count - 2], q->parts[q->part_count - 1])
				  : NULL;
	struct window window = use->window;
	bool hidden = false;
	for (const struct level *level = use->level; level; level = level->outer) {
		struct window seen = blind ? (struct window){ NULL, NULL } : window;
		struct range *range = hidden		   ? NULL :
				      q->part_count == 1 ? range_named(level, seen, q->parts[0]) :
							   relation_in(level, seen, name);
		if (range)
			return range;
		window = level->outer_window;
		hidden = level->hides_outer;
	}
	return NULL;
}

struct range *columns_qualified(struct analysis *a, const struct column_use *use)
{
	struct range *range = qualified(a, use, false);
	return range ? range : qualified(a, use, true);
}

const struct noted_join *columns_join(const struct column_use *use)
{
	const char *name = use->qualifier && use->qualifier->part_count == 1 ? use->qualifier->parts[0] : NULL;
	for (const struct level *level = use->level; name && level; level = level->outer) {
		for (const struct noted_join *noted = level->joins; noted; noted = noted->next) {
			if (noted->join->alias && strcmp(noted->join->alias->aliasname, name) == 0)
				return noted;
		}
	}
	return NULL;
}

bool columns_is_star(const struct column_use *use)
{
	return columns_ref_is_star(use->ref);
}

const char *columns_name(const struct column_use *use)
{
	return tree_string(use->ref->fields[use->ref->n_fields - 1]);
}
