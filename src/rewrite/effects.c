/* What a statement does to its session once it has succeeded. */
#include "rewrite/tree.h"
#include "rewrite/walk.h"

#include <strings.h>

static char *lower(struct arena *arena, const char *text)
{
	char *copy = arena_strdup(arena, text);
	for (char *c = copy; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	return copy;
}

static void note(struct analysis *a, enum effect_kind kind, const char *name, const char *value, bool local)
{
	analysis_effect(a, (struct effect){ .kind = kind, .name = name, .value = value, .local = local });
}

/* ---- transactions ---- */

static void on_transaction(struct analysis *a, const PgQuery__TransactionStmt *t)
{
	struct effect effect = { .chain = t->chain };
	switch (t->kind) {
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
		effect.kind = EFFECT_BEGIN;
		break;
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
		effect.kind = EFFECT_COMMIT;
		break;
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
		effect.kind = EFFECT_ROLLBACK;
		break;
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
		effect.kind = EFFECT_SAVEPOINT;
		break;
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
		effect.kind = EFFECT_RELEASE;
		break;
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
		effect.kind = EFFECT_ROLLBACK_TO;
		break;
	case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
		effect.kind = EFFECT_PREPARE_TRANSACTION;
		break;
	default:
		return; /* COMMIT PREPARED, ROLLBACK PREPARED: another transaction's business */
	}
	/* Empty it can be: what the parser leaves of an over-long name that is no UTF-8. */
	if (effect.kind == EFFECT_SAVEPOINT || effect.kind == EFFECT_RELEASE || effect.kind == EFFECT_ROLLBACK_TO)
		effect.name = t->savepoint_name;
	analysis_effect(a, effect);
}

/* ---- settings ---- */

static bool matters(const char *name)
{
	static const char *const names[] = { "search_path", "standard_conforming_strings", "client_encoding" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* One argument of SET as text; NULL: nothing that text could say. */
static const char *argument(struct analysis *a, const PgQuery__Node *node)
{
	if (node->node_case != PG_QUERY__NODE__NODE_A_CONST)
		return NULL;
	const PgQuery__AConst *constant = node->a_const;
	switch (constant->val_case) {
	case PG_QUERY__A__CONST__VAL_SVAL:
		return constant->sval->sval;
	case PG_QUERY__A__CONST__VAL_IVAL:
		return arena_printf(a->arena, "%d", constant->ival->ival);
	case PG_QUERY__A__CONST__VAL_FVAL:
		return constant->fval->fval;
	default:
		return NULL;
	}
}

/* search_path is a list of names, each of which SET quotes as needed. */
static const char *set_value(struct analysis *a, const PgQuery__VariableSetStmt *set, bool quote)
{
	struct buf text;
	buf_init(&text);
	for (size_t i = 0; i < set->n_args; i++) {
		const char *value = argument(a, set->args[i]);
		if (!value) {
			buf_deinit(&text);
			return NULL;
		}
		if (i)
			buf_append_str(&text, ", ");
		if (quote)
			name_append_quoted(&text, value);
		else
			buf_append_str(&text, value);
	}
	const char *copy = arena_copy(a->arena, text.data, text.len);
	buf_deinit(&text);
	return copy;
}

/* Booleans as the server shows them. */
static const char *as_shown(const char *name, const char *value)
{
	static const char *const on[] = { "on", "true", "yes", "1", "t", "tr", "tru", "y", "ye" };
	static const char *const off[] = { "off", "of", "false", "no", "0", "f", "fa", "fal", "fals", "n" };
	if (strcmp(name, "standard_conforming_strings") != 0)
		return value;
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		if (strcasecmp(value, on[i]) == 0)
			return "on";
	}
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		if (strcasecmp(value, off[i]) == 0)
			return "off";
	}
	return value;
}

static void set_role(struct analysis *a, const PgQuery__VariableSetStmt *set, enum effect_kind kind)
{
	const char *value = set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE ? set_value(a, set, false) : NULL;
	if (kind == EFFECT_ROLE && value && strcmp(value, "none") == 0)
		value = NULL;
	note(a, kind, NULL, value, set->is_local);
}

static void set_one(struct analysis *a, const PgQuery__VariableSetStmt *set, const char *name)
{
	const char *value;
	switch (set->kind) {
	case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
		value = set_value(a, set, strcmp(name, "search_path") == 0);
		note(a, value ? EFFECT_SET : EFFECT_SET_UNKNOWN, name, value ? as_shown(name, value) : NULL,
		     set->is_local);
		break;
	case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
	case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
		note(a, EFFECT_RESET, name, NULL, set->is_local);
		break;
	default:
		break;
	}
}

static void on_set(struct analysis *a, const PgQuery__VariableSetStmt *set)
{
	if (set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL) {
		note(a, EFFECT_RESET_ALL, NULL, NULL, false);
		return;
	}
	const char *name = lower(a->arena, set->name);
	if (strcmp(name, "role") == 0)
		set_role(a, set, EFFECT_ROLE);
	else if (strcmp(name, "session_authorization") == 0)
		set_role(a, set, EFFECT_SESSION_USER);
	else if (matters(name))
		set_one(a, set, name);
}

static void on_discard(struct analysis *a, const PgQuery__DiscardStmt *discard)
{
	if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL)
		note(a, EFFECT_DISCARD_ALL, NULL, NULL, false);
	else if (discard->target == PG_QUERY__DISCARD_MODE__DISCARD_TEMP)
		note(a, EFFECT_DISCARD_TEMP, NULL, NULL, false);
}

