/* Bodies of code in strings: scanned for names, which are counted and not rewritten, and for DDL. */
#include "rewrite/tree.h"
#include "rewrite/walk.h"

static bool is_name_place(struct slice body, const struct token_list *tokens, size_t i)
{
	static const char *const before[] = { "from", "join", "update", "table", "only", "using", "copy",
					      "truncate", "lock", "exists", "analyze", "on" };
	if (i == 0)
		return false;
	/* SELECT … INTO is followed by a variable. */
	if (i >= 2 && token_is_word(body, &tokens->items[i - 1], "into"))
		return token_is_word(body, &tokens->items[i - 2], "insert") ||
		       token_is_word(body, &tokens->items[i - 2], "merge");
	for (size_t k = 0; k < sizeof(before) / sizeof(before[0]); k++) {
		if (token_is_word(body, &tokens->items[i - 1], before[k]))
			return true;
	}
	return token_is(body, &tokens->items[i - 1], ",");
}

static const struct ruleset_name *mapped_in_body(const struct analysis *a, struct slice body,
						 const struct token_list *tokens, size_t i)
{
	char name[NAME_MAX_BYTES + 1], schema[NAME_MAX_BYTES + 1];
	if (!token_is_identifier(&tokens->items[i]))
		return NULL;
	size_t len = token_identifier(body, &tokens->items[i], name);
	if (!ruleset_mentions(a->ruleset, name, len))
		return NULL;
	if (i >= 2 && token_is(body, &tokens->items[i - 1], ".") && token_is_identifier(&tokens->items[i - 2])) {
		token_identifier(body, &tokens->items[i - 2], schema);
		return ruleset_find(a->ruleset, schema, name);
	}
	const struct name_list *path = session_state_search_path(a->state);
	if (!path || !is_name_place(body, tokens, i))
		return NULL;
	return ruleset_resolve(a->ruleset, path, session_state_user(a->state), name, a->state);
}

static void refuse_opaque(struct analysis *a, const struct ruleset_name *name, size_t offset)
{
	struct error *error = analysis_refuse(a, offset, SQLSTATE_FEATURE_NOT_SUPPORTED,
					      "table %s is named inside a body of code",
					      resolve_spelled(a->arena, name->written).data);
	error_detail(error, "Code in strings is not rewritten, and \"policy: {opaque: refuse}\" is set.");
	error_hint(error, "Write %s there.", resolve_spelled(a->arena, name->physical).data);
}

/* Of several tables the first one; the ledger knows them all. */
static void warn_opaque(struct analysis *a, const struct ruleset_name *name)
{
	if (a->notice)
		return;
	a->notice = ARENA_NEW(a->arena, struct error);
	error_set(a->notice, SQLSTATE_WARNING, "table %s is named inside a body of code, which is not rewritten",
		  resolve_spelled(a->arena, name->written).data);
	if (rel_name_eq(name->written, name->physical))
		error_hint(a->notice, "The table has been retired: remove it from the code.");
	else
		error_hint(a->notice, "Its rows are in %s: write that name in the code.",
			   resolve_spelled(a->arena, name->physical).data);
}

/* As it stands there. */
static const char *name_in_body(struct analysis *a, struct slice body, const struct token_list *tokens, size_t i)
{
	bool qualified = i >= 2 && token_is(body, &tokens->items[i - 1], ".") &&
			 token_is_identifier(&tokens->items[i - 2]);
	size_t start = tokens->items[qualified ? i - 2 : i].offset;
	return arena_copy(a->arena, body.data + start, tokens->items[i].offset + tokens->items[i].len - start);
}

