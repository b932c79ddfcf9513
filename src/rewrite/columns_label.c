/* The names of a query's columns, as the server makes them where the text gives none. */
#include "rewrite/columns.h"

#include "rewrite/tree.h"

enum { TARGETS_MAX = 1664 };

/* How sure a label is: the server prefers better ones where an expression has several. */
enum strength { LABEL_NONE, LABEL_TYPE, LABEL_NAME };

struct label {
	const char *text;
	enum strength strength;
	const PgQuery__ColumnRef *from;
};

static struct label label_of(const PgQuery__Node *node);

static struct label named(const char *text)
{
	return (struct label){ text, text ? LABEL_NAME : LABEL_NONE, NULL };
}

static struct label label_of_reference(const PgQuery__ColumnRef *ref)
{
	const char *name = ref->n_fields ? tree_string(ref->fields[ref->n_fields - 1]) : NULL;
	return (struct label){ name, name ? LABEL_NAME : LABEL_NONE, ref };
}

static struct label label_of_cast(const PgQuery__TypeCast *cast)
{
	struct label label = label_of(cast->arg);
	if (label.strength == LABEL_NAME || !cast->type_name)
		return label;
	const char *type = tree_last_string(cast->type_name->names, cast->type_name->n_names);
	return (struct label){ *type ? type : NULL, *type ? LABEL_TYPE : LABEL_NONE, NULL };
}

static struct label label_of_indirection(const PgQuery__AIndirection *indirection)
{
	for (size_t i = indirection->n_indirection; i > 0; i--) {
		const char *field = tree_string(indirection->indirection[i - 1]);
		if (field)
			return named(field);
	}
	return label_of(indirection->arg);
}

static struct label label_of_case(const PgQuery__CaseExpr *expression)
{
	struct label label = label_of(expression->defresult);
	return label.strength == LABEL_NAME ? label : (struct label){ "case", LABEL_TYPE, NULL };
}

static struct label label_of_sublink(const PgQuery__SubLink *link)
{
	if (link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK)
		return named("exists");
	if (link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK)
		return named("array");
	if (link->sub_link_type != PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK || !link->subselect ||
	    link->subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
		return named(NULL);
	const PgQuery__SelectStmt *select = link->subselect->select_stmt;
	while (select->larg)
		select = select->larg;
	if (!select->n_target_list || select->target_list[0]->node_case != PG_QUERY__NODE__NODE_RES_TARGET)
		return named(NULL);
	const PgQuery__ResTarget *target = select->target_list[0]->res_target;
	/* The inner list keeps its label by itself. */
	return target->name[0] ? named(target->name) : named(label_of(target->val).text);
}

static struct label label_of(const PgQuery__Node *node)
{
	switch (node ? node->node_case : PG_QUERY__NODE__NODE__NOT_SET) {
	case PG_QUERY__NODE__NODE_COLUMN_REF:
		return label_of_reference(node->column_ref);
	case PG_QUERY__NODE__NODE_A_INDIRECTION:
		return label_of_indirection(node->a_indirection);
	case PG_QUERY__NODE__NODE_FUNC_CALL:
		return named(tree_last_string(node->func_call->funcname, node->func_call->n_funcname));
	case PG_QUERY__NODE__NODE_TYPE_CAST:
		return label_of_cast(node->type_cast);
	case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
		return label_of(node->collate_clause->arg);
	case PG_QUERY__NODE__NODE_CASE_EXPR:
		return label_of_case(node->case_expr);
	case PG_QUERY__NODE__NODE_SUB_LINK:
		return label_of_sublink(node->sub_link);
	case PG_QUERY__NODE__NODE_A_EXPR:
		return named(node->a_expr->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF ? "nullif" : NULL);
	case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
		return named("array");
	case PG_QUERY__NODE__NODE_ROW_EXPR:
		return named("row");
	case PG_QUERY__NODE__NODE_COALESCE_EXPR:
		return named("coalesce");
	case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
		return named(node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_LEAST ? "least" : "greatest");
	case PG_QUERY__NODE__NODE_GROUPING_FUNC:
		return named("grouping");
	default:
		return named(NULL);
	}
}

const char *columns_label(const PgQuery__Node *value, const PgQuery__ColumnRef **from_out)
{
	struct label label = label_of(value);
	if (label.from)
		*from_out = label.from;
	return label.text;
}

const char *columns_target_label(const PgQuery__Node *target)
{
	const PgQuery__ColumnRef *from;
	if (target->node_case != PG_QUERY__NODE__NODE_RES_TARGET)
		return NULL;
	return target->res_target->name[0] ? target->res_target->name : columns_label(target->res_target->val, &from);
}

bool columns_is_output(const PgQuery__SelectStmt *select, const PgQuery__Node *item)
{
	if (!item || item->node_case != PG_QUERY__NODE__NODE_COLUMN_REF || item->column_ref->n_fields != 1)
		return false;
	const char *name = tree_string(item->column_ref->fields[0]);
	if (select->op > PG_QUERY__SET_OPERATION__SETOP_NONE)
		return true;
	/* The server takes no longer lists. */
	for (size_t i = 0; name && i < select->n_target_list && i < TARGETS_MAX; i++) {
		const char *label = columns_target_label(select->target_list[i]);
		if (label && strcmp(label, name) == 0)
			return true;
	}
	return false;
}