/* ---- code ---- */

/* Code may set search_path and the role, and make temporary tables. */
void effects_unknown(struct analysis *a)
{
	if (a->code_runs)
		return;
	a->code_runs = true;
	note(a, EFFECT_SET_UNKNOWN, "search_path", NULL, false);
	note(a, EFFECT_SET_UNKNOWN, "role", NULL, false);
	note(a, EFFECT_SET_UNKNOWN, EFFECT_TEMPS, NULL, false);
}

/* ---- set_config ---- */

static bool is_direct_target(const struct analysis *a, const PgQuery__FuncCall *call)
{
	const PgQuery__SelectStmt *select = a->plain_select;
	for (size_t i = 0; select && i < select->n_target_list; i++) {
		const PgQuery__Node *target = select->target_list[i];
		if (target->node_case != PG_QUERY__NODE__NODE_RES_TARGET)
			continue;
		const PgQuery__Node *value = target->res_target->val;
		if (value && value->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && value->func_call == call)
			return true;
	}
	return false;
}

static bool boolean_constant(const PgQuery__Node *node, bool *value_out)
{
	if (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST)
		node = node->type_cast->arg;
	if (!node || node->node_case != PG_QUERY__NODE__NODE_A_CONST)
		return false;
	const PgQuery__AConst *constant = node->a_const;
	if (constant->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL) {
		*value_out = constant->boolval->boolval;
		return true;
	}
	if (constant->val_case != PG_QUERY__A__CONST__VAL_SVAL)
		return false;
	*value_out = (constant->sval->sval[0] | 0x20) == 't';
	return (constant->sval->sval[0] | 0x20) == 't' || (constant->sval->sval[0] | 0x20) == 'f';
}

static void set_by_call(struct analysis *a, const char *name, const PgQuery__FuncCall *call)
{
	const PgQuery__AConst *value = tree_string_constant(call->args[1]);
	bool local, role = strcmp(name, "role") == 0, user = strcmp(name, "session_authorization") == 0;
	bool known = value && boolean_constant(call->args[2], &local) && is_direct_target(a, call);
	if (!known)
		note(a, EFFECT_SET_UNKNOWN, role || user ? "role" : name, NULL, false);
	else if (role)
		note(a, EFFECT_ROLE, NULL, strcmp(value->sval->sval, "none") == 0 ? NULL : value->sval->sval, local);
	else if (user)
		note(a, EFFECT_SESSION_USER, NULL, value->sval->sval, local);
	else
		note(a, EFFECT_SET, name, as_shown(name, value->sval->sval), local);
}