static void scan_body(struct analysis *a, struct slice body, size_t offset)
{
	struct token_list tokens;
	token_list_init(&tokens);
	lexer_run(body, true, &tokens);
	for (size_t i = 0; i < tokens.count; i++) {
		const struct ruleset_name *name = mapped_in_body(a, body, &tokens, i);
		if (!name)
			continue;
		bool needs_change = resolve_is_retired(name) || !rel_name_eq(name->written, name->physical);
		bool refuse = needs_change && a->ruleset->policy.opaque == OPAQUE_REFUSE;
		analysis_use(a, name, USE_OPAQUE, refuse ? USE_REFUSED : 0);
		analysis_explain(a, offset, 0, resolve_spelled(a->arena, name->written).data, RULE_OPAQUE)->written =
			name_in_body(a, body, &tokens, i);
		if (refuse)
			refuse_opaque(a, name, offset);
		else if (needs_change && a->ruleset->policy.opaque == OPAQUE_NOTICE)
			warn_opaque(a, name);
	}
	token_list_deinit(&tokens);
}

void bodies_scan(struct analysis *a)
{
	analysis_consult(a, a->tokens->count);
	for (size_t i = a->first; i < a->end; i++) {
		const struct token *token = &a->tokens->items[i];
		struct slice body;
		if (token_is_literal(token) && token->class != TOKEN_NUMBER &&
		    token_string(a->arena, a->text, token, &body))
			scan_body(a, body, token->offset);
	}
}

/* Functions that run the SQL in their arguments. */
static bool runs_sql(const char *function)
{
	static const char *const names[] = { "query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema",
					     "ts_stat",	     "crosstab",	   "dblink",
					     "dblink_exec" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], function) == 0)
			return true;
	}
	return false;
}

void bodies_call(struct analysis *a, const PgQuery__FuncCall *call)
{
	if (!runs_sql(tree_last_string(call->funcname, call->n_funcname)))
		return;
	for (size_t i = 0; i < call->n_args; i++) {
		const PgQuery__AConst *constant = tree_string_constant(call->args[i]);
		if (!constant || constant->location < 0)
			continue;
		analysis_consult(a, token_at(a->tokens, (size_t)constant->location));
		scan_body(a, slice_str(constant->sval->sval), (size_t)constant->location);
	}
}

/* ---- DDL in code that runs at once ---- */

enum { STRINGS_IN_STRINGS = 3 };

static bool is_any_of(struct slice text, const struct token *token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (token_is_word(text, token, words[i]))
			return true;
	}
	return false;
}

/* CREATE OR REPLACE VIEW, DROP TABLE, …: what makes a name mean something else. Not CREATE TEMP. */
static bool defines_relation(struct slice text, const struct token_list *tokens, size_t i)
{
	static const char *const verbs[] = { "create", "alter", "drop" };
	static const char *const between[] = { "or", "replace", "unlogged", "foreign", "materialized", "recursive" };
	static const char *const objects[] = { "table", "view", "schema", "sequence" };
	if (!is_any_of(text, &tokens->items[i], verbs, sizeof(verbs) / sizeof(verbs[0])))
		return false;
	do
		i++;
	while (i < tokens->count && is_any_of(text, &tokens->items[i], between, sizeof(between) / sizeof(between[0])));
	return i < tokens->count && is_any_of(text, &tokens->items[i], objects, sizeof(objects) / sizeof(objects[0]));
}

/* Also in strings that the code runs. */
static bool defines_relations(struct analysis *a, struct slice text, unsigned depth)
{
	struct token_list tokens;
	bool found = false;
	token_list_init(&tokens);
	lexer_run(text, true, &tokens);
	for (size_t i = 0; i < tokens.count && !found; i++) {
		struct slice inside;
		if (token_is_literal(&tokens.items[i]))
			found = depth && tokens.items[i].class != TOKEN_NUMBER &&
				token_string(a->arena, text, &tokens.items[i], &inside) &&
				defines_relations(a, inside, depth - 1);
		else
			found = defines_relation(text, &tokens, i);
	}
	token_list_deinit(&tokens);
	return found;
}

bool bodies_change_catalog(struct analysis *a)
{
	size_t start = a->tokens->items[a->first].offset;
	const struct token *last = &a->tokens->items[a->end - 1];
	struct slice statement = slice_of(a->text.data + start, last->offset + last->len - start);
	return defines_relations(a, statement, STRINGS_IN_STRINGS);
}