void effects_call(struct analysis *a, const PgQuery__FuncCall *call)
{
	const char *function = tree_last_string(call->funcname, call->n_funcname);
	unsigned flags = facts_code_flags(a->ruleset->facts, function);
	if (flags & FACT_CODE_SESSION)
		effects_unknown(a);
	if (flags & FACT_CODE_CATALOG)
		a->changes_catalog = true;
	if (strcmp(function, "set_config") != 0 || call->n_args != 3)
		return;
	const PgQuery__AConst *name = tree_string_constant(call->args[0]);
	analysis_consult(a, a->tokens->count);
	if (!name) {
		note(a, EFFECT_SET_UNKNOWN, "search_path", NULL, false);
		note(a, EFFECT_SET_UNKNOWN, "role", NULL, false);
		return;
	}
	const char *setting = lower(a->arena, name->sval->sval);
	if (matters(setting) || strcmp(setting, "role") == 0 || strcmp(setting, "session_authorization") == 0)
		set_by_call(a, setting, call);
}

/* ---- all statements ---- */

/* SELECT f(…), g(…): nothing can keep the calls from happening once. */
static const PgQuery__SelectStmt *as_plain_select(const PgQuery__Node *statement)
{
	const PgQuery__SelectStmt *s =
		statement->node_case == PG_QUERY__NODE__NODE_SELECT_STMT ? statement->select_stmt : NULL;
	bool plain = s && s->op == PG_QUERY__SET_OPERATION__SETOP_NONE && !s->n_from_clause && !s->where_clause &&
		     !s->having_clause && !s->n_group_clause && !s->limit_count && !s->limit_offset && !s->with_clause;
	return plain ? s : NULL;
}

/* EXECUTE, maybe inside EXPLAIN or CREATE TABLE … AS. */
static void on_execute(struct analysis *a, const PgQuery__Node *statement)
{
	if (statement && statement->node_case == PG_QUERY__NODE__NODE_EXECUTE_STMT)
		analysis_effect(a, (struct effect){ .kind = EFFECT_EXECUTE,
						    .name = statement->execute_stmt->name,
						    .has_values = statement->execute_stmt->n_params > 0 });
}

void effects_of(struct analysis *a, const PgQuery__Node *statement)
{
	switch (statement->node_case) {
	case PG_QUERY__NODE__NODE_SELECT_STMT:
		a->plain_select = as_plain_select(statement);
		break;
	case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
		on_transaction(a, statement->transaction_stmt);
		break;
	case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
		on_set(a, statement->variable_set_stmt);
		break;
	case PG_QUERY__NODE__NODE_DISCARD_STMT:
		on_discard(a, statement->discard_stmt);
		break;
	case PG_QUERY__NODE__NODE_EXECUTE_STMT:
		on_execute(a, statement);
		break;
	case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
		on_execute(a, statement->explain_stmt->query);
		break;
	case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
		on_execute(a, statement->create_table_as_stmt->query);
		break;
	case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
		note(a, EFFECT_DEALLOCATE,
		     statement->deallocate_stmt->name[0] ? statement->deallocate_stmt->name : NULL, NULL, false);
		break;
	case PG_QUERY__NODE__NODE_CALL_STMT:
	case PG_QUERY__NODE__NODE_DO_STMT:
		effects_unknown(a);
		break;
	case PG_QUERY__NODE__NODE_ALTER_ROLE_SET_STMT:
	case PG_QUERY__NODE__NODE_ALTER_DATABASE_SET_STMT:
	case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT:
	case PG_QUERY__NODE__NODE_ALTER_ROLE_STMT:
	case PG_QUERY__NODE__NODE_DROP_ROLE_STMT:
	case PG_QUERY__NODE__NODE_GRANT_ROLE_STMT:
	case PG_QUERY__NODE__NODE_DROP_OWNED_STMT:
	case PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT:
	case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT:
		a->changes_catalog = true;
		break;
	default:
		break;
	}
}
